// SPDX-License-Identifier: MIT

// Entries made, taken away, changed and copied (core.md sections 9-11): by hand and by faults, pages
// and leaves of 2 MiB, over sizes, and over address spaces that share the pages. Each thread has pages
// of its own in spaces that all threads use, as threads of a process have.

import BenchmarkPeers
import CFolio
import FolioCore

enum MapOperations {
  static let all = [
    pages, faults, huge, giant, sharedPages(4), sharedPages(64), sharedHuge(64), unmapMapping(1),
    unmapMapping(16), protect, fork, sequential,
  ]

  private static let zapCalls = [KERNEL_WRITE_FAULT, KERNEL_POPULATE]
  private static let run = MappedPages.hugePages

  // MARK: zapped and mapped again

  private static let zapAndMap = RunStep { mapped, space, pages in
    guard mapped.zap(space, pages) else { return 0 }
    return mapped.map(space, pages)
  }

  private static let zapAndTouch = RunStep { mapped, space, pages in
    guard mapped.zap(space, pages) else { return 0 }
    return mapped.touch(space, pages)
  }

  private static let pages = BenchmarkOperation(
    Name.mapZap, "MADV_DONTNEED of 512 pages, vm_insert_pages(), one of them read; per page",
    peers: zapCalls.map(KernelPeers.name)
  ) { configuration throws(Refusal) in
    try RunTrial(configuration, zapCalls).make(zapAndMap)
  }

  private static let faults = BenchmarkOperation(
    Name.faultZap, "MADV_DONTNEED of 512 pages, each mapped again by a store's fault; per page",
    peers: zapCalls.map(KernelPeers.name)
  ) { configuration throws(Refusal) in
    try RunTrial(configuration, zapCalls).make(zapAndTouch)
  }

  private static let huge = BenchmarkOperation(
    Name.faultZapHuge, "MADV_DONTNEED of a 2 MiB folio, mapped again by a store's fault; per folio",
    peers: zapCalls.map(KernelPeers.name)
  ) { configuration throws(Refusal) in
    try RunTrial(configuration, order: Int(PMD_ORDER), zapCalls).make(zapAndTouch)
  }

  private static let giant = BenchmarkOperation(
    Name.faultZapGiant,
    "MADV_DONTNEED of a 1 GiB folio, mapped again by a store's fault; per folio",
    warmOnly: "one folio is as many pages as a cold walk goes over"
  ) { configuration throws(Refusal) in
    try RunTrial(configuration, run: 1 << Int(PUD_ORDER), order: Int(PUD_ORDER), [])
      .make(zapAndTouch)
  }

  private static let fewTables = "the tables of more spaces are what it adds, and they are few"

  private static func sharedPages(_ sharers: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.sharedMapZap(sharers),
      "MADV_DONTNEED and vm_insert_pages() in one of \(sharers) spaces that share them; per page",
      warmOnly: fewTables, peers: [Peer.writeFault]
    ) { configuration throws(Refusal) in
      try RunTrial(configuration, pages: run, sharers: sharers, [KERNEL_WRITE_FAULT])
        .make(zapAndMap)
    }
  }

  private static func sharedHuge(_ sharers: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.sharedFaultZapHuge(sharers),
      "MADV_DONTNEED of a 2 MiB folio and a fault in one of \(sharers) spaces; per folio",
      warmOnly: fewTables, peers: [Peer.writeFault]
    ) { configuration throws(Refusal) in
      try RunTrial(
        configuration, pages: run, order: Int(PMD_ORDER), sharers: sharers, [KERNEL_WRITE_FAULT]
      ).make(zapAndTouch)
    }
  }

  private static let sequential = BenchmarkOperation(
    Name.sequentialMapZap, "MADV_DONTNEED and vm_insert_pages(), 512 pages after 512; per page",
    threads: [1], warmOnly: "its sizes go from warm to cold", isScaled: true,
    peers: [Peer.fewPages]
  ) { configuration throws(Refusal) in
    try RunTrial(configuration, pages: configuration.scaledPages, isSequential: true, [])
      .make(zapAndMap)
  }

  // MARK: taken out of all spaces

  private static func unmapMapping(_ sharers: Int) -> BenchmarkOperation {
    BenchmarkOperation(
      Name.unmapMapping(sharers),
      "unmap_mapping_range() of one page after the other, then vm_insert_pages() in "
        + "\(sharers) space\(sharers == 1 ? "" : "s"); per page",
      warmOnly: fewTables, peers: [Peer.punch]
    ) { configuration throws(Refusal) in
      try RunTrial(configuration, pages: run, run: 16, sharers: sharers, [KERNEL_PUNCH])
        .make(unmapEverywhere)
    }
  }

  private static let unmapEverywhere = RunStep { mapped, _, pages in
    for page in pages { mapped.object.unmap(pages: page..<page + 1) }
    for space in mapped.spaces {
      guard mapped.map(space, pages) == pages.count else { return 0 }
    }
    return pages.count
  }

  // MARK: changed

  private static let protect = BenchmarkOperation(
    Name.protect, "mprotect() of 512 pages to read-only and back; per page", threads: [1],
    peers: [Peer.protect]
  ) { configuration throws(Refusal) in
    try RunTrial(configuration, [KERNEL_PROTECT]).make(protectAndBack)
  }

  private static let protectAndBack = RunStep { _, space, pages in
    let range = MappedPages.addresses(pages)
    do throws(MemoryError) {
      try space.protect(range, .read)
      try space.protect(range, [.read, .write])
      return pages.count
    } catch {
      return 0
    }
  }

  // MARK: copied

  /// Pages that a forked space maps: as many as make the rest of a process small beside them.
  private static let forkedPages = 1 << 14

  private static let fork = BenchmarkOperation(
    Name.fork, "fork() of a space that maps 2^14 pages, and the child's end; per page",
    threads: [1], warmOnly: "the child's tables are new memory every time", peers: [Peer.fork]
  ) { configuration throws(Refusal) in
    try RunTrial(configuration, pages: forkedPages, run: forkedPages, [KERNEL_FORK])
      .make(forkAndEnd)
  }

  private static let forkAndEnd = RunStep { _, space, pages in
    do throws(MemoryError) {
      let child = try space.fork()
      return child.counters.filePages
    } catch {
      return 0
    }
  }
}
