// SPDX-License-Identifier: MIT

// Every refusal of the Swift API: the exact code, the frame where one is concerned, and nothing
// changed. The errno values of C's memremap_pages() are in RemapInputTests.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

/// What an operation was refused with.
private struct Refusal: Equatable, CustomStringConvertible {
  let code: PageMapError.Code
  var frame: UInt? = nil
  var description: String { frame.map { "\(code) at \($0)" } ?? "\(code)" }
}

private func refusal(_ body: () throws(PageMapError) -> Void) -> Refusal? {
  do throws(PageMapError) { try body() } catch {
    return Refusal(code: error.code, frame: error.frame)
  }
  return nil
}

private func refusal(
  _ kind: PageMap.Kind = .fsdax, pages: Int, _ options: PageMap.Options = .init()
) -> Refusal? {
  refusal { () throws(PageMapError) in _ = try PageMap(kind, pages: pages, options) }
}

@Suite("Refusals have their exact code and frame")
struct ErrorTests {
  private static let free: UInt = 1 << 27

  @Test("misaligned")
  func misaligned() throws {
    let odd = Self.free + 1
    #expect(
      refusal(pages: 8, .init(firstFrame: odd)) == Refusal(code: .misaligned, frame: odd))
    let halfway = Self.free + 512
    #expect(
      refusal(pages: 1024, .init(compoundOrder: 10, firstFrame: halfway))
        == Refusal(code: .misaligned, frame: halfway))
    #expect(refusal(.generic, pages: 700, .init(compoundOrder: 9))?.code == .misaligned)
    let map = try PageMap(.fsdax, pages: 512)
    let first = map.frames.lowerBound
    #expect(
      refusal { () throws(PageMapError) in _ = try map.claim(frame: first + 2, order: 2).frame }
        == Refusal(code: .misaligned, frame: first + 2))
  }

  @Test("out of range")
  func outOfRange() throws {
    for pages in [0, -1, Int.min, 1 << 30, Int.max] {
      #expect(refusal(pages: pages) == Refusal(code: .outOfRange), "\(pages) pages")
    }
    for first: UInt in [(1 << 30) - 512, .max - 511, 1 << 63] {
      #expect(
        refusal(pages: 1024, .init(firstFrame: first)) == Refusal(code: .outOfRange, frame: first))
    }
    let map = try PageMap(.fsdax, pages: 512)
    let outside = [map.frames.lowerBound - 1, map.frames.upperBound, 0, UInt.max]
    for frame in outside {
      let expected = Refusal(code: .outOfRange, frame: frame)
      #expect(
        refusal { () throws(PageMapError) in _ = try map.claim(frame: frame).frame } == expected)
      #expect(
        refusal { () throws(PageMapError) in try map.waitUntilIdle(frame: frame) } == expected)
    }
    let past = map.frames.lowerBound
    #expect(
      refusal { () throws(PageMapError) in _ = try map.claim(frame: past, order: 18).frame }?.code
        == (past % (1 << 18) == 0 ? .outOfRange : .misaligned))
  }

  @Test("out of range, as a task")
  func outOfRangeTask() async throws {
    let map = try PageMap(.fsdax, pages: 512)
    for frame in [map.frames.upperBound, UInt.max] {
      do throws(PageMapError) {
        try await map.idle(frame: frame)
        Issue.record("frame \(frame) is not of the map")
      } catch {
        #expect(error.code == .outOfRange && error.frame == frame)
      }
    }
  }

  @Test("an order that is too large, negative, or not the run's")
  func invalidOrder() throws {
    for order in [-1, 19, Int.max, Int.min] {
      #expect(refusal(pages: 512, .init(compoundOrder: order)) == Refusal(code: .invalidOrder))
    }
    let map = try PageMap(.fsdax, pages: 512)
    let first = map.frames.lowerBound
    for order in [-1, 19, Int.max, Int.min] {
      #expect(
        refusal { () throws(PageMapError) in _ = try map.claim(frame: first, order: order).frame }
          == Refusal(code: .invalidOrder, frame: first))
    }
    var single = try map.claim(frame: first)
    var formed: Refusal?
    do throws(PageMapError) { try single.form() } catch {
      formed = Refusal(code: error.code, frame: error.frame)
    }
    #expect(formed == Refusal(code: .invalidOrder, frame: first))
    for order in [-1, 10, Int.max] {
      #expect(
        refusal { () throws(PageMapError) in
          try SystemMemory.shared.allocate(order: order).release()
        } == Refusal(code: .invalidOrder))
    }
  }

  @Test("overlap with a map, its last subsection, or a dead map's pages that are still referenced")
  func overlap() throws {
    let first = Self.free + (1 << 20)
    let map = try PageMap(.generic, pages: 1000, .init(firstFrame: first, strictTeardown: false))
    for start in [first, first + 512] {
      #expect(
        refusal(pages: 1024, .init(firstFrame: start)) == Refusal(code: .overlap, frame: start))
    }
    #expect(
      refusal(pages: 1024, .init(firstFrame: first - 512))
        == Refusal(code: .overlap, frame: first))
    #expect(map.audit().isEmpty)
    let held = try reference(to: first + 3)
    try map.unmap()
    #expect(
      refusal(pages: 512, .init(firstFrame: first)) == Refusal(code: .overlap, frame: first))
    held.release()
    #expect(refusal(pages: 512, .init(firstFrame: first)) == nil)
  }

  @Test("system memory")
  func systemMemory() {
    for first: UInt in [0, 512, (1 << 20) - 512] {
      #expect(
        refusal(pages: 512, .init(firstFrame: first)) == Refusal(code: .systemMemory, frame: first))
    }
  }

  @Test("busy: a claimed run, a page in use at teardown, audit, form and split, a page that is out")
  func busy() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let first = map.frames.lowerBound
    var owner = try map.claim(frame: first, order: 2)
    #expect(
      refusal { () throws(PageMapError) in _ = try map.claim(frame: first + 2).frame }
        == Refusal(code: .busy, frame: first + 2))
    unsafe folio_ref_inc(map.folio(first + 3))
    var formed: Refusal?
    do throws(PageMapError) { try owner.form() } catch {
      formed = Refusal(code: error.code, frame: error.frame)
    }
    #expect(formed == Refusal(code: .busy, frame: first + 3))
    let expected = Refusal(code: .busy, frame: first + 3)
    #expect(refusal { () throws(PageMapError) in try map.startAuditing() } == expected)
    #expect(refusal { () throws(PageMapError) in try map.unmap() } == expected)
    #expect(map.isLive)
    unsafe folio_put(map.folio(first + 3))
    try owner.form()
    let held = try owner.raise()
    var split: Refusal?
    do throws(PageMapError) { try owner.split() } catch {
      split = Refusal(code: error.code, frame: error.frame)
    }
    #expect(split == Refusal(code: .busy, frame: first))
    held.release()
    try owner.split()

    let drivers = try PageMap(.devicePrivate, pages: 512)
    let frame = drivers.frames.lowerBound
    let page = try drivers.claim(frame: frame)
    let out = try page.raise()
    var twice: Refusal?
    do throws(PageMapError) { _ = try page.raise().frame } catch {
      twice = Refusal(code: error.code, frame: error.frame)
    }
    #expect(twice == Refusal(code: .busy, frame: frame))
    out.release()
  }

  @Test("unowned: the first page of the run is a tail of a larger folio")
  func unowned() throws {
    for kind in [PageMap.Kind.fsdax, .generic, .pciP2PDMA] {
      let map = try PageMap(kind, pages: 512, .init(compoundOrder: 3))
      let frame = map.frames.lowerBound + 4
      let owner = try map.claim(frame: frame)
      let budget = map.mapReferenceCount
      var refused: Refusal?
      do throws(PageMapError) { _ = try owner.raise().frame } catch {
        refused = Refusal(code: error.code, frame: error.frame)
      }
      #expect(refused == Refusal(code: .unowned, frame: frame), "\(kind)")
      #expect(map.mapReferenceCount == budget)
      #expect(unsafe page_ref_count(map.page(frame)) == 0)
    }
  }

  @Test("already audited, until the audit is stopped")
  func alreadyAudited() throws {
    let map = try PageMap(.fsdax, pages: 512)
    try map.startAuditing()
    #expect(
      refusal { () throws(PageMapError) in try map.startAuditing() }
        == Refusal(code: .alreadyAudited))
    map.stopAuditing()
    #expect(refusal { () throws(PageMapError) in try map.startAuditing() } == nil)
  }

  @Test("interrupted and timed out")
  func waits() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let frame = map.frames.lowerBound
    let held = try map.claim(frame: frame).raise()
    let token = Cancellation()
    token.fire()
    #expect(
      refusal { () throws(PageMapError) in
        try map.waitUntilIdle(frame: frame, mode: .interruptible(token))
      } == Refusal(code: .interrupted, frame: frame))
    for timeout in [Duration.zero, .nanoseconds(-1), .milliseconds(1)] {
      #expect(
        refusal { () throws(PageMapError) in
          try map.waitUntilIdle(frame: frame, timeout: timeout)
        } == Refusal(code: .timedOut, frame: frame))
    }
    held.release()
  }

  @Test("each code has its errno")
  func errnos() {
    let values: [(PageMapError.Code, Int32)] = [
      (.invalidConfiguration, EINVAL), (.misaligned, EINVAL), (.outOfRange, EINVAL),
      (.invalidOrder, EINVAL), (.unowned, EINVAL), (.overlap, ENOMEM), (.outOfMemory, ENOMEM),
      (.systemMemory, ENXIO), (.dead, ENXIO), (.busy, EBUSY), (.alreadyAudited, EBUSY),
      (.interrupted, EINTR), (.timedOut, ETIMEDOUT),
    ]
    #expect(Set(values.map(\.0)).count == 13)
    for (code, errno) in values { #expect(code.errno == errno, "\(code)") }
  }
}

