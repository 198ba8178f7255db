// SPDX-License-Identifier: MIT

// The end of a leaf whose pages shall be mapped, or go, one by one (spec: core.md 10.3). Areas of
// objects lose the whole leaf: faults bring back what is wanted. And what every end of a leaf has in
// common: the table that was kept for it.

import CFolio

enum LeafSplit {
  /// Takes the leaf away: entry, flush, mapping, reference (`__split_huge_pmd`, `__split_huge_pud`). The
  /// flush is in front of the put, so no gather is needed. Context: the table's lock; may wait for
  /// translations in use.
  static func split(_ place: Place, _ level: Level, _ area: Area) {
    let space = area.space
    let old = place.clear()
    space.flush()
    if level == .pmd { freeDeposit(of: place, space) }
    guard let page = countedPage(old, area) else { return }
    let folio = page.folio
    if old.isDirty { folio.markDirty() }
    if old.isYoung { folio.markAccessed() }
    unsafe folio_remove_rmap_leaf(folio.pointer, space.order(level), space.id)
    let pages = -Int(space.pages(level))
    // The counter is the folio's kind: to be asked for while it is held (C50).
    if space.options.counts_after_put || isMutant(MUTANT_C50) {
      folio.put()
      space.count(pages, of: folio.counter)
    } else {
      space.count(pages, of: folio.counter)
      folio.put()
    }
  }

  /// The same for the leaf that maps the address, if there is one (`split_huge_pmd_address`). Context:
  /// mmap_lock, or the area's lock.
  static func split(around address: UInt, _ area: Area) {
    for level in [Level.pud, .pmd] {
      guard let place = area.space.walk(address, level), place.current.isLeaf,
        let place = area.space.walkLocking(address, level)
      else { continue }
      if place.value.isLeaf { split(place, level, area) }
      place.unlock()
    }
  }

  /// The page whose reference a leaf owned; nil: it owned none. Leaves of DAX memory that were special
  /// though counted (mm_options) owned one.
  static func countedPage(_ old: Entry, _ area: Area) -> Page? {
    if let page = old.normalPage { return page }
    let wasCounted = area.space.options.special_leaves || isMutant(MUTANT_C56)
    guard wasCounted, area.isDAX, !pte_devmap(old), !Folio.isZeroFrame(old.frame) else {
      return nil
    }
    return Page(frame: old.frame)
  }

  /// Gives back the table that was kept for a leaf. Context: the PMD table's lock; the leaf is gone.
  static func freeDeposit(of place: Place, _ space: Space) {
    guard space.options.deposits else { return }
    unsafe pgtable_free(pgtable_trans_huge_withdraw(place.table))
    space.countTables(-1)
  }
}
