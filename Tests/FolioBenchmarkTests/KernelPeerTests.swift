// SPDX-License-Identifier: MIT

// The running kernel's own calls as peers: that each does what it says to the pages, and what becomes
// of one that is refused. Elsewhere a refusal is a line in the table; in continuous integration, which
// sets CI, it fails these tests.

import BenchmarkPeers
import Foundation
import Testing

@testable import FolioBenchmark

@Suite struct KernelPeerTests {
  /// In the order of the enumeration.
  static let calls = [
    KERNEL_IO_URING, KERNEL_VMSPLICE, KERNEL_READV, KERNEL_WRITE_FAULT, KERNEL_POPULATE,
    KERNEL_PUNCH, KERNEL_PROTECT, KERNEL_FORK,
  ]

  private static let configuration = Configuration(threads: 1, state: .warm)

  /// Runs the call on `rounds` runs and compares what the side compares.
  private func failures(_ side: Side, run: Int, rounds: Int) throws -> [String] {
    guard case .success(let loop) = side.loop else {
      try #require(!mustHaveKernelPeers, "\(side.name) is refused: \(side.loop)")
      return []
    }
    var verifier = Verifier()
    verifier.expect(loop.body(0, 0, run * rounds), run * rounds, "pages")
    side.verify(IterationCounts(iterations: [run * rounds]), &verifier)
    #expect(verifier.checks > 2)
    return verifier.failures
  }

  @Test(
    "each call is made for every page and leaves all of them mapped, in every view",
    arguments: calls.map(\.rawValue), [1, 16, 256])
  func eachCall(_ call: UInt32, run: Int) throws {
    for views in [1, 2] {
      let side = KernelPeers.side(
        kernel_call(call), KernelShape(pages: 512, views: views), run: run, Self.configuration)
      #expect(try failures(side, run: run, rounds: 5) == [], "\(side.name)")
    }
  }

  @Test("the kernel maps folios of 2 MiB by one entry: a run of 512 pages is pinned and touched")
  func huge() throws {
    for call in [KERNEL_IO_URING, KERNEL_WRITE_FAULT, KERNEL_POPULATE] {
      let side = KernelPeers.side(
        call, KernelShape(pages: 1024, isHuge: true), run: 512, Self.configuration)
      #expect(try failures(side, run: 512, rounds: 3) == [], "\(side.name)")
    }
  }

  @Test("names are different, and sides of several threads share pages where entries stay")
  func severalThreads() throws {
    #expect(Set(Self.calls.map(KernelPeers.name)).count == Self.calls.count)
    for call in Self.calls {
      let side = KernelPeers.side(
        call, KernelShape(pages: 64), run: 16, Configuration(threads: 2, state: .warm))
      guard case .success(let loop) = side.loop else {
        #expect(!mustHaveKernelPeers, "\(side.name) is refused: \(side.loop)")
        continue
      }
      #expect(loop.body(0, 0, 32) == 32)
      #expect(loop.body(1, 0, 32) == 32)
      var verifier = Verifier()
      side.verify(IterationCounts(iterations: [32, 32]), &verifier)
      #expect(verifier.failures == [], "\(side.name)")
    }
  }

  @Test(
    "zapped pages fault again", arguments: [KERNEL_WRITE_FAULT, KERNEL_POPULATE].map(\.rawValue))
  func faults(_ call: UInt32) throws {
    let side = KernelPeers.side(
      kernel_call(call), KernelShape(pages: 256), run: 64, Self.configuration)
    let before = Self.faults
    #expect(try failures(side, run: 64, rounds: 8) == [])
    if case .failure = side.loop { return }
    #expect(Self.faults - before >= 512)
  }

  /// Faults of this thread that needed no input.
  private static var faults: Int {
    // RUSAGE_THREAD, which the module Glibc leaves out.
    let thread: Int32 = 1
    var usage = rusage()
    _ = unsafe getrusage(thread, &usage)
    return usage.ru_minflt
  }

  @Test("entries that are not there are counted as missing")
  func missingEntries() throws {
    var error: Int32 = 0
    guard let memory = unsafe kernel_memory_create(64, 1, false, &error) else {
      Issue.record("no memory: errno \(error)")
      return
    }
    defer { unsafe kernel_memory_destroy(memory) }
    let before = unsafe kernel_memory_mapped(memory)
    #expect(before == 64)
    // A hole takes the pages of the file away, and with them the entries of every mapping.
    let isPunched = unsafe kernel_memory_punch(memory, 3, 2)
    #expect(isPunched)
    let after = unsafe kernel_memory_mapped(memory)
    #expect(after == 62)
  }

  @Test("a refused call is a side without a loop that says the errno")
  func refused() async throws {
    // The page beside the run, which has to be written, is missing.
    let side = KernelPeers.side(
      KERNEL_FORK, KernelShape(pages: 16), run: 16, Self.configuration)
    guard case .failure(let refusal) = side.loop else {
      Issue.record("made where there is no room")
      return
    }
    #expect(refusal.description == "Invalid argument, errno 22")
    await #expect(processExitsWith: .success) {
      // No further file can be opened, so there is no memory, no ring and no pipe.
      let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
      var limit = rlimit()
      _ = unsafe getrlimit(files, &limit)
      var none = rlimit(rlim_cur: 0, rlim_max: limit.rlim_max)
      let result = unsafe setrlimit(files, &none)
      try #require(result == 0)
      let side = KernelPeers.side(
        KERNEL_IO_URING, KernelShape(pages: 16), run: 16,
        Configuration(threads: 1, state: .warm))
      // What looks at the process when it ends needs files.
      _ = unsafe setrlimit(files, &limit)
      guard case .failure(let refusal) = side.loop else { fatalError("opened a file") }
      #expect(refusal.description == "Too many open files, errno 24")
    }
  }
}

/// In continuous integration a system call that is refused is a failure.
var mustHaveKernelPeers: Bool { ProcessInfo.processInfo.environment["CI"] != nil }
