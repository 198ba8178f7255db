// SPDX-License-Identifier: MIT

// Entries of pages on their way (spec: core.md 14.1): a migration entry in the place of one that maps a
// page, and back. It owns neither a reference nor a mapping; its page stays in the map's counter.
// Mirrors try_to_migrate(), remove_migration_ptes() and their half of migrate_vma_collect_pmd().

import CFolio

enum MigrationEntry {
  /// Replaces the entry, which maps the page or is its device-private one. False: the page may be
  /// pinned, nothing changed. Drops the entry's mapping and reference; the caller has another one.
  /// Stores by translations end in front of the return. Context: the table's lock, the folio lock.
  static func install(_ place: Place, _ page: Page, _ area: Area) -> Bool {
    let (space, folio) = (area.space, page.folio)
    let isExclusive = folio.isAnonymous && (unsafe folio_page_is_exclusive(page.pointer))
    let old = place.clear()
    if old.isPresent && !isMutant(MUTANT_P118) { space.flush() }
    if isExclusive, unsafe folio_try_share_anon_rmap_pte(folio.pointer, page.pointer) != 0 {
      place.store(old)
      return false
    }
    if old.isPresent && old.isDirty { folio.markDirty() }
    place.store(softleaf_pte(page.frame, type(of: old, isExclusive)))
    unsafe folio_remove_rmap_pte(folio.pointer, page.pointer, space.id)
    folio.put()
    return true
  }

  private static func type(of old: Entry, _ isExclusive: Bool) -> softleaf_type {
    if allowsStores(old) { return SOFTLEAF_MIGRATION_WRITE }
    return isExclusive ? SOFTLEAF_MIGRATION_READ_EXCLUSIVE : SOFTLEAF_MIGRATION_READ
  }

  /// An entry, present or device-private, allows stores.
  static func allowsStores(_ entry: Entry) -> Bool {
    entry.isPresent ? entry.isWritable : softleaf_type(entry) == SOFTLEAF_DEVICE_PRIVATE_WRITE
  }

  /// Whether the entry maps the page, or is its device-private one.
  private static func maps(_ entry: Entry, _ page: Page) -> Bool {
    if entry.isPresent { return !entry.isSpecial && entry.frame == page.frame }
    return softleaf_is_device_private(entry) && entry.frame == page.frame
  }

  /// Replaces all entries of a single page (`try_to_migrate`), as far as it is not pinned. Context: the
  /// folio lock and a reference.
  static func installAll(_ folio: Folio, _ anon: UnsafeMutablePointer<anon_vma>?) {
    let page = Page(frame: folio.frame)
    unsafe ReverseMap.forEachPlace(of: folio, anon) { area, address in
      guard let place = area.space.walkLocking(address, .pte) else { return true }
      defer { place.unlock() }
      if maps(place.value, page) { return install(place, page, area) }
      return true
    }
  }

  /// Replaces the migration entries of `old` by entries of `new`, which may be the same
  /// (`remove_migration_ptes`). Context: both locked, each with a reference.
  static func removeAll(
    from old: Folio, to new: Folio, _ anon: UnsafeMutablePointer<anon_vma>?
  ) {
    unsafe ReverseMap.forEachPlace(of: new, anon) { area, address in
      guard let place = area.space.walkLocking(address, .pte) else { return true }
      defer { place.unlock() }
      let entry = place.value
      if softleaf_is_migration(entry) && entry.frame == old.frame {
        restore(place, entry, new, area)
        if isMutant(MUTANT_P119) { return false }
      }
      return true
    }
  }

  /// Reference, mapping, entry. Context: the table's lock.
  private static func restore(_ place: Place, _ entry: Entry, _ new: Folio, _ area: Area) {
    let (space, page) = (area.space, Page(frame: new.frame))
    let type = softleaf_type(entry)
    let isWritable = type == SOFTLEAF_MIGRATION_WRITE && area.writeBits != 0
    new.get()
    if new.isAnonymous {
      unsafe folio_add_anon_rmap_pte(
        new.pointer, page.pointer, space.id, type != SOFTLEAF_MIGRATION_READ)
    } else {
      unsafe folio_add_file_rmap_pte(new.pointer, page.pointer, space.id)
    }
    if new.isDevicePrivate {
      place.store(
        softleaf_pte(
          page.frame, isWritable ? SOFTLEAF_DEVICE_PRIVATE_WRITE : SOFTLEAF_DEVICE_PRIVATE_READ))
    } else {
      place.store(pfn_pte(page.frame, area.protection | (isWritable ? _PAGE_RW : 0)))
    }
  }
}
