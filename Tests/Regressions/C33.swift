// SPDX-License-Identifier: MIT

// C33: a split that keeps the number of pages.
//
//   1. While a folio is large, the word of page 1 that a small page uses for its memory control
//      group holds the number of pages.
//   2. The folio is split; the word stays.
//   3. Page 1 is freed as a small page and looks charged to a group that does not exist.
//
// Guard: folio_reset_order() in folio_split_to_order_0(). Run time: none to speak of. A failure
// shows a former page 1 with the number in that word (CI34).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test(
    "C33: after a split page 1 has no number of pages",
    arguments: [PageMap.Rules.strict, .kernel])
  func c33(rules: PageMap.Rules) throws {
    for order in [1, 2, 9] {
      let map = try mapAfterSplit(order: order, rules: rules)
      let head = unsafe map.folio(map.frames.lowerBound)
      #expect(unsafe atomic_read(&head.pointee._nr_pages) == 0)
      #expect(unsafe folio_order(head) == 0 && folio_nr_pages(head) == 1)
      #expect(map.audit() == [])
    }
  }
}
