// SPDX-License-Identifier: MIT

// Entries taken away and made again (core.md sections 9 and 10): pages and leaves of 2 MiB, over
// sizes, and over address spaces that share the pages. Each thread has pages and tables of its own
// in maps that all threads use, as threads of a process have.

import BenchmarkPeers
import CFolio

enum MapOperations {
  static let all = [pages, huge, sharedPages(4), sharedPages(64), sharedHuge(64), sequential]

  private static let calls = [KERNEL_WRITE_FAULT, KERNEL_POPULATE]
  private static let run = MappedPages.hugePages
  /// 2 MiB folios that stay in the cache.
  private static let hotFolios = 8

  private static let pages = BenchmarkOperation(
    Name.mapZap, "512 pages zapped and mapped again by PTEs, one of them touched; per page",
    peers: calls.map(KernelPeers.name)
  ) { configuration throws(Refusal) in
    try trial(configuration, pages: configuration.mappedPages(warm: run))
  }

  private static let huge = BenchmarkOperation(
    Name.mapZapHuge, "a 2 MiB folio zapped and mapped again by a PMD, and touched; per folio",
    peers: calls.map(KernelPeers.name)
  ) { configuration throws(Refusal) in
    try trial(
      configuration, pages: configuration.mappedPages(warm: hotFolios * run), isHuge: true)
  }

  private static func sharedPages(_ sharers: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.sharedMapZap(sharers),
      "the same in one of \(sharers) maps that share the pages after the other; per page",
      warmOnly: "the tables of more maps are what it adds, and they are few",
      peers: [Peer.writeFault]
    ) { configuration throws(Refusal) in
      try trial(
        configuration, pages: run, sharers: sharers, calls: [KERNEL_WRITE_FAULT])
    }
  }

  private static func sharedHuge(_ sharers: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.sharedMapZapHuge(sharers),
      "a 2 MiB folio zapped and mapped again in one of \(sharers) maps after the other; per folio",
      warmOnly: "the tables of more maps are what it adds, and they are few",
      peers: [Peer.writeFault]
    ) { configuration throws(Refusal) in
      try trial(
        configuration, pages: run, isHuge: true, sharers: sharers, calls: [KERNEL_WRITE_FAULT])
    }
  }

  private static let sequential = BenchmarkOperation(
    Name.sequentialMapZap, "runs of 512 pages zapped and mapped again in order; per page",
    threads: [1], warmOnly: "its sizes go from warm to cold", isScaled: true
  ) { configuration throws(Refusal) in
    try trial(
      configuration, pages: configuration.devicePages ?? 1024, calls: [], isSequential: true)
  }

  /// - Parameter pages: of each thread.
  private static func trial(
    _ configuration: Configuration, pages: Int, isHuge: Bool = false, sharers: Int = 1,
    calls: [kernel_call] = calls, isSequential: Bool = false
  ) throws(Refusal) -> Trial {
    var regions = 1
    while regions < configuration.threads { regions *= 2 }
    let mapped = try MappedPages(pages: pages * regions, isHuge: isHuge, sharers: sharers)
    let walk = RunWalk(
      run: run, runs: pages / run, spaces: sharers, isSequential: isSequential, ownPages: true)
    let check = walk.check(mapped)
    // Of a leaf the operation is one; of single pages, one per page.
    let unit = isHuge ? run : 1
    let shape = configuration.kernelShape(of: mapped, threads: regions)
    return Trial(
      pages: mapped.device.count,
      sides: ([
        Side(
          "folio", granularity: run,
          loop: Loop { thread, first, count in
            if configuration.isBroken && thread == 0 && first == 0 {
              mapped.device.plantReference(on: 0)
            }
            return unsafe mapped.spaces.withUnsafeBufferPointer { spaces in
              unsafe loop(mapped, spaces, walk, thread, first, count)
            }
          },
          verify: { progress, verifier in
            check.verify(progress, &verifier)
            mapped.verifySpaces(&verifier)
          })
      ] + calls.map { KernelPeers.side($0, shape, run: run, configuration) })
      .map { $0.counted(in: unit) },
      witness: { stepThrough(mapped, &$0) },
      close: { mapped.close(&$0) })
  }

  /// What is timed: the zap, the insertion, and a store through one of the entries, so that the map
  /// has users and the next flush has to know whom to wait for. Returns the pages that went through
  /// all of it.
  @inline(never)
  private static func loop(
    _ mapped: MappedPages, _ spaces: UnsafeBufferPointer<AddressSpace>, _ walk: RunWalk,
    _ thread: Int, _ first: Int, _ count: Int
  ) -> Int {
    var step = first / walk.run
    let end = (first &+ count) / walk.run
    var done = 0
    while step < end {
      let page = walk.page(step, thread: thread)
      let space = unsafe spaces[step & walk.spaceMask]
      let removed = mapped.zap(space, page..<page &+ walk.run)
      let inserted = mapped.map(space, page..<page &+ walk.run)
      var translation = translation()
      if unsafe mmu_begin(space.mm, PageEntries.address(page), true, &translation) {
        unsafe mmu_end(space.mm, &translation)
        done &+= min(removed, inserted)
      }
      step &+= 1
    }
    return done
  }

  /// Zaps and maps a run in each map, looking at the counters in between.
  private static func stepThrough(_ mapped: MappedPages, _ verifier: inout Verifier) {
    for space in mapped.spaces {
      verifier.expect(mapped.zap(space, 0..<run), run, "entries removed")
      var model = mapped.model
      model.put()
      if mapped.isHuge {
        model.unmapEntirely(by: space.id)
      } else {
        model.unmap(page: 0, by: space.id)
      }
      mapped.device.verify([0], model, &verifier)
      verifier.expect(mapped.zap(space, 0..<run), 0, "entries removed twice")
      verifier.expect(mapped.map(space, 0..<run), run, "entries made")
      mapped.verify([0], &verifier)
    }
  }
}
