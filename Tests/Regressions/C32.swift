// SPDX-License-Identifier: MIT

// C32: a split that keeps the share word.
//
//   1. While a folio is large, page 1's share word holds the two per-owner mapping counts, -1 each.
//   2. The folio is split; the word of page 1 stays all ones.
//   3. Page 1 has no mapping and a huge share count: it looks shared, and nobody ever gets it back.
//
// Guard: folio_split_to_order_0() sets share to 0 in every page. Run time: none to speak of. A
// failure shows an idle page that looks shared (CI36).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test("C32: after a split no page looks shared", arguments: [PageMap.Rules.strict, .kernel])
  func c32(rules: PageMap.Rules) throws {
    for order in [1, 2, 9] {
      let map = try mapAfterSplit(order: order, rules: rules)
      for frame in map.frames.prefix(1 << order) {
        let folio = unsafe map.folio(frame)
        #expect(unsafe folio_share(folio) == 0, "page \(frame)")
        #expect(unsafe folio_mapping_word(folio) == 0, "page \(frame)")
        #expect(unsafe !dax_folio_is_shared(folio))
      }
      #expect(map.audit() == [])
    }
  }
}
