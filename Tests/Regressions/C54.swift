// SPDX-License-Identifier: MIT

// C54: a mapping taken away page by page before it is taken from L.
//
//   1. T1 removes the only mapping of page 100 of a large folio and lowers the page's own count.
//   2. T2 compares: L says mapped, no page is counted.
//   3. T1 lowers L.
//
// Guard: with per-page counts folio_remove_rmap_ptes() lowers L first and adding raises it last, so
// L == 0 comes before the pages and after them. T2 runs at T1's first access to page 100, whose
// struct page lies in other memory than the folio's counters. Run time: none to speak of. A failure
// shows L still up when the page's count falls (CI12, CI13).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C54: L falls before the count of a page, and rises after it",
    .enabled(if: FaultPoint.isSupported))
  func c54() throws {
    for slots in [true, false] {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9, ownerTracking: slots))
      let folio = unsafe map.folio(map.frames.lowerBound)
      let page = unsafe map.page(map.frames.lowerBound + 100)
      var seen: Int32 = -1
      var reached = unsafe FaultPoint.run(at: page) {
        seen = unsafe folio_large_mapcount(folio)
      } body: {
        unsafe folio_add_file_rmap_pte(folio, page, 11)
      }
      #expect(reached && seen == 0, "adding: L was \(seen) before the page was counted")
      #expect(unsafe folio_large_mapcount(folio) == 1)
      #expect(unsafe atomic_read(&folio.pointee._nr_pages_mapped) == 1)

      seen = -1
      reached = unsafe FaultPoint.run(at: page) {
        seen = unsafe folio_large_mapcount(folio)
      } body: {
        unsafe folio_remove_rmap_pte(folio, page, 11)
      }
      #expect(reached && seen == 0, "removing: L was \(seen) when the page's count fell")
      #expect(unsafe atomic_read(&folio.pointee._nr_pages_mapped) == 0)
    }
  }
}
