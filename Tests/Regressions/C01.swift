// SPDX-License-Identifier: MIT

// C01: try_get_folio() without its second look at the head.
//
//   1. T1 wants page 100 of a large folio. It reads the head word: H.
//   2. T2 drops the folio's last reference, splits it and uses H again, small: R is 1.
//   3. T1 adds 1 to the R of H, which is not 0: it succeeds.
//   4. Without the second look T1 returns H, which no longer contains page 100.
//
// Guard: the second page_folio() in try_get_folio(). Step 2 runs at T1's first access to H, whose
// struct page lies in other memory than page 100's. Run time: 0.3 s, nearly all of it for the race.
// A failure shows a folio that does not contain the page (CI37), or R of H left at 2.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C01: a reference by page is never on a folio that the page left before the add",
    .enabled(if: FaultPoint.isSupported))
  func c01() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let head = unsafe map.page(map.frames.lowerBound)
    let tail = unsafe map.page(map.frames.lowerBound + 100)
    unsafe prep_compound_page(head, 7)
    let large = unsafe page_folio(head)
    unsafe set_page_count(head, 1)

    var got: UnsafeMutablePointer<folio>?
    let reached = unsafe FaultPoint.run(at: head) {
      let last = unsafe folio_put_testzero(large)
      #expect(last)
      unsafe folio_split_to_order_0(large)
      unsafe set_page_count(head, 1)
    } body: {
      unsafe got = try_get_folio(tail, 1)
    }
    #expect(reached)
    #expect(unsafe got == nil, "page 100 is free, and no part of the folio that was returned")
    #expect(unsafe page_ref_count(head) == 1)
    unsafe set_page_count(head, 0)
  }

  @Test("C01: the same as a race of two threads")
  func c01Race() async throws {
    await expectRace("c01Race", try SplitAgainstTryGet(references: 1))
  }
}
