// SPDX-License-Identifier: MIT

// An address space of a test, with pages of a device that it maps. Entries are set by hand: what sets
// them otherwise is not what these tests are about.

package import CFolio
package import FolioCore

/// A map with tables of 2^`shift` entries.
@safe
package final class TestSpace: @unchecked Sendable {
  // @unchecked: tests say which thread does what.
  package let mm: UnsafeMutablePointer<mm_struct>
  package let map: PageMap
  private let found: UnsafeMutablePointer<UnsafeMutablePointer<page>?>

  package init(_ map: PageMap, shift: UInt32 = 9) throws {
    var options = mm_options()
    options.table_shift = shift
    guard let mm = unsafe mm_alloc(&options, 1) else { throw NoMemory() }
    unsafe self.mm = mm
    self.map = map
    unsafe found = .allocate(capacity: 1024)
    unsafe found.initialize(repeating: nil, count: 1024)
  }

  deinit {
    unsafe found.deallocate()
    unsafe mm_free(mm)
  }

  /// There is no map, or no entry at an address.
  package struct NoMemory: Error {}

  package static func address(_ page: Int) -> UInt { UInt(page) << UInt(PAGE_SHIFT) }
  package func frame(_ index: Int) -> UInt { map.frame(index) }
  package func page(_ index: Int) -> UnsafeMutablePointer<page> { unsafe map.page(frame(index)) }
  package func folio(_ index: Int) -> UnsafeMutablePointer<folio> {
    unsafe map.folio(frame(index))
  }
  package func references(_ index: Int) -> Int32 { unsafe folio_ref_count(folio(index)) }

  package func entry(
    _ page: Int, _ level: pgtable_level = PGTABLE_LEVEL_PTE
  ) throws -> UnsafeMutablePointer<shared_t> {
    var failed = false
    let place = unsafe pgtable_walk_alloc(mm, Self.address(page), level, &failed)
    guard let entry = unsafe place.entry else { throw NoMemory() }
    return unsafe entry
  }

  /// Maps page `index` there, with one reference and one mapping.
  package func set(_ index: Int, at page: Int, _ bits: UInt = _PAGE_RW) throws {
    unsafe folio_ref_inc(folio(index))
    unsafe folio_add_file_rmap_pte(folio(index), self.page(index), mm.pointee.mm_id)
    unsafe try set_pte_at(entry(page), pfn_pte(frame(index), _PAGE_PRESENT | bits))
  }

  /// Takes the entry away, and what it owned.
  package func clear(_ page: Int) throws {
    let old = unsafe try ptep_get_and_clear(entry(page))
    guard pte_present(old), !pte_special(old) else { return }
    let mapped = unsafe pfn_to_page(pte_pfn(old))
    unsafe folio_remove_rmap_pte(page_folio(mapped), mapped, mm.pointee.mm_id)
    unsafe folio_put(page_folio(mapped))
  }

  /// Maps the folio of page `index` by one entry of that level.
  package func setLeaf(
    _ index: Int, at page: Int, _ level: pgtable_level, _ bits: UInt = _PAGE_RW
  ) throws {
    let order = unsafe level.rawValue * mm.pointee.options.table_shift
    unsafe folio_ref_inc(folio(index))
    unsafe folio_add_file_rmap_leaf(folio(index), order, mm.pointee.mm_id)
    unsafe try set_pte_at(
      entry(page, level), pfn_pte(frame(index), _PAGE_PRESENT | _PAGE_PSE | bits))
  }

  package func clearLeaf(_ page: Int, _ level: pgtable_level) throws {
    let order = unsafe level.rawValue * mm.pointee.options.table_shift
    let old = unsafe try ptep_get_and_clear(entry(page, level))
    let folio = unsafe page_folio(pfn_to_page(pte_pfn(old)))
    unsafe folio_remove_rmap_leaf(folio, order, mm.pointee.mm_id)
    unsafe folio_put(folio)
  }

  /// The fast walk over `count` pages from page `first` on: the frames that it found.
  package func walk(_ first: Int, _ count: Int, _ flags: UInt32) -> [UInt] {
    let start = Self.address(first)
    let nr = unsafe gup_fast(mm, start, start + Self.address(count), flags, found)
    return (0..<Int(nr)).map { unsafe page_to_pfn(found[$0]!) }
  }

  /// Gives back the first `count` pins of the last walk.
  package func unpin(_ count: Int) { unsafe unpin_user_pages(found, UInt(count)) }

  /// Gives back the first `count` references of the last walk.
  package func put(_ count: Int) {
    for index in 0..<count { unsafe gup_put_folio(page_folio(found[index]!), 1, FOLL_GET) }
  }
}
