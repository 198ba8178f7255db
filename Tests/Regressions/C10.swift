// SPDX-License-Identifier: MIT

// C10: a freeze that stores 0 without asking what R is.
//
//   1. T1 holds the only reference it knows of and freezes at 1.
//   2. Before the store T2 takes a reference: R is 2.
//   3. T1 stores 0: T2's reference is gone, and its put takes R to -1.
//
// Guard: the compare-exchange in page_ref_freeze(). Step 2 runs at T1's first access, and at
// its first write, so that a check followed by a store shows as well. Run time: 0.3 s for the race.
// A failure shows a freeze that succeeded at the wrong count (CI1).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C10: a freeze at the wrong count fails and changes nothing")
  func c10() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let page = unsafe map.page(map.frames.lowerBound)
    for (count, expected) in [(Int32(2), Int32(1)), (1, 2), (1025, 1)] {
      unsafe set_page_count(page, count)
      #expect(unsafe !page_ref_freeze(page, expected))
      #expect(unsafe page_ref_count(page) == count)
    }
    unsafe set_page_count(page, 0)
  }

  @Test(
    "C10: a freeze that a get comes before fails, however late it comes",
    .enabled(if: FaultPoint.isSupported))
  func c10Late() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let page = unsafe map.page(map.frames.lowerBound)
    for trigger in [FaultPoint.Trigger.access, .write] {
      unsafe set_page_count(page, 1)
      var frozen = true
      let reached = unsafe FaultPoint.run(at: page, on: trigger) {
        let got = unsafe folio_try_get(page_folio(page))
        #expect(got)
      } body: {
        frozen = unsafe page_ref_freeze(page, 1)
      }
      #expect(reached && !frozen)
      #expect(unsafe page_ref_count(page) == 2, "\(trigger)")
    }
    unsafe set_page_count(page, 0)
  }

  @Test("C10: no get is erased by a freeze that races with it")
  func c10Race() async throws {
    await expectRace("c10Race", try FreezeAgainstGet())
  }
}

/// R begins at 1. A: freeze(1). B: try_get.
@safe
private final class FreezeAgainstGet: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case frozen = "A freezes, B is refused"
    case got = "B gets a reference, A fails"
    case erased = "A freezes a folio that B has a reference to"
    case neither = "both fail, or R is wrong"
    var verdict: LitmusVerdict {
      switch self {
      case .frozen, .got: .required
      case .erased, .neither: .forbidden
      }
    }
  }

  let count = 1024
  private let pages: RacePages
  private let frozen = PlainWords(1024)
  private let got = PlainWords(1024)

  init() throws { pages = try RacePages(runs: count) }

  func prepare(_ index: Int) {
    (frozen[index], got[index]) = (0, 0)
    unsafe set_page_count(pages.page(index), 1)
  }

  func first(_ index: Int) {
    if unsafe page_ref_freeze(pages.page(index), 1) { frozen[index] = 1 }
  }

  func second(_ index: Int) {
    if unsafe folio_try_get(pages.folio(index)) { got[index] = 1 }
  }

  func outcome(_ index: Int) -> Outcome {
    let left = unsafe page_ref_count(pages.page(index))
    unsafe set_page_count(pages.page(index), 0)
    switch (frozen[index] == 1, got[index] == 1) {
    case (true, false): return left == 0 ? .frozen : .neither
    case (false, true): return left == 2 ? .got : .neither
    case (true, true): return .erased
    case (false, false): return .neither
    }
  }
}
