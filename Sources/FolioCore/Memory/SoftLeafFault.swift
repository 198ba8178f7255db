// SPDX-License-Identifier: MIT

// Faults on entries that are neither none nor present (spec: core.md 14.1): pages on their way, pages
// that only a device reaches, poison. Mirrors do_swap_page() as far as Folio has what it is about.

import CFolio

enum SoftLeafFault {
  static func handle(_ fault: FaultContext, _ entry: Entry) -> FaultResult {
    if softleaf_is_migration(entry) { return waitForFolio(fault, entry) }
    if softleaf_is_device_private(entry) { return bringBack(fault, entry) }
    return .poisoned
  }

  /// A page on its way, or that somebody works on: waits until its lock is free. The map of a device
  /// page is held meanwhile, so its struct page stays; no reference on the folio is taken, which would
  /// stop the migration (`migration_entry_wait`).
  private static func waitForFolio(_ fault: FaultContext, _ entry: Entry) -> FaultResult {
    guard let place = fault.space.walkLocking(fault.address, .pte) else { return [] }
    guard place.value.pte == entry.pte else {
      place.unlock()
      return []
    }
    let folio = Page(frame: entry.frame).folio
    let isDevice = unsafe folio_is_zone_device(folio.pointer)
    let map = isDevice ? unsafe get_dev_pagemap(entry.frame) : nil
    place.unlock()
    guard !isDevice || (unsafe map != nil) else { return [] }
    unsafe folio_wait_locked(folio.pointer)
    unsafe put_dev_pagemap(map)
    return []
  }

  /// The CPU touches a page that only the device reaches: its driver brings it back. The fault holds
  /// a reference and the folio lock meanwhile (14.1); who holds the area's lock only comes back with
  /// the map's.
  private static func bringBack(_ fault: FaultContext, _ entry: Entry) -> FaultResult {
    guard fault.flags & FAULT_FLAG_VMA_LOCK == 0 else { return .retry }
    guard let place = fault.space.walkLocking(fault.address, .pte) else { return [] }
    guard place.value.pte == entry.pte else {
      place.unlock()
      return []
    }
    let page = Page(frame: entry.frame)
    let folio = page.folio
    guard folio.tryLock() else {
      place.unlock()
      return waitForFolio(fault, entry)
    }
    folio.get()
    place.unlock()
    fault.page = page
    let migrate = unsafe folio.pageMap?.pointee.ops?.pointee.migrate_to_ram
    let result =
      unsafe migrate.map { FaultResult(rawValue: unsafe $0(fault.pointer)) } ?? .busError
    folio.unlock()
    folio.put()
    return result
  }
}
