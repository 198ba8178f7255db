// SPDX-License-Identifier: MIT

// Taking page tables out when nothing is mapped through them any more. Mirrors free_pgtables() of the
// kernel; how a table may be read meanwhile is said in folio/pgtable.h.

import CFolio

enum PageTables {
  /// Takes out the tables that only lead to addresses in `bounds`, among those of `range`: bounds are
  /// the ends of the areas on both sides. They are freed behind the removal's flush and a grace period.
  ///
  /// Context: mmap_lock for writing, the areas of the bounds locked for writing, no entry left there.
  static func free(
    _ range: Range<UInt>, bounds: Range<UInt>, of space: Space, _ removal: inout Removal
  ) {
    guard !range.isEmpty else { return }
    free(range, bounds, space, .pud, &removal)
  }

  /// Tables whose entries are of `level`, named by the entries above it.
  private static func free(
    _ range: Range<UInt>, _ bounds: Range<UInt>, _ space: Space, _ level: Level,
    _ removal: inout Removal
  ) {
    let above = Level(rawValue: level.rawValue + 1)
    var address = range.lowerBound
    while address < range.upperBound {
      let start = space.start(above, address)
      let next = space.end(above, address, limit: range.upperBound)
      if let place = space.walk(address, above), place.current.isTable {
        if level != .pte { free(address..<next, bounds, space, level.below, &removal) }
        if bounds.lowerBound <= start && start + space.size(above) <= bounds.upperBound {
          takeOut(place, &removal)
        }
      }
      address = next
    }
  }

  /// Under both locks, so that who walked through the table and then locks it finds it gone.
  private static func takeOut(_ place: Place, _ removal: inout Removal) {
    place.lock()
    let table = unsafe pmd_page_table(place.value)
    // Entries of PUD tables have the lock of those above.
    let hasOwnLock = unsafe table.pointee.level == .pmd || table.pointee.level == .pte
    if hasOwnLock { unsafe spin_lock(&table.pointee.ptl) }
    _ = place.clear()
    if hasOwnLock { unsafe spin_unlock(&table.pointee.ptl) }
    place.unlock()
    unsafe removal.remove(table: unsafe table)
  }
}
