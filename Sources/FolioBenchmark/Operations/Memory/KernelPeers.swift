// SPDX-License-Identifier: MIT

// The running kernel's own system calls as sides of a trial (peers/kernel.h). Who is refused one is
// told the errno; in continuous integration the tests take that for a failure.

import BenchmarkPeers
internal import Glibc

/// A shared mapping of a file in memory.
struct KernelShape {
  /// Pages of the file, a power of two.
  var pages: Int
  /// Mappings of all of it.
  var views = 1
  /// In folios of 2 MiB, mapped by one entry each.
  var isHuge = false
}

enum KernelPeers {
  /// Memory that goes with its last user.
  @safe private final class Memory {
    let handle: OpaquePointer
    let shape: KernelShape

    init(_ shape: KernelShape) throws(Refusal) {
      var error: Int32 = 0
      guard
        let handle = unsafe kernel_memory_create(shape.pages, shape.views, shape.isHuge, &error)
      else { throw Refusal(errno: error) }
      unsafe self.handle = handle
      self.shape = shape
    }

    deinit { unsafe kernel_memory_destroy(handle) }

    func verify(_ verifier: inout Verifier) {
      verifier.expect(
        unsafe kernel_memory_mapped(handle), shape.pages * shape.views,
        "pages that the kernel maps")
    }
  }

  /// What one thread makes the call with.
  @safe private final class Caller {
    let handle: OpaquePointer
    let memory: Memory

    init(_ call: kernel_call, _ memory: Memory, run: Int) throws(Refusal) {
      var error: Int32 = 0
      guard let handle = unsafe kernel_peer_create(call, memory.handle, run, &error) else {
        throw Refusal(errno: error)
      }
      unsafe self.handle = handle
      self.memory = memory
    }

    deinit { unsafe kernel_peer_destroy(handle) }

    func verify(_ verifier: inout Verifier) {
      verifier.expect(kernelError, 0, "errno of the kernel's call")
    }

    var kernelError: Int32 { unsafe kernel_peer_error(handle) }
  }

  /// Calls that leave the entries alone, so that all threads may make them on the same pages.
  private static func leavesEntries(_ call: kernel_call) -> Bool {
    [KERNEL_IO_URING, KERNEL_VMSPLICE, KERNEL_READV, KERNEL_FORK].contains(call)
  }

  /// The call on runs of `run` pages, or why it cannot be made here.
  static func side(
    _ call: kernel_call, _ shape: KernelShape, run: Int, _ configuration: Configuration
  ) -> Side {
    do throws(Refusal) {
      let callers = try callers(call, shape, run: run, threads: configuration.threads)
      return Side(
        name(of: call), granularity: run,
        loop: Loop { thread, first, count in
          Int(unsafe kernel_peer_run(callers[thread].handle, first, count))
        },
        verify: { _, verifier in
          for caller in callers { caller.verify(&verifier) }
          callers[0].memory.verify(&verifier)
        })
    } catch {
      return Side(name(of: call), refused: error)
    }
  }

  private static func callers(
    _ call: kernel_call, _ shape: KernelShape, run: Int, threads: Int
  ) throws(Refusal) -> [Caller] {
    var callers: [Caller] = []
    for _ in 0..<threads {
      let shared = leavesEntries(call) ? callers.first?.memory : nil
      let memory: Memory
      if let shared { memory = shared } else { memory = try Memory(shape) }
      callers.append(try Caller(call, memory, run: run))
    }
    return callers
  }

  static func name(of call: kernel_call) -> String {
    switch call {
    case KERNEL_IO_URING: Peer.ioUring
    case KERNEL_VMSPLICE: Peer.vmsplice
    case KERNEL_READV: Peer.readv
    case KERNEL_WRITE_FAULT: Peer.writeFault
    case KERNEL_POPULATE: Peer.populate
    case KERNEL_PUNCH: Peer.punch
    case KERNEL_PROTECT: Peer.protect
    default: Peer.fork
    }
  }
}

extension Refusal {
  /// A system call was refused.
  init(errno error: Int32) {
    self.init("\(unsafe String(cString: strerror(error))), errno \(error)")
  }
}
