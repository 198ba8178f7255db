// SPDX-License-Identifier: MIT

// One entry that maps one folio of a device, and what another thread does to both while a fast walk
// is between two of its steps: what C12, C13 and C15 look at.

import CFolio
import FolioCore
import TestSupport

/// A folio whose one reference its entry owns, at address 0 of an address space.
@safe
final class LoneEntry {
  let space: TestSpace
  let order: Int
  private let entry: UnsafeMutablePointer<shared_t>
  /// The entry that names the table of `entry`, for a small folio.
  private let above: UnsafeMutablePointer<shared_t>

  /// Mapped by a leaf at the PMD level where it has four pages.
  init(order: Int) throws {
    self.order = order
    space = try TestSpace(PageMap(.fsdax, pages: 512, .init(compoundOrder: order)), shift: 2)
    if order == 0 {
      try space.set(0, at: 0)
      unsafe entry = try space.entry(0)
    } else {
      try space.setLeaf(0, at: 0, PGTABLE_LEVEL_PMD)
      unsafe entry = try space.entry(0, PGTABLE_LEVEL_PMD)
    }
    unsafe above = try space.entry(0, PGTABLE_LEVEL_PMD)
  }

  /// Pins by the fast walk what is mapped: the frames that it found.
  func pin() -> [UInt] { space.walk(0, 1 << order, FOLL_PIN | FOLL_WRITE) }

  /// What a pin finds while `change` runs at its first access to the struct page; nil: it had none.
  func pin(
    changedAt trigger: FaultPoint.Trigger = .access, by change: @escaping () -> Void
  ) -> [UInt]? {
    var found: [UInt] = []
    let isReached = unsafe FaultPoint.run(at: space.page(0), on: trigger) {
      change()
    } body: {
      found = pin()
    }
    return isReached ? found : nil
  }

  /// The entry goes, and the reference that it owned.
  func unmap() {
    unsafe _ = ptep_get_and_clear(entry)
    dropMapping()
  }

  /// The entry goes, the folio is idle, and its next owner takes a reference.
  func reuse() {
    unmap()
    raise()
  }

  /// The same by a collapse: the table goes out of the one above, its entries stay as they are.
  /// Returns what named the table.
  func collapse() -> pmd_t {
    let old = unsafe ptep_get_and_clear(above)
    dropMapping()
    raise()
    return old
  }

  /// The table comes back, without its entry. Context: `collapse()` took it out.
  func restore(_ table: pmd_t) {
    unsafe _ = ptep_get_and_clear(entry)
    unsafe set_pte_at(above, table)
  }

  private func dropMapping() {
    let folio = unsafe space.folio(0)
    if order == 0 {
      unsafe folio_remove_rmap_pte(folio, space.page(0), space.mm.pointee.mm_id)
    } else {
      unsafe folio_remove_rmap_leaf(folio, UInt32(order), space.mm.pointee.mm_id)
    }
    unsafe folio_put(folio)
  }

  private func raise() {
    precondition(space.references(0) == 0, "the folio was not its entry's alone")
    unsafe folio_ref_inc(space.folio(0))
  }

  /// Whether the next owner is the only one; it drops its reference.
  func endsIdle() -> Bool {
    let isAlone = space.references(0) == 1
    unsafe folio_put(space.folio(0))
    return isAlone && space.map.firstBusyFrame == nil
  }
}
