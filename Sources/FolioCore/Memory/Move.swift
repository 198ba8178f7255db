// SPDX-License-Identifier: MIT

// mremap: an area, or part of one, grows, shrinks or goes to other addresses, its entries with it. No
// page is counted anew: an entry that moves keeps its reference and its mapping. Mirrors mremap.c.

import CFolio

enum Move {
  /// - Parameters:
  ///   - range: what is moved; of one area.
  ///   - target: where to, replacing what is there; nil: it stays if it can, else anywhere if `mayMove`.
  /// - Returns: where it begins now.
  /// - Throws: `invalidArgument`, also where the object's pages would wrap; `fault` (no area, more than
  ///   one, or more of an area of bare frames, which nobody has for it); `outOfMemory`; what an object
  ///   says about a cut.
  static func remap(
    _ space: Space, _ range: Range<UInt>, size: UInt, target: UInt?, mayMove: Bool
  ) throws(MemoryError) -> UInt {
    guard space.contains(range), size > 0, size % Space.pageSize == 0, size <= space.end else {
      throw MemoryError(.invalidArgument, address: range.lowerBound)
    }
    if let target {
      guard target % Space.pageSize == 0, target <= space.end - size,
        !(target..<(target + size)).overlaps(range)
      else { throw MemoryError(.invalidArgument, address: target) }
    }
    space.lockForWriting()
    defer { space.unlockForWriting() }
    guard let area = space.area(at: range.lowerBound), range.upperBound <= area.end else {
      throw MemoryError(.fault, address: range.lowerBound)
    }
    var range = range
    if size > UInt(range.count) {
      let first = area.pageOffset(of: range.lowerBound)
      guard !first.addingReportingOverflow(size / Space.pageSize).overflow else {
        throw MemoryError(.invalidArgument, address: range.lowerBound)
      }
      guard area.flags & VM_PFNMAP == 0 else {
        throw MemoryError(.fault, address: range.lowerBound)
      }
    }
    if size < UInt(range.count) {
      let cut = range.lowerBound + size
      try Areas.unmapLocked(space, cut..<range.upperBound)
      range = range.lowerBound..<cut
    }
    guard let target else {
      if size == UInt(range.count) { return range.lowerBound }
      return try grow(space, range, size: size, mayMove: mayMove)
    }
    try Areas.unmapLocked(space, target..<(target + size))
    return try move(space, range, to: target..<(target + size))
  }

  /// In place if the addresses behind are free and the area ends there.
  private static func grow(
    _ space: Space, _ range: Range<UInt>, size: UInt, mayMove: Bool
  ) throws(MemoryError) -> UInt {
    let start = range.lowerBound
    let area = space.area(at: start)!
    let areas = Index(space)
    let (end, overflow) = start.addingReportingOverflow(size)
    if range.upperBound == area.end, !overflow, end <= space.end,
      !areas.meets(range.upperBound..<end)
    {
      // The area as a whole: a cut would have to be asked for, and could go through a leaf.
      let change = try AreaChange.prepare(space, area.range) { shape in
        var shape = shape
        shape.range = shape.range.lowerBound..<end
        return shape
      }
      change.commit()
      return start
    }
    guard mayMove else { throw MemoryError(.outOfMemory, address: start) }
    let leaf = space.size(.pmd)
    let alignment = max(
      area.mapping?.alignment ?? 0, size >= leaf && area.isDAX ? leaf : 0, Space.pageSize)
    guard
      let target = areas.gap(
        size, from: Space.pageSize, limit: space.end, alignment: alignment,
        phase: area.pageOffset(of: start) &* Space.pageSize % alignment)
    else { throw MemoryError(.outOfMemory) }
    return try move(space, range, to: target..<(target + size))
  }

