// SPDX-License-Identifier: MIT

// Mapping counters (spec: core.md section 8; rows 31-37, 60-69, CI4, CI12-CI16, CI65).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Mapping counters")
struct RmapTests {
  private func largeMap(_ perPage: Bool, _ owners: Bool, order: Int = 9) throws -> PageMap {
    let map = try PageMap(
      .fsdax, pages: 1 << max(order, 9),
      .init(compoundOrder: order, perPageMapcount: perPage, ownerTracking: owners))
    try map.startAuditing()
    return map
  }

  @Test("small folios count in their own word")
  func small() throws {
    let map = try PageMap(.fsdax, pages: 512)
    try map.startAuditing()
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe page_folio(page)
    unsafe folio_ref_add(folio, 3)
    unsafe folio_add_file_rmap_pte(folio, page, 1)
    unsafe folio_dup_file_rmap_ptes(folio, page, 1, 2)
    #expect(unsafe folio_mapcount(folio) == 2 && folio_mapped(folio))
    #expect(unsafe folio_maybe_mapped_shared(folio))
    #expect(unsafe folio_expected_ref_count(folio) == 2)
    #expect(unsafe folio_extra_refs(folio) == 1)
    #expect(map.audit().isEmpty)
    unsafe folio_remove_rmap_pte(folio, page, 1)
    #expect(unsafe !folio_maybe_mapped_shared(folio))
    unsafe folio_remove_rmap_pte(folio, page, 2)
    unsafe folio_put_refs(folio, 3)
    #expect(unsafe !folio_mapped(folio) && atomic_read(&page.pointee._mapcount) == -1)
    #expect(map.audit().isEmpty)
  }

  @Test("large folios count as their map's mode says", arguments: [true, false], [true, false])
  func large(perPage: Bool, owners: Bool) throws {
    let map = try largeMap(perPage, owners)
    let first = map.frames.lowerBound
    let folio = unsafe map.folio(first)
    unsafe folio_ref_add(folio, 40)
    func pagesMapped() -> Int32 { unsafe atomic_read(&folio.pointee._nr_pages_mapped) }
    unsafe folio_add_file_rmap_ptes(folio, map.page(first + 3), 8, 1)
    unsafe folio_add_file_rmap_ptes(folio, map.page(first + 5), 2, 2)
    #expect(unsafe folio_mapcount(folio) == 10)
    #expect(pagesMapped() == (perPage ? 8 : 0))
    unsafe folio_add_file_rmap_pmd(folio, 1)
    unsafe folio_add_file_rmap_pmd(folio, 2)
    #expect(unsafe folio_entire_mapcount(folio) == 2 && folio_mapcount(folio) == 12)
    #expect(pagesMapped() == (perPage ? 8 + ENTIRELY_MAPPED : 0))
    unsafe folio_dup_file_rmap_pmd(folio, 3)
    unsafe folio_dup_file_rmap_ptes(folio, map.page(first + 3), 1, 3)
    #expect(unsafe folio_mapcount(folio) == 14 && folio_maybe_mapped_shared(folio))
    #expect(map.audit().isEmpty)
    unsafe folio_remove_rmap_pmd(folio, 1)
    unsafe folio_remove_rmap_pmd(folio, 2)
    #expect(pagesMapped() == (perPage ? 8 + ENTIRELY_MAPPED : 0), "still mapped by one PMD")
    unsafe folio_remove_rmap_pmd(folio, 3)
    unsafe folio_remove_rmap_ptes(folio, map.page(first + 3), 1, 3)
    unsafe folio_remove_rmap_ptes(folio, map.page(first + 3), 8, 1)
    #expect(pagesMapped() == (perPage ? 2 : 0))
    #expect(map.audit().isEmpty)
    unsafe folio_remove_rmap_ptes(folio, map.page(first + 5), 2, 2)
    unsafe folio_put_refs(folio, 40)
    #expect(unsafe folio_mapcount(folio) == 0 && pagesMapped() == 0)
    #expect(map.audit().isEmpty)
  }

