// SPDX-License-Identifier: MIT

// A folio that lived - formed, referenced, mapped by two address spaces, dropped - and is split:
// what C30, C32, C33 and C37 look at.

import CFolio
import FolioCore

/// A map whose first pages were one folio and are single pages again.
func mapAfterSplit(
  order: Int, rules: PageMap.Rules, kind: PageMap.Kind = .fsdax
) throws -> PageMap {
  let map = try PageMap(kind, pages: 1024, .init(rules: rules))
  try map.startAuditing()
  var owner = try map.claim(frame: map.frames.lowerBound, order: order)
  try owner.form()
  let held = try owner.raise()
  let folio = unsafe held.folio
  let last = unsafe folio_page(folio, order > 1 ? 2 : 0)
  unsafe folio_get(folio)
  unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 1), 11)
  unsafe folio_get(folio)
  unsafe folio_add_file_rmap_pte(folio, last, 22)
  unsafe folio_set_mapping_word(folio, 0x1000)
  unsafe folio_remove_rmap_pte(folio, last, 22)
  unsafe folio_put(folio)
  unsafe folio_remove_rmap_pte(folio, folio_page(folio, 1), 11)
  unsafe folio_put(folio)
  held.release()
  try owner.split()
  return map
}
