// SPDX-License-Identifier: MIT

// The one step that makes a folio another one's successor (spec: core.md row 118): nobody may use the
// old one but who moves it. Mirrors folio_migrate_mapping() and folio_migrate_flags().

import CFolio

enum MigrateMapping {
  /// 0 or -EAGAIN; see folio/migrate.h.
  ///
  /// Anonymous folios: R is exact because they have no entries and are locked, so nobody finds them
  /// who has no reference yet. Folios of a file can be found in i_pages: R is frozen at what is
  /// expected, so that nobody gets a reference while the place changes.
  static func move(
    _ old: Folio, to new: Folio, in mapping: Mapping?, extra: Int32
  ) -> Int32 {
    let again = MemoryError.Code.tryAgain.status
    let expected = unsafe folio_expected_ref_count(old.pointer) + extra + 1
    guard let mapping else {
      guard old.references == expected || isMutant(MUTANT_C73) else { return again }
      takePlace(of: old, new)
      return 0
    }
    var slot = unsafe cfolio_xa_state(
      &mapping.pointer.pointee.i_pages, folio_index(old.pointer), 0)
    unsafe xas_lock(&slot)
    defer { unsafe xas_unlock(&slot) }
    guard unsafe xas_load(&slot) == UnsafeMutableRawPointer(old.pointer) else { return again }
    guard unsafe folio_ref_freeze(old.pointer, expected) else { return again }
    takePlace(of: old, new)
    new.get()
    // In the place of an entry of its size: needs no memory.
    unsafe _ = xas_store(&slot, new.pointer)
    unsafe folio_forget_association(old.pointer)
    // The file's reference is the new folio's from now on.
    unsafe folio_ref_unfreeze(old.pointer, expected - 1)
    return 0
  }

  /// Context: as above; nobody else knows the new folio.
  private static func takePlace(of old: Folio, _ new: Folio) {
    unsafe folio_copy_association(new.pointer, old.pointer)
    copy(PG_swapbacked, of: old, to: new)
    copy(PG_dirty, of: old, to: new)
    copy(PG_referenced, of: old, to: new)
  }

  private static func copy(_ flag: pageflags, of old: Folio, to new: Folio) {
    let bit = Int32(flag.rawValue)
    if unsafe folio_test_flag(old.pointer, bit) { unsafe folio_set_flag(new.pointer, bit) }
  }
}