  @Test("a PUD mapping counts once on an order-18 folio")
  func pud() throws {
    let map = try largeMap(true, true, order: 18)
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_ref_inc(folio)
    unsafe folio_add_file_rmap_pud(folio, 4)
    #expect(unsafe folio_entire_mapcount(folio) == 1 && folio_mapcount(folio) == 1)
    #expect(map.audit().isEmpty)
    unsafe folio_remove_rmap_pud(folio, 4)
    unsafe folio_put(folio)
    #expect(map.audit().isEmpty)
  }

  @Test("slots name the first two mms, SHARED follows the table, a third mm counts in L only")
  func slots() throws {
    let map = try largeMap(false, true)
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_ref_add(folio, 8)
    func slots() -> folio_mm_slots { unsafe folio_mm_slots(folio) }
    #expect(unsafe folio_add_large_mapcount(folio, 2, 11) == 2)
    #expect(slots().id0 == 11 && slots().count0 == 1 && !slots().shared)
    #expect(unsafe folio_add_large_mapcount(folio, 1, 22) == 3)
    #expect(slots().id1 == 22 && slots().count1 == 0 && slots().shared)
    #expect(unsafe folio_add_large_mapcount(folio, 1, 33) == 4)
    #expect(slots().id0 == 11 && slots().id1 == 22)
    #expect(unsafe folio_sub_large_mapcount(folio, 1, 33) == 3)
    #expect(slots().shared)
    #expect(unsafe folio_sub_large_mapcount(folio, 1, 22) == 2)
    #expect(slots().id1 == 0 && slots().count1 == -1 && !slots().shared, "one owner has them all")
    #expect(unsafe folio_add_large_mapcount(folio, 1, 44) == 3)
    #expect(unsafe folio_sub_large_mapcount(folio, 2, 11) == 1)
    #expect(slots().id0 == 0 && slots().id1 == 44 && !slots().shared)
    #expect(unsafe folio_add_large_mapcount(folio, 1, 55) == 2)
    #expect(slots().id0 == 55 && slots().shared, "slot 0 is free, and somebody else maps it")
    #expect(unsafe folio_sub_large_mapcount(folio, 1, 55) == 1)
    #expect(unsafe folio_sub_large_mapcount(folio, 1, 44) == 0)
    #expect(slots().count0 == -1 && slots().count1 == -1 && !slots().shared && !slots().locked)
    unsafe folio_put_refs(folio, 8)
  }

