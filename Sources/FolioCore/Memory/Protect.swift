// SPDX-License-Identifier: MIT

// mprotect: new areas with other rights, and entries to match. Counters stay as they are. Mirrors
// mprotect.c.

import CFolio

enum Protection {
  /// - Parameter rights: VM_READ, VM_WRITE, VM_EXEC.
  /// - Throws: `invalidArgument`; `outOfMemory` where there is a hole; `accessDenied` for rights that an
  ///   area can never have; what an object says about a cut. Nothing is changed then.
  static func protect(
    _ space: Space, _ range: Range<UInt>, rights: UInt
  ) throws(MemoryError) {
    guard space.contains(range), rights & ~VM_ACCESS_FLAGS == 0 else {
      throw MemoryError(.invalidArgument, address: range.lowerBound)
    }
    space.lockForWriting()
    defer { space.unlockForWriting() }
    try check(space, range, rights)
    let change = try AreaChange.prepare(space, range) { shape in
      var shape = shape
      shape.flags = shape.flags & ~VM_ACCESS_FLAGS | rights
      return shape
    }
    change.relink()
    change.forEachNew { area in
      if range.contains(area.start) { changeEntries(of: area) }
    }
    space.flush()
    change.commit(isRelinked: true)
  }

  /// Every page of the range is in an area that may have the rights.
  private static func check(
    _ space: Space, _ range: Range<UInt>, _ rights: UInt
  ) throws(MemoryError) {
    var address = range.lowerBound
    while address < range.upperBound {
      guard let area = space.area(at: address) else {
        throw MemoryError(.outOfMemory, address: address)
      }
      // The MAY bits are four places above.
      guard rights & ~(area.flags >> 4) == 0 else {
        throw MemoryError(.accessDenied, address: area.start)
      }
      address = area.end
    }
  }

  /// What is mapped gets the rights of the new area (`change_protection`). Context: mmap_lock for
  /// writing; the flush follows.
  private static func changeEntries(of area: Area) {
    let space = area.space
    var address = area.start
    while address < area.end {
      var next = space.end(.pud, address, limit: area.end)
      if !changeLeaf(address..<next, .pud, area) {
        next = space.end(.pmd, address, limit: area.end)
        if !changeLeaf(address..<next, .pmd, area) { changeTable(address..<next, area) }
      }
      address = next
    }
  }

  /// False: there is no leaf of the level. One that is only in part of the area goes.
  private static func changeLeaf(_ range: Range<UInt>, _ level: Level, _ area: Area) -> Bool {
    guard let place = area.space.walk(range.lowerBound, level), place.current.isLeaf,
      let place = area.space.walkLocking(range.lowerBound, level)
    else { return false }
    defer { place.unlock() }
    guard place.value.isLeaf else { return false }
    if UInt(range.count) == area.space.size(level) {
      change(place, to: area.protection)
    } else {
      LeafSplit.split(place, level, area)
    }
    return true
  }

  private static func changeTable(_ range: Range<UInt>, _ area: Area) {
    guard let first = area.space.walkLocking(range.lowerBound, .pte) else { return }
    defer { first.unlock() }
    var place = first
    var address = range.lowerBound
    while true {
      let entry = place.value
      if entry.isPresent {
        change(place, to: area.protection)
      } else if area.flags & VM_WRITE == 0 {
        downgrade(place, entry)
      }
      address += Space.pageSize
      guard address < range.upperBound else { return }
      place = place.next()
    }
  }

  /// The accessed and dirty bits are taken as they are when the entry is none for a moment.
  private static func change(_ place: Place, to protection: UInt) {
    let old = place.clear()
    place.store(
      old.removing(_PAGE_PRESENT | _PAGE_PROTNONE | _PAGE_RW).adding(protection))
  }

  /// A page on its way, or one that only a device reaches, comes back without the right to stores.
  private static func downgrade(_ place: Place, _ entry: Entry) {
    let type = softleaf_type(entry)
    if type == SOFTLEAF_MIGRATION_WRITE {
      place.store(softleaf_pte(entry.frame, SOFTLEAF_MIGRATION_READ_EXCLUSIVE))
    } else if type == SOFTLEAF_DEVICE_PRIVATE_WRITE {
      place.store(softleaf_pte(entry.frame, SOFTLEAF_DEVICE_PRIVATE_READ))
    }
  }
}
