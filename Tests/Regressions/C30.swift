// SPDX-License-Identifier: MIT

// C30: a split that does not give the tails their map back.
//
//   1. A folio of 2^n pages is idle and is split. A tail's head word and the map share one word.
//   2. The split clears the head words and stores no map.
//   3. The next fault on a former tail asks for its type: the map is NULL.
//
// Guard: folio_split_to_order_0() stores the map in every page. Run time: none to speak of. A
// failure shows a page whose map word is another (CI11, CI34).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test(
    "C30: after a split every page names its map again",
    arguments: [PageMap.Rules.strict, .kernel])
  func c30(rules: PageMap.Rules) throws {
    for order in [1, 2, 9] {
      let map = try mapAfterSplit(order: order, rules: rules)
      for frame in map.frames.prefix(1 << order) {
        let folio = unsafe map.folio(frame)
        #expect(unsafe folio_pfn(folio) == frame)
        #expect(unsafe folio_pgmap_word(folio) == UInt(bitPattern: map.pgmap), "page \(frame)")
        #expect(unsafe page_pgmap(map.page(frame)) == map.pgmap)
      }
      #expect(map.audit() == [])
    }
  }
}
