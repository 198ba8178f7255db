// SPDX-License-Identifier: MIT

// What tests of mapped pages count: R and M of a frame's folio, and whether it is locked.

import CFolio
package import FolioCore

/// R and M of a frame's folio.
package struct Counts: Hashable, CustomStringConvertible {
  package var references: Int
  package var mappings: Int

  package init(_ references: Int, _ mappings: Int) {
    self.references = references
    self.mappings = mappings
  }

  package init(_ map: PageMap, _ page: Int) {
    let folio = unsafe map.folio(map.frame(page))
    references = Int(unsafe folio_ref_count(folio))
    mappings = Int(unsafe folio_mapcount(folio))
  }

  package var description: String { "R \(references) M \(mappings)" }
}

/// R and M of any frame's folio.
package func counts(_ frame: UInt) -> Counts {
  let folio = unsafe page_folio(pfn_to_page(frame))
  return Counts(Int(unsafe folio_ref_count(folio)), Int(unsafe folio_mapcount(folio)))
}

/// The folio lock of the frame is taken.
package func isLocked(_ frame: UInt) -> Bool {
  unsafe folio_test_flag(page_folio(pfn_to_page(frame)), Int32(PG_locked.rawValue))
}
