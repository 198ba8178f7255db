// SPDX-License-Identifier: MIT

// An address space of a scenario: tables of two entries, so sixteen pages in all, and device pages that
// its entries map.

import CFolio
import FolioCore

/// A map with tables of 2^`shift` entries, made of the seam's memory.
@safe
final class AddressSpace {
  let mm: UnsafeMutablePointer<mm_struct>
  /// What its entries map; not owned.
  private let pages: DevicePages?

  init(pages: DevicePages?, id: mm_id_t = 1, shift: UInt32 = 1) throws(ScenarioMemoryError) {
    var options = mm_options()
    options.table_shift = shift
    guard let mm = unsafe mm_alloc(&options, id) else { throw ScenarioMemoryError() }
    unsafe self.mm = mm
    self.pages = pages
  }

  static func address(_ page: Int) -> UInt { UInt(page) << UInt(PAGE_SHIFT) }

  /// An area over these pages, which the map keeps.
  func addArea(_ range: Range<Int>) throws(ScenarioMemoryError)
    -> UnsafeMutablePointer<vm_area_struct>
  {
    guard let vma = unsafe vm_area_alloc(mm) else { throw ScenarioMemoryError() }
    unsafe vma.pointee.vm_start = Self.address(range.lowerBound)
    unsafe vma.pointee.vm_end = Self.address(range.upperBound)
    guard let index = unsafe vma_index_alloc(1) else { throw ScenarioMemoryError() }
    unsafe index.pointee.count = 1
    unsafe vma_index_set(index, 0, vma)
    unsafe vma_index_replace(mm, index)
    return unsafe vma
  }

  /// The entry of the page, its tables made.
  func place(
    _ page: Int, _ level: pgtable_level = PGTABLE_LEVEL_PTE
  ) throws(ScenarioMemoryError) -> pgtable_place {
    var failed = false
    let place = unsafe pgtable_walk_alloc(mm, Self.address(page), level, &failed)
    guard unsafe place.entry != nil else { throw ScenarioMemoryError() }
    return unsafe place
  }

  /// The entry of the page as far as there are tables.
  func entry(_ page: Int, _ level: pgtable_level) -> UnsafeMutablePointer<shared_t>? {
    unsafe pgtable_walk(mm, Self.address(page), level).entry
  }

  /// Maps page `index` of the device there, as an insertion does: reference, mapping, entry.
  func map(_ index: Int, at page: Int, _ bits: UInt = _PAGE_RW) throws(ScenarioMemoryError) {
    let pages = pages!
    let place = unsafe try place(page)
    unsafe folio_ref_inc(pages.folio(index))
    unsafe folio_add_file_rmap_pte(pages.folio(index), pages.page(index), mm.pointee.mm_id)
    unsafe set_pte_at(place.entry!, pfn_pte(pages.frame(index), _PAGE_PRESENT | bits))
  }

  /// Maps the folio that begins with page `index` by one entry for all of its `shift` order.
  func mapLeaf(_ index: Int, at page: Int, _ bits: UInt = _PAGE_RW) throws(ScenarioMemoryError) {
    let pages = pages!
    let place = unsafe try place(page, PGTABLE_LEVEL_PMD)
    unsafe folio_ref_inc(pages.folio(index))
    unsafe folio_add_file_rmap_leaf(
      pages.folio(index), mm.pointee.options.table_shift, mm.pointee.mm_id)
    unsafe set_pte_at(
      place.entry!, pfn_pte(pages.frame(index), _PAGE_PRESENT | _PAGE_PSE | bits))
  }

  /// Takes the entry away as a removal does: entry, mapping, and behind the flush the reference. The
  /// old entry; none: there was nothing.
  func zap(_ page: Int, _ level: pgtable_level = PGTABLE_LEVEL_PTE) -> pte_t {
    var tlb = unsafe mmu_gather()
    unsafe tlb_gather_mmu(&tlb, mm)
    defer { unsafe tlb_finish_mmu(&tlb) }
    let place = unsafe pgtable_walk_lock(mm, Self.address(page), level)
    guard let entry = unsafe place.entry else { return pte_t() }
    defer { unsafe spin_unlock(place.lock!) }
    guard level == PGTABLE_LEVEL_PTE || (unsafe pmd_leaf(ptep_get(entry))) else { return pte_t() }
    let old = unsafe ptep_get_and_clear(entry)
    guard pte_present(old) else { return old }
    let mapped = unsafe pfn_to_page(pte_pfn(old))
    if level == PGTABLE_LEVEL_PTE {
      unsafe folio_remove_rmap_pte(page_folio(mapped), mapped, mm.pointee.mm_id)
    } else {
      unsafe folio_remove_rmap_leaf(
        page_folio(mapped), mm.pointee.options.table_shift, mm.pointee.mm_id)
    }
    _ = unsafe tlb_remove_folio_pages(&tlb, mapped, 1, false)
    return old
  }

  /// Everything that is left in it goes, then it.
  func tearDown() {
    let count = unsafe Int(mm_task_size(mm) >> UInt(PAGE_SHIFT))
    for page in 0..<count {
      _ = zap(page, PGTABLE_LEVEL_PMD)
      _ = zap(page)
    }
    var address: UInt = 0
    while let vma = unsafe find_vma(mm, address) {
      unsafe vma_start_write(vma)
      address = unsafe vma.pointee.vm_end
    }
    unsafe vma_index_replace(mm, nil)
    unsafe mm_free(mm)
  }
}
