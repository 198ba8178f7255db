// SPDX-License-Identifier: MIT

// C34: forming or splitting a folio that somebody uses.
//
//   1. T1 holds a reference, a pin or a mapping of a large folio.
//   2. T2 deletes the entry and splits the folio.
//   3. T1 drops: its page is small now, and head and tail disagree about who counted what.
//
// Guard: the preconditions of folio_split_to_order_0() and prep_compound_page(), in every build,
// and the typed errors of PageOwner. Run time: the start of a process per case. A failure is a
// process that goes on (CI33).

import CFolio
import FolioCore
import Glibc
import Testing

extension Regressions {
  @Test("C34: a folio in use is not split")
  func c34Split() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.fsdax, pages: 512)
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 3)
      unsafe folio_ref_inc(folio)
      unsafe folio_split_to_order_0(folio)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.fsdax, pages: 512)
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 3)
      unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 1), 11)
      unsafe folio_split_to_order_0(folio)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.fsdax, pages: 512)
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 3)
      unsafe atomic_set(&folio.pointee._pincount, 1)
      unsafe folio_split_to_order_0(folio)
    }
  }

  @Test("C34: a folio is not formed over a page in use")
  func c34Form() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe folio_ref_inc(map.folio(map.frames.lowerBound + 5))
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 3)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.fsdax, pages: 512)
      let page = unsafe map.page(map.frames.lowerBound + 5)
      unsafe folio_add_file_rmap_pte(page_folio(page), page, 11)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 3)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe prep_compound_page(map.page(map.frames.lowerBound + 4), 2)
      unsafe prep_compound_page(map.page(map.frames.lowerBound), 3)
    }
  }

  @Test("C34: an owner is refused while the folio is referenced or mapped")
  func c34Owner() throws {
    let map = try PageMap(.fsdax, pages: 512)
    var owner = try map.claim(frame: map.frames.lowerBound, order: 3)
    try owner.form()
    let held = try owner.raise()
    let folio = unsafe held.folio
    #expect(throws: PageMapError.self) { try owner.split() }
    unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 1), 11)
    held.release()
    #expect(throws: PageMapError.self, "mapped without a reference") { try owner.split() }
    unsafe folio_remove_rmap_pte(folio, folio_page(folio, 1), 11)
    try owner.split()
    #expect(map.audit() == [])
  }
}
