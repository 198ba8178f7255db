// SPDX-License-Identifier: MIT

// The fixture of the operations on mapped pages: that it maps what it says, and that its comparisons
// find an entry, a pin or a reference that is missing.

import BenchmarkPeers
import CFolio
import FolioCore
import Testing

@testable import FolioBenchmark

@Suite struct MappedPagesTests {
  private static let shapes: [(pages: Int, order: Int, sharers: Int)] = [
    (64, 0, 1), (1024, 0, 3), (1024, 9, 1), (512, 9, 2), (512, 9, 5), (1 << 18, 18, 1),
  ]

  @Test("all pages are mapped by every space, and nothing is left at the end", arguments: shapes)
  func wholeLife(_ shape: (pages: Int, order: Int, sharers: Int)) throws {
    let mapped = try MappedPages(
      pages: shape.pages, order: shape.order, sharers: shape.sharers)
    var verifier = Verifier()
    for space in mapped.spaces {
      let run = shape.order > 0 ? 1 << shape.order : 16
      #expect(mapped.zap(space, 0..<run) && mapped.zap(space, 0..<run))
      #expect(space.counters.filePages == shape.pages - run)
      #expect(mapped.map(space, 0..<run) == run)
      #expect(mapped.zap(space, 0..<shape.pages))
      #expect(space.counters.filePages == 0)
      #expect(mapped.touch(space, 0..<shape.pages) == shape.pages)
    }
    mapped.verifySpaces(&verifier)
    mapped.close(&verifier)
    #expect(verifier.failures == [])
    #expect(verifier.checks > shape.pages >> shape.order)
  }

  @Test("a range across tables is mapped and zapped as a whole, in one gather or many")
  func acrossTables() throws {
    let mapped = try MappedPages(pages: 2048)
    let space = mapped.spaces[0]
    #expect(mapped.map(space, 0..<2048) == 0, "mapped where something is mapped")
    #expect(mapped.zap(space, 500..<1540) && space.counters.filePages == 1008)
    #expect(mapped.map(space, 500..<1540) == 1040)
    #expect(mapped.zap(space, 0..<2048) && space.counters.filePages == 0)
    #expect(mapped.map(space, 0..<2048) == 2048)
    var verifier = Verifier()
    mapped.close(&verifier)
    #expect(verifier.failures == [])
  }

  @Test("an entry that is missing is found")
  func missingEntry() throws {
    let mapped = try MappedPages(pages: 64)
    #expect(mapped.zap(mapped.spaces[0], 5..<6))
    var verifier = Verifier()
    mapped.close(&verifier)
    #expect(
      verifier.failures == [
        "page 5: R is 1, the model says 2", "page 5: M is 0, the model says 1",
        "pages that space 0 counts is 63, the model says 64",
      ])
  }

  @Test("a pin that is not given back is found", arguments: [false, true])
  func missingUnpin(_ isHuge: Bool) throws {
    let mapped = try MappedPages(pages: 512, order: isHuge ? 9 : 0)
    let space = mapped.spaces[0]
    var pinned: [UnsafeMutablePointer<page>?] = unsafe [nil]
    let got = unsafe gup_fast(
      space.mm, MappedPages.address(7), MappedPages.address(8), FOLL_PIN | FOLL_WRITE, &pinned)
    #expect(got == 1)
    let head = isHuge ? 0 : 7
    var verifier = Verifier()
    mapped.verify([head], pins: 1, &verifier)
    #expect(verifier.failures == [])
    mapped.verify([head], &verifier)
    let counted = isHuge ? 3 : 1026
    #expect(verifier.failures.first == "page \(head): R is \(counted), the model says 2")
    unsafe unpin_user_pages(pinned, 1)
    verifier = Verifier()
    mapped.close(&verifier)
    #expect(verifier.failures == [])
  }

  @Test("a walk over runs visits every page of every thread once per round")
  func runWalk() {
    for isSequential in [false, true] {
      let walk = RunWalk(
        run: 16, runs: 64, spaces: 4, isSequential: isSequential, ownPages: true)
      let starts = (0..<2).flatMap { thread in
        (192..<256).map { walk.page($0, thread: thread) }
      }
      #expect(starts.sorted() == Array(stride(from: 0, to: 2048, by: 16)))
      #expect((starts == starts.sorted()) == isSequential)
      #expect(walk.spaceMask == 3)
    }
    let shared = RunWalk(run: 16, runs: 8)
    #expect((0..<8).allSatisfy { shared.page($0, thread: 1) == shared.page($0) })
  }

  @Test("an operation of many pages is counted once")
  func counted() {
    var seen: [Int] = []
    let side = Side("x", granularity: 512, loop: Loop { _, first, count in first + count }) {
      progress, _ in
      seen.append(progress.total)
    }.counted(in: 512)
    #expect(side.granularity == 1)
    guard case .success(let loop) = side.loop else { return }
    #expect(loop.body(0, 3, 4) == 7)
    var verifier = Verifier()
    side.verify(IterationCounts(iterations: [2, 3]), &verifier)
    #expect(seen == [5 * 512])
  }
}
