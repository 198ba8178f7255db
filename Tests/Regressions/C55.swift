// SPDX-License-Identifier: MIT

// C55: every PMD mapping counted as the first one.
//
//   1. T1 maps a folio entirely: NM gets 0x800000.
//   2. T2 maps it entirely for another address space: NM gets 0x800000 again.
//   3. After enough address spaces NM overflows; after one unmap it is off for ever.
//
// Guard: only the first and the last entire mapping change NM. Run time: none to speak of. A
// failure shows NM other than the flag plus the number of mapped pages (CI13).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test("C55: entire mappings are marked once, however many there are")
  func c55() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
    let folio = unsafe map.folio(map.frames.lowerBound)
    func expect(entire: Int32, pages: Int32) {
      #expect(unsafe folio_entire_mapcount(folio) == entire)
      #expect(unsafe folio_large_mapcount(folio) == entire + pages)
      let flag = entire > 0 ? Int32(ENTIRELY_MAPPED) : 0
      #expect(unsafe atomic_read(&folio.pointee._nr_pages_mapped) == flag + pages)
    }
    for owner in UInt32(1)...5 {
      unsafe folio_add_file_rmap_pmd(folio, owner)
      expect(entire: Int32(owner), pages: 0)
    }
    unsafe folio_add_file_rmap_ptes(folio, folio_page(folio, 7), 3, 9)
    expect(entire: 5, pages: 3)
    for owner in UInt32(1)...5 {
      unsafe folio_remove_rmap_pmd(folio, owner)
      expect(entire: 5 - Int32(owner), pages: 3)
    }
    unsafe folio_remove_rmap_ptes(folio, folio_page(folio, 7), 3, 9)
    expect(entire: 0, pages: 0)
  }
}