  @Test("a huge leaf of another order, a page outside, a typed page: warned and not counted")
  func refused() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 3))
    let first = map.frames.lowerBound
    let folio = unsafe map.folio(first)
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let before = cfolio_warning_count()
    unsafe folio_add_file_rmap_pmd(folio, 1)
    unsafe folio_add_file_rmap_pud(folio, 1)
    unsafe folio_add_file_rmap_ptes(folio, map.page(first + 6), 3, 1)
    unsafe folio_add_file_rmap_pte(folio, map.page(first + 8), 1)
    #expect(cfolio_warning_count() >= before + 4)
    #expect(unsafe folio_mapcount(folio) == 0)
    #expect(map.audit().isEmpty)
  }

  @Test("zero folios are never counted")
  func zeroFolio() throws {
    let held = try SystemMemory.shared.allocate()
    let folio = unsafe held.folio
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    unsafe ZeroFolios.with(page: folio_page(folio, 0)) {
      unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 0), 1)
      #expect(unsafe folio_mapcount(folio) == 0)
      #expect(unsafe folio_is_longterm_pinnable(folio))
    }
  }

  @Test("anonymous pages: exclusive and maybe pinned cannot be shared or duplicated")
  func anonymous() throws {
    let held = try SystemMemory.shared.allocate()
    let (folio, page) = unsafe (held.folio, pfn_to_page(held.frame))
    unsafe folio_add_new_anon_rmap(folio, 1, true)
    #expect(unsafe folio_mapcount(folio) == 1)
    #expect(unsafe folio_try_dup_anon_rmap_ptes(folio, page, 1, 2, true) == -16)
    #expect(unsafe folio_mapcount(folio) == 1)
    unsafe folio_ref_add(folio, GUP_PIN_COUNTING_BIAS)
    #expect(unsafe folio_maybe_dma_pinned(folio))
    #expect(unsafe folio_needs_cow_for_dma(true, 1, folio))
    #expect(unsafe !folio_needs_cow_for_dma(false, 1, folio))
    #expect(unsafe folio_try_share_anon_rmap_pte(folio, page) == -16)
    unsafe folio_put_refs(folio, GUP_PIN_COUNTING_BIAS)
    #expect(unsafe folio_try_share_anon_rmap_pte(folio, page) == 0)
    #expect(unsafe folio_try_dup_anon_rmap_ptes(folio, page, 1, 2, true) == 0)
    #expect(unsafe folio_mapcount(folio) == 2)
    #expect(unsafe folio_trylock(folio))
    unsafe folio_move_anon_rmap(folio, 0x4000)
    #expect(unsafe folio_test_anon(folio) && folio_expected_ref_count(folio) == 2)
    unsafe folio_unlock(folio)
    unsafe folio_set_mapping_word(folio, 0)
    unsafe folio_remove_rmap_pte(folio, page, 1)
    unsafe folio_remove_rmap_pte(folio, page, 2)
  }

  @Test(
    "an anonymous folio mapped by one huge entry is exclusive by its first page, and forks as one")
  func anonymousHuge() throws {
    let held = try SystemMemory.shared.allocate(order: 9)
    let folio = unsafe held.folio
    let page = unsafe folio_page(folio, 0)
    unsafe folio_add_new_anon_rmap(folio, 1, true)
    #expect(unsafe folio_entire_mapcount(folio) == 1 && folio_large_mapcount(folio) == 1)
    #expect(unsafe atomic_read(&folio.pointee._nr_pages_mapped) == ENTIRELY_MAPPED)
    #expect(unsafe folio_try_dup_anon_rmap_pmd(folio, 2, true) == -16)
    #expect(unsafe folio_large_mapcount(folio) == 1)
    unsafe atomic_set(&folio.pointee._pincount, 1)
    #expect(unsafe folio_try_share_anon_rmap_pmd(folio) == -16)
    unsafe atomic_set(&folio.pointee._pincount, 0)
    #expect(unsafe folio_try_share_anon_rmap_pmd(folio) == 0)
    #expect(unsafe folio_try_dup_anon_rmap_pmd(folio, 2, true) == 0, "shared by now")
    #expect(unsafe folio_entire_mapcount(folio) == 2 && folio_large_mapcount(folio) == 2)
    unsafe folio_remove_rmap_pmd(folio, 2)
    // Split into page entries, as a fork may find it.
    unsafe folio_add_file_rmap_pte(folio, page, 1)
    unsafe folio_dup_file_rmap_pte(folio, page, 2)
    #expect(unsafe folio_try_dup_anon_rmap_pte(folio, page, 3, true) == 0)
    #expect(unsafe folio_large_mapcount(folio) == 4)
    for mm in [mm_id_t(1), 2, 3] { unsafe folio_remove_rmap_pte(folio, page, mm) }
    unsafe folio_remove_rmap_pmd(folio, 1)
    #expect(unsafe folio_mapcount(folio) == 0 && atomic_read(&folio.pointee._nr_pages_mapped) == 0)
  }

  @Test("a small folio looks pinned from 1024 references on, a large one by its pin count only")
  func maybePinned() throws {
    for (rules, base) in [(PageMap.Rules.strict, Int32(0)), (.legacy, 1)] {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe folio_set_count(folio, base + 1023)
      #expect(unsafe folio_maybe_dma_pinned(folio) == (base == 1))
      unsafe folio_set_count(folio, base + 1024)
      #expect(unsafe folio_maybe_dma_pinned(folio))
      unsafe folio_set_count(folio, -5)
      #expect(unsafe folio_maybe_dma_pinned(folio), "read as unsigned")
      unsafe folio_set_count(folio, base)
    }
    let map = try largeMap(true, true)
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_set_count(folio, 5000)
    #expect(unsafe !folio_maybe_dma_pinned(folio))
    unsafe atomic_set(&folio.pointee._pincount, 1)
    #expect(unsafe folio_maybe_dma_pinned(folio))
    unsafe atomic_set(&folio.pointee._pincount, 0)
    unsafe folio_set_count(folio, 0)
  }
}
