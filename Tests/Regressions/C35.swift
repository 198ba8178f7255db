// SPDX-License-Identifier: MIT

// C35: forming the head before the tails.
//
//   1. The head's counters live in pages 1 and 2: EM and PC in page 1's mapping word, the owner
//      slots in its private word, the list in page 2's.
//   2. The head is filled in first.
//   3. Making tails 1 and 2 then writes their mark over the counters: PC is garbage, and the folio
//      looks pinned for ever.
//
// Guard: prep_compound_page() and memremap's compound pages make the tails first. Run time: none to
// speak of. A failure shows counters of a fresh folio other than 0 (CI35).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test("C35: a fresh folio has no pins, no mappings, no owners and an empty list")
  func c35() throws {
    for order in [UInt32(1), 2, 9] {
      let map = try PageMap(.fsdax, pages: 512)
      try map.startAuditing()
      unsafe prep_compound_page(map.page(map.frames.lowerBound), order)
      try expectFresh(map, order: order)
      #expect(map.audit() == [])
      let built = try PageMap(.fsdax, pages: 512, .init(compoundOrder: Int(order)))
      try expectFresh(built, order: order)
    }
  }

  private func expectFresh(_ map: PageMap, order: UInt32) throws {
    let folio = unsafe map.folio(map.frames.lowerBound)
    #expect(unsafe !folio_maybe_dma_pinned(folio))
    #expect(unsafe atomic_read(&folio.pointee._pincount) == 0)
    #expect(unsafe folio_entire_mapcount(folio) == 0 && folio_large_mapcount(folio) == 0)
    #expect(unsafe atomic_read(&folio.pointee._nr_pages_mapped) == 0)
    let slots = unsafe folio_mm_slots(folio)
    #expect(slots.id0 == 0 && slots.id1 == 0 && slots.count0 == -1 && slots.count1 == -1)
    #expect(!slots.shared && !slots.locked)
    #expect(unsafe folio_nr_pages(folio) == 1 << order && folio_order(folio) == order)
    if order > 1 {
      // The list's prev is page 2's mapping word: it must point at the list, not be a tail's mark.
      let tail = unsafe folio_page(folio, 2)
      #expect(unsafe page_mapping_word(tail) != cfolio_tail_mapping())
    }
    for index in 3..<max(UInt(1) << UInt(order), 3) {
      let tail = unsafe folio_page(folio, index)
      #expect(unsafe page_mapping_word(tail) == cfolio_tail_mapping())
    }
  }
}
