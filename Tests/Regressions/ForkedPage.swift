// SPDX-License-Identifier: MIT

// An anonymous page that a fork shares, step by step, so that a fast pin can come in between: what
// C17 and C18 look at.

import CFolio
import FolioCore
import TestSupport
import Testing

/// An exclusive anonymous page, mapped for writing at address 0 by its one entry.
@safe
final class ForkedPage {
  let space: TestSpace
  private let entry: UnsafeMutablePointer<shared_t>
  private static let child: mm_id_t = 2

  init() throws {
    space = try TestSpace(PageMap(.deviceCoherent, pages: 512))
    unsafe entry = try space.entry(0)
    unsafe zone_device_page_init(space.page(0))
    unsafe folio_move_anon_rmap(space.folio(0), 0x1000)
    unsafe folio_add_new_anon_rmap(space.folio(0), space.mm.pointee.mm_id, true)
    unsafe set_pte_at(entry, pfn_pte(space.frame(0), _PAGE_PRESENT | _PAGE_RW))
    // Nothing else is in the way of a pin.
    let pins = pin()
    space.unpin(pins)
    #expect(pins == 1 && space.references(0) == 1)
  }

  /// Pins for writing by the fast walk: how many pages.
  func pin() -> Int { space.walk(0, 1, FOLL_PIN | FOLL_WRITE).count }

  /// The fork looks for pins, finds none, and counts the child's entry; that of the parent still
  /// has the right to stores.
  func share() -> Bool {
    let (mm, folio) = unsafe (space.mm, space.folio(0))
    unsafe write_protect_seq_begin(mm)
    let sequence = unsafe UInt32(bitPattern: atomic_read(&mm.pointee.write_protect_seq))
    let hasPinned = unsafe atomic_read(&mm.pointee.has_pinned) != 0
    unsafe folio_get(folio)
    return unsafe folio_try_dup_anon_rmap_pte(
      folio, space.page(0), Self.child, folio_needs_cow_for_dma(hasPinned, sequence, folio)) == 0
  }

  /// The rest of the fork: the parent's entry loses the right to stores.
  func protect() {
    unsafe ptep_set_wrprotect(entry)
    unsafe write_protect_seq_end(space.mm)
  }

  /// Parent and child end. Whether the page is free then.
  func endsFree() -> Bool {
    let (folio, page) = unsafe (space.folio(0), space.page(0))
    unsafe folio_remove_rmap_pte(folio, page, Self.child)
    unsafe folio_put(folio)
    unsafe _ = ptep_get_and_clear(entry)
    unsafe folio_remove_rmap_pte(folio, page, space.mm.pointee.mm_id)
    unsafe folio_unlock(folio)
    unsafe folio_put(folio)
    return space.map.firstBusyFrame == nil
  }
}
