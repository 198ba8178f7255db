// SPDX-License-Identifier: MIT

// C03: try_get_folio() gives back one reference of the n it took.
//
//   1. T1 wants n references to page 100 of a large folio and reads the head word: H.
//   2. T2 drops the last reference, splits the folio and uses H again: R is 1.
//   3. T1 adds n to H. The second look finds the page elsewhere.
//   4. T1 gives back 1 instead of n: R of H is n, and never becomes 0 again.
//
// Guard: folio_put_refs(folio, refs) in try_get_folio(). Step 2 runs at T1's first access to H. Run
// time: 0.3 s, nearly all of it for the race. A failure shows R of H above 1 (CI1).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C03: what a failed attempt took from a stranger it gives back entirely",
    .enabled(if: FaultPoint.isSupported))
  func c03() throws {
    for count in [Int32(2), 5, Int32(GUP_PIN_COUNTING_BIAS)] {
      let map = try PageMap(.fsdax, pages: 512)
      let head = unsafe map.page(map.frames.lowerBound)
      let tail = unsafe map.page(map.frames.lowerBound + 100)
      unsafe prep_compound_page(head, 7)
      let large = unsafe page_folio(head)
      unsafe set_page_count(head, 1)

      var refused = false
      let reached = unsafe FaultPoint.run(at: head) {
        let last = unsafe folio_put_testzero(large)
        #expect(last)
        unsafe folio_split_to_order_0(large)
        unsafe set_page_count(head, 1)
      } body: {
        refused = unsafe try_get_folio(tail, count) == nil
      }
      #expect(reached && refused)
      #expect(unsafe page_ref_count(head) == 1, "\(count) taken")
      unsafe set_page_count(head, 0)
    }
  }

  @Test("C03: the same as a race of two threads")
  func c03Race() async throws {
    await expectRace("c03Race", try SplitAgainstTryGet(references: 3))
  }
}
