// SPDX-License-Identifier: MIT

// A breakpoint in the middle of a C function that has no hook there: a page of memory is made
// inaccessible, and the first access to it runs the test's step before it is carried out. This
// makes many two-thread interleavings a matter of one thread. Nothing of the library knows of it.

import CFolio
import Glibc
import Synchronization

/// The step of a test that runs at the first access to some 4 KiB of memory.
///
/// Struct pages are 64 bytes: frames 64 apart are in different 4 KiB. One point at a time; others
/// wait for it.
package enum FaultPoint {
  /// Not under ThreadSanitizer: it carries an atomic operation out under a lock of its own, which
  /// the step would take again.
  package static var isSupported: Bool {
    #if SANITIZED_THREAD
      false
    #else
      true
    #endif
  }

  /// What stops at the point.
  package enum Trigger: Sendable {
    /// Any access.
    case access
    /// Stores and read-modify-writes, also those that will fail; loads pass.
    case write
  }

  /// Held by the one that has a point.
  private static let turn = Mutex(())

  private enum Phase {
    static let off: Int32 = 0
    static let armed: Int32 = 1
    static let running: Int32 = 2
  }

  // Written by `run` before the page is protected and after it is accessible again; read by the
  // handler in between. `phase` hands the step to exactly one thread.
  private nonisolated(unsafe) static var page: UInt = 0
  private nonisolated(unsafe) static var step: () -> Void = {}
  private nonisolated(unsafe) static let phase: UnsafeMutablePointer<atomic_t> = {
    let phase = UnsafeMutablePointer<atomic_t>.allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(phase).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<atomic_t>.size)
    return unsafe phase
  }()
  private nonisolated(unsafe) static var previous = sigaction()

  /// Runs `body` with the 4 KiB around `address` inaccessible (or read-only) until their first
  /// access (or write), by any thread; `step` runs then, and the access goes on. False: none came.
  package static func run(
    at address: UnsafeRawPointer, on trigger: Trigger = .access, step: @escaping () -> Void,
    body: () -> Void
  ) -> Bool {
    turn.withLock { _ in unsafe runAlone(at: address, on: trigger, step: step, body: body) }
  }

  private static func runAlone(
    at address: UnsafeRawPointer, on trigger: Trigger, step: @escaping () -> Void, body: () -> Void
  ) -> Bool {
    unsafe self.page = UInt(bitPattern: address) & ~4095
    unsafe self.step = step
    var action = sigaction()
    action.sa_flags = SA_SIGINFO | Int32(bitPattern: UInt32(SA_NODEFER))
    unsafe action.__sigaction_handler.sa_sigaction = { _, info, _ in
      unsafe FaultPoint.handle(info)
    }
    let installed = unsafe sigaction(SIGSEGV, &action, &previous)
    precondition(installed == 0, "sigaction failed")
    unsafe atomic_set_release(phase, Phase.armed)
    protect(trigger == .access ? PROT_NONE : PROT_READ)
    body()
    var expected = Phase.armed
    let untouched = unsafe atomic_try_cmpxchg(phase, &expected, Phase.off)
    protect(PROT_READ | PROT_WRITE)
    // A step that another thread runs ends before its closure goes.
    while unsafe atomic_read_acquire(phase) == Phase.running { cfolio_yield() }
    unsafe sigaction(SIGSEGV, &previous, nil)
    unsafe self.step = {}
    return !untouched
  }

  private static func protect(_ protection: Int32) {
    let status = unsafe mprotect(UnsafeMutableRawPointer(bitPattern: page), 4096, protection)
    precondition(status == 0, "mprotect failed")
  }

  private static func handle(_ info: UnsafeMutablePointer<siginfo_t>?) {
    let fault = unsafe UInt(bitPattern: info!.pointee._sifields._sigfault.si_addr) & ~4095
    guard unsafe fault == page else {
      // Somebody else's fault: the access repeats under the handler that was there before.
      unsafe sigaction(SIGSEGV, &previous, nil)
      return
    }
    var expected = Phase.armed
    // Otherwise the page is accessible again by now, or will be: the access repeats.
    guard unsafe atomic_try_cmpxchg(phase, &expected, Phase.running) else { return }
    protect(PROT_READ | PROT_WRITE)
    unsafe step()
    unsafe atomic_set_release(phase, Phase.off)
  }
}