  /// Context: mmap_lock for writing; the target is free.
  private static func move(
    _ space: Space, _ range: Range<UInt>, to target: Range<UInt>
  ) throws(MemoryError) -> UInt {
    let old = space.area(at: range.lowerBound)!
    var shape = old.shape(range)
    shape.range = target
    // In front of the copy, as for others (`AreaChange.prepare`).
    old.lockForWriting()
    guard let new = Area.make(like: old, shape, in: space) else {
      old.unlockForWriting()
      throw MemoryError(.outOfMemory)
    }
    let change: AreaChange
    do throws(MemoryError) {
      change = try AreaChange.prepare(space, range, adding: new)
    } catch {
      new.close()
      new.free()
      old.unlockForWriting()
      throw error
    }
    guard prepareTables(space, range, to: target.lowerBound) else {
      // Where no area is there are no tables: who frees those of a neighbour relies on it.
      var removal = Removal(space)
      Areas.freeTables(space, target, &removal)
      removal.finish()
      change.abandon()
      throw MemoryError(.outOfMemory)
    }
    // The object's owner finds entries by areas, one after the other: by both while entries are on their
    // way, and then he must not look.
    change.link()
    old.mapping?.lockForWriting()
    moveEntries(range, to: target.lowerBound, of: old)
    old.mapping?.unlockForWriting()
    var removal = Removal(space)
    Areas.freeTables(space, range, keeping: target, &removal)
    removal.finish()
    space.flush()
    change.commit(isLinked: true)
    return target.lowerBound
  }

  // MARK: entries

  /// The parts of the range whose entries are moved at once: of one table, there and here; or a leaf.
  private static func forEachPart(
    _ space: Space, _ range: Range<UInt>, to target: UInt,
    _ body: (_ part: Range<UInt>, _ target: UInt, _ level: Level) -> Bool
  ) -> Bool {
    var address = range.lowerBound
    while address < range.upperBound {
      let there = target + (address - range.lowerBound)
      var level = Level.pte
      for candidate in [Level.pud, .pmd] where level == .pte {
        let size = space.size(candidate)
        guard (address | there) % size == 0, range.upperBound - address >= size,
          space.walk(address, candidate)?.current.isLeaf == true
        else { continue }
        level = candidate
      }
      let step =
        level == .pte
        ? min(
          space.end(.pmd, address, limit: range.upperBound) - address,
          space.end(.pmd, there, limit: UInt.max) - there) : space.size(level)
      guard body(address..<(address + step), there, level) else { return false }
      address += step
    }
    return true
  }

  /// Tables for all that will move; false: no memory. Context: the areas of the range are locked.
  private static func prepareTables(
    _ space: Space, _ range: Range<UInt>, to target: UInt
  ) -> Bool {
    forEachPart(space, range, to: target) { _, target, level in
      do throws(Space.NoPlace) {
        _ = try space.walkAllocating(target, level)
        return true
      } catch {
        return false
      }
    }
  }

  private static func moveEntries(_ range: Range<UInt>, to target: UInt, of area: Area) {
    let space = area.space
    _ = forEachPart(space, range, to: target) { part, target, level in
      // A leaf that cannot move whole goes; faults bring back what it mapped.
      if level == .pte { LeafSplit.split(around: part.lowerBound, area) }
      guard let from = space.walk(part.lowerBound, level), let to = space.walk(target, level)
      else { return true }
      let count = level == .pte ? UInt(part.count) / Space.pageSize : 1
      moveEntries(count, from, to, level, area)
      return true
    }
  }

  private static func moveEntries(
    _ count: UInt, _ from: Place, _ to: Place, _ level: Level, _ area: Area
  ) {
    from.lock()
    let isOther = !to.hasSameLock(as: from)
    if isOther { to.lockNested() }
    if level != .pte && !to.value.isNone {
      LeafSplit.split(from, level, area)
    } else {
      for number in 0..<count {
        let old = from.next(number)
        guard !old.value.isNone else { continue }
        to.next(number).store(old.clear())
      }
      if level == .pmd && area.space.options.deposits {
        unsafe pgtable_trans_huge_deposit(
          to.table, pgtable_trans_huge_withdraw(from.table))
      }
    }
    if isOther { to.unlock() }
    from.unlock()
  }
}