extension ErrorTests {
  // Allocation failure is the whole process's, so these run in one of their own.
  @Test("out of memory: a map, its ledger and a suspended wait, whichever allocation fails")
  func outOfMemory() async {
    await #expect(processExitsWith: .success) {
      cfolio_fault_injection(1, 7)
      #expect(refusal(pages: 512)?.code == .outOfMemory)
      cfolio_fault_injection(0, 0)

      let map = try PageMap(.fsdax, pages: 512)
      let frame = map.frames.lowerBound
      cfolio_fault_injection(1, 7)
      #expect(
        refusal { () throws(PageMapError) in try map.startAuditing() }
          == Refusal(code: .outOfMemory))
      cfolio_fault_injection(0, 0)
      let held = try map.claim(frame: frame).raise()
      cfolio_fault_injection(1, 7)
      do throws(PageMapError) {
        try await map.idle(frame: frame)
        Issue.record("suspended without memory")
      } catch {
        #expect(error.code == .outOfMemory && error.frame == frame)
      }
      cfolio_fault_injection(0, 0)
      held.release()
      try map.unmap()

      // Each allocation of a new map in turn, and some more of the same: nothing is left behind.
      var outcomes: Set<Bool> = []
      for seed in UInt64(0)..<400 {
        cfolio_fault_injection(4, seed)
        let refused = refusal(.generic, pages: 3000, .init(firstFrame: frame))
        cfolio_fault_injection(0, 0)
        #expect(refused == nil || refused?.code == .outOfMemory, "seed \(seed)")
        outcomes.insert(refused == nil)
        // The dropped map goes on a thread of its own.
        var again: Refusal? = Refusal(code: .overlap)
        for _ in 0..<2000 where again != nil {
          again = refusal { () throws(PageMapError) in
            try PageMap(.generic, pages: 3000, .init(firstFrame: frame)).unmap()
          }
          if again != nil { cfolio_sleep_ns(1_000_000) }
        }
        #expect(again == nil, "seed \(seed)")
      }
      #expect(outcomes == [true, false])
    }
  }

  @Test("out of memory: no RAM block, no free range of frames")
  func exhausted() async {
    await #expect(processExitsWith: .success) {
      var blocks: [UInt] = []
      var refused: Refusal?
      while refused == nil {
        do throws(PageMapError) {
          let block = try SystemMemory.shared.allocate(order: 9)
          blocks.append(block.frame)
          _ = unsafe block.leak()
        } catch {
          refused = Refusal(code: error.code, frame: error.frame)
        }
      }
      #expect(refused == Refusal(code: .outOfMemory))
      #expect(blocks.count == SystemMemory.shared.pages / 512)
      #expect(SystemMemory.shared.freePages == 0)
      for block in blocks { unsafe folio_put(page_folio(pfn_to_page(block))) }
      #expect(SystemMemory.shared.freePages == SystemMemory.shared.pages)

      // One map in the middle of the frame space leaves no run of more than half of it.
      let wall = try PageMap(.fsdax, pages: 512, .init(firstFrame: 1 << 29))
      #expect(refusal(pages: (1 << 29) + 1)?.code == .outOfMemory)
      try wall.unmap()
    }
  }
}
