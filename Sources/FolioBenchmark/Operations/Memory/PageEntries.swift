// SPDX-License-Identifier: MIT

// The one place where the benchmark makes and removes page-table entries: what an insertion and a
// zap do to references, mapping counts and entries (core.md 9.1, 10.1), with the page-table lock
// once per table and the references behind the flush. Fixtures are made of the same functions that
// are measured.

import CFolio
import FolioCore

/// A map of a fixture, which frees it.
@safe struct AddressSpace {
  let mm: UnsafeMutablePointer<mm_struct>

  /// - Parameter id: what mapping counts know it by.
  init(id: mm_id_t) throws(Refusal) {
    guard let mm = unsafe mm_alloc(PageEntries.tableShift, false, id) else {
      throw Refusal("no memory for an address space")
    }
    unsafe self.mm = mm
  }

  var id: mm_id_t { unsafe mm.pointee.mm_id }
}

enum PageEntries {
  /// log2 of the entries of a table.
  static let tableShift: UInt32 = 9

  static func address(_ page: Int) -> UInt { UInt(page) &<< UInt(PAGE_SHIFT) }

  private static let rights = UInt(_PAGE_PRESENT | _PAGE_RW)

  /// Maps `count` pages from `first` on by entries of their own. Pages whose entry is taken are left
  /// out; returns how many are mapped.
  @inline(never)
  static func insert(
    _ space: AddressSpace, _ address: UInt, _ first: UnsafeMutablePointer<page>, _ count: Int
  ) -> Int {
    let (mm, id) = unsafe (space.mm, space.id)
    let frame = unsafe page_to_pfn(first)
    unsafe down_read(&mm.pointee.mmap_lock)
    var (next, mapped) = (0, 0)
    while next < count {
      let start = address &+ Self.address(next)
      var failed = false
      let place = unsafe pgtable_walk_alloc(mm, start, PGTABLE_LEVEL_PTE, &failed)
      guard let table = unsafe place.table, let lock = unsafe place.lock else { break }
      var index = unsafe mm_entry_index(mm, PGTABLE_LEVEL_PTE, start)
      let end = unsafe UInt(pgtable_entries(table))
      unsafe spin_lock(lock)
      while index < end && next < count {
        let entry = unsafe pgtable_entry(table, index)
        if unsafe pte_none(ptep_get(entry)) {
          let page = unsafe first + next
          let folio = unsafe page_folio(page)
          unsafe folio_ref_inc(folio)
          unsafe folio_add_file_rmap_pte(folio, page, id)
          unsafe set_pte_at(entry, pfn_pte(frame &+ UInt(next), rights))
          mapped &+= 1
        }
        index &+= 1
        next &+= 1
      }
      unsafe spin_unlock(lock)
    }
    unsafe add_mm_counter(mm, MM_FILEPAGES, mapped)
    unsafe up_read(&mm.pointee.mmap_lock)
    return mapped
  }

  /// Removes the entries of `count` pages. Returns how many there were.
  @inline(never)
  static func zap(_ space: AddressSpace, _ address: UInt, _ count: Int) -> Int {
    let (mm, id) = unsafe (space.mm, space.id)
    var tlb = unsafe mmu_gather()
    unsafe down_read(&mm.pointee.mmap_lock)
    unsafe tlb_gather_mmu(&tlb, mm)
    var (next, removed) = (0, 0)
    while next < count {
      let start = address &+ Self.address(next)
      let place = unsafe pgtable_walk_lock(mm, start, PGTABLE_LEVEL_PTE)
      guard let table = unsafe place.table, let lock = unsafe place.lock else { break }
      var index = unsafe mm_entry_index(mm, PGTABLE_LEVEL_PTE, start)
      let end = unsafe UInt(pgtable_entries(table))
      var isFull = false
      while index < end && next < count && !isFull {
        let entry = unsafe pgtable_entry(table, index)
        if unsafe pte_present(ptep_get(entry)) {
          let page = unsafe pfn_to_page(pte_pfn(ptep_get_and_clear(entry)))
          unsafe folio_remove_rmap_pte(page_folio(page), page, id)
          isFull = unsafe tlb_remove_folio_pages(&tlb, page, 1, false)
          removed &+= 1
        }
        index &+= 1
        next &+= 1
      }
      unsafe spin_unlock(lock)
      if isFull { unsafe tlb_flush_mmu(&tlb) }
    }
    unsafe add_mm_counter(mm, MM_FILEPAGES, -removed)
    unsafe tlb_finish_mmu(&tlb)
    unsafe up_read(&mm.pointee.mmap_lock)
    return removed
  }

  /// Maps a folio of 2 MiB by one entry. Returns its pages, or 0 when the entry is taken.
  @inline(never)
  static func insertHuge(
    _ space: AddressSpace, _ address: UInt, _ first: UnsafeMutablePointer<page>
  ) -> Int {
    let pages = 1 << Int(PMD_ORDER)
    let mm = unsafe space.mm
    unsafe down_read(&mm.pointee.mmap_lock)
    defer { unsafe up_read(&mm.pointee.mmap_lock) }
    var failed = false
    let place = unsafe pgtable_walk_alloc(mm, address, PGTABLE_LEVEL_PMD, &failed)
    guard let entry = unsafe place.entry, let lock = unsafe place.lock else { return 0 }
    unsafe spin_lock(lock)
    defer { unsafe spin_unlock(lock) }
    guard unsafe pte_none(ptep_get(entry)) else { return 0 }
    let folio = unsafe folioOf(first)
    unsafe folio_ref_inc(folio)
    unsafe folio_add_file_rmap_pmd(folio, space.id)
    unsafe set_pte_at(entry, pfn_pte(page_to_pfn(first), rights | UInt(_PAGE_PSE)))
    unsafe add_mm_counter(mm, MM_FILEPAGES, pages)
    return pages
  }

  /// Removes such an entry. Returns the pages of its folio, or 0 when there is none.
  @inline(never)
  static func zapHuge(_ space: AddressSpace, _ address: UInt) -> Int {
    let mm = unsafe space.mm
    var tlb = unsafe mmu_gather()
    unsafe down_read(&mm.pointee.mmap_lock)
    unsafe tlb_gather_mmu(&tlb, mm)
    defer {
      unsafe tlb_finish_mmu(&tlb)
      unsafe up_read(&mm.pointee.mmap_lock)
    }
    let place = unsafe pgtable_walk_lock(mm, address, PGTABLE_LEVEL_PMD)
    guard let entry = unsafe place.entry, let lock = unsafe place.lock else { return 0 }
    guard unsafe pmd_leaf(ptep_get(entry)) else {
      unsafe spin_unlock(lock)
      return 0
    }
    let old = unsafe ptep_get_and_clear(entry)
    let page = unsafe pfn_to_page(pte_pfn(old))
    unsafe folio_remove_rmap_pmd(page_folio(page), space.id)
    unsafe tlb_remove_tlb_entry(&tlb)
    unsafe spin_unlock(lock)
    unsafe tlb_remove_page(&tlb, page)
    let pages = 1 << Int(PMD_ORDER)
    unsafe add_mm_counter(mm, MM_FILEPAGES, -pages)
    return pages
  }
}
