// SPDX-License-Identifier: MIT

// The one way in which the areas of an address space change: others are put in the place of those that
// a range meets, all at once. Areas that can be found never change themselves (folio/mmap.h), so whoever
// found one may rely on it. Memory is taken first: from then on nothing can fail.

import CFolio

/// What areas are made of, when one is made of another.
struct AreaShape {
  var range: Range<UInt>
  var pageOffset: UInt
  var flags: UInt
}

/// A change of areas in a range of addresses, between its preparation and its end.
///
/// Context: mmap_lock for writing, all the time.
@safe
struct AreaChange: ~Copyable {
  let space: Space
  private let index: UnsafeMutablePointer<vma_index>
  /// Areas from here to there, by number, are replaced.
  private let firstOld: Int
  private let lastOld: Int

  // MARK: preparation

  /// Prepares that the areas in `range`, which no fault is in any more, are replaced by what is left of them outside of it and, of
  /// each, by what `keep` makes of its part inside: nil for nothing. `added` lies in no other area then.
  ///
  /// - Throws: `outOfMemory`; what an object says about a cut (`may_split`). Nothing is changed.
  static func prepare(
    _ space: Space, _ range: Range<UInt>, adding added: Area? = nil,
    keep: (AreaShape) -> AreaShape? = { _ in nil }
  ) throws(MemoryError) -> AreaChange {
    let old = Index(space)
    let first = old.first(endingBehind: range.lowerBound)
    var last = first
    while last < old.count && old[last].start < range.upperBound { last += 1 }
    for number in first..<last {
      for cut in [range.lowerBound, range.upperBound] { try mayCut(old[number], at: cut) }
    }
    // Each may stay; the outermost may leave two pieces more, and there may be one that is added.
    guard let index = unsafe vma_index_alloc(UInt(old.count + 3)) else {
      throw MemoryError(.outOfMemory)
    }
    var change = unsafe AreaChange(space: space, index: index, firstOld: first, lastOld: last)
    // In front of the copies: a fault in one of them may change it (`noteAnonymousPages`).
    change.lockOld()
    do throws(MemoryError) {
      for number in 0..<first { change.append(old[number]) }
      for number in first..<last { try change.appendPieces(of: old[number], range, keep) }
      for number in last..<old.count { change.append(old[number]) }
    } catch {
      change.abandon()
      throw error
    }
    if let added { change.insert(added) }
    return change
  }

  private init(
    space: Space, index: UnsafeMutablePointer<vma_index>, firstOld: Int, lastOld: Int
  ) {
    self.space = space
    unsafe self.index = index
    self.firstOld = firstOld
    self.lastOld = lastOld
  }

  private static func mayCut(_ area: Area, at address: UInt) throws(MemoryError) {
    guard area.start < address, address < area.end,
      let mayCut = unsafe area.operations?.pointee.may_split
    else { return }
    try MemoryError.check(unsafe mayCut(area.pointer, address), address: address)
  }

  private mutating func append(_ area: Area) {
    let count = unsafe index.pointee.count
    unsafe index.pointee.count = count + 1
    unsafe vma_index_set(index, count, area.pointer)
  }

  /// Left of the range, inside, right of it.
  private mutating func appendPieces(
    of area: Area, _ range: Range<UInt>, _ keep: (AreaShape) -> AreaShape?
  ) throws(MemoryError) {
    let inner = area.range.clamped(to: range)
    if area.start < inner.lowerBound {
      try appendCopy(of: area, area.shape(area.start..<inner.lowerBound))
    }
    if let shape = keep(area.shape(inner)) { try appendCopy(of: area, shape) }
    if inner.upperBound < area.end {
      try appendCopy(of: area, area.shape(inner.upperBound..<area.end))
    }
  }

  private mutating func appendCopy(of area: Area, _ shape: AreaShape) throws(MemoryError) {
    guard let copy = Area.make(like: area, shape, in: space) else {
      throw MemoryError(.outOfMemory)
    }
    append(copy)
  }

  /// In its place by address.
  private mutating func insert(_ area: Area) {
    append(area)
    var number = Int(unsafe index.pointee.count) - 1
    while number > 0 {
      let before = unsafe vma_index_area(index, UInt(number - 1))
      guard unsafe before.pointee.vm_start > area.start else { break }
      unsafe vma_index_set(index, UInt(number), before)
      number -= 1
    }
    unsafe vma_index_set(index, UInt(number), area.pointer)
  }

  // MARK: end

  /// Waits for faults in the areas that go, and keeps later ones away: they come back under mmap_lock.
  private borrowing func lockOld() {
    let old = Index(space)
    for number in firstOld..<lastOld { old[number].lockForWriting() }
  }

  /// Lets faults in again: nothing came of the change.
  private borrowing func unlockOld() {
    let old = Index(space)
    for number in firstOld..<lastOld { old[number].unlockForWriting() }
  }

  /// The areas that will be in the place of old ones.
  borrowing func forEachNew(_ body: (Area) -> Void) {
    for number in 0..<Int(unsafe index.pointee.count) {
      let area = unsafe Area(vma_index_area(index, UInt(number)))
      if !area.isAttached { body(area) }
    }
  }

  /// Lets the object's owner find the new areas, beside the old ones.
  borrowing func link() { forEachNew { $0.link() } }

  /// Lets the object's owner find the new areas instead of the old ones: a page that comes back from
  /// a migration meanwhile gets the rights of the new ones.
  borrowing func relink() {
    link()
    let old = Index(space)
    for number in firstOld..<lastOld { old[number].unlink() }
  }

  /// Puts the new areas in place. Context: of the old areas only entries are left that the new ones may
  /// have.
  ///
  /// - Parameters:
  ///   - isLinked: after `link()`.
  ///   - isRelinked: after `relink()`.
  consuming func commit(isLinked: Bool = false, isRelinked: Bool = false) {
    let old = Index(space)
    if !isLinked && !isRelinked { link() }
    for number in firstOld..<lastOld {
      if !isRelinked { old[number].unlink() }
      old[number].close()
    }
    unsafe vma_index_replace(space.pointer, index)
  }

  /// Nothing happens, and the areas that were made for it go again.
  ///
  /// - Parameter isMapped: false for an added area whose object refused it: it is not told of the end.
  consuming func abandon(isMapped: Bool = true) {
    forEachNew { area in
      if isMapped { area.close() }
      area.free()
    }
    unlockOld()
    unsafe vma_index_free(index)
  }
}

/// All areas of a space, by number. Context: mmap_lock.
@safe
struct Index {
  private let index: UnsafeMutablePointer<vma_index>

  init(_ space: Space) {
    unsafe index = mm_areas(space.pointer)
  }

  var count: Int { Int(unsafe index.pointee.count) }

  subscript(number: Int) -> Area { unsafe Area(vma_index_area(index, UInt(number))) }

  /// The number of the first area that ends behind the address; `count`: there is none.
  func first(endingBehind address: UInt) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].end > address { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension Area {
  func shape(_ part: Range<UInt>) -> AreaShape {
    AreaShape(range: part, pageOffset: pageOffset(of: part.lowerBound), flags: flags)
  }

  /// It can be found.
  var isAttached: Bool { unsafe atomic_read(&pointer.pointee.vm_refcnt) != 0 }

  /// A new area with the object of another one, which is told of it; nil: no memory.
  static func make(like other: Area, _ shape: AreaShape, in space: Space) -> Area? {
    guard let area = unsafe make(shape, in: space, other.operations, other.mapping) else {
      return nil
    }
    unsafe area.pointer.pointee.vm_private_data = other.pointer.pointee.vm_private_data
    unsafe anon_vma_clone(area.pointer, other.pointer)
    unsafe other.operations?.pointee.open?(area.pointer)
    return area
  }

  static func make(
    _ shape: AreaShape, in space: Space, _ operations: UnsafePointer<vm_operations_struct>?,
    _ mapping: Mapping?
  ) -> Area? {
    guard let area = unsafe vm_area_alloc(space.pointer) else { return nil }
    unsafe area.pointee.vm_start = shape.range.lowerBound
    unsafe area.pointee.vm_end = shape.range.upperBound
    unsafe area.pointee.vm_pgoff = shape.pageOffset
    unsafe area.pointee.vm_flags = shape.flags
    unsafe area.pointee.vm_ops = operations
    unsafe area.pointee.mapping = mapping?.pointer
    unsafe area.pointee.vm_page_prot = Area(area).readProtection
    return unsafe Area(unsafe area)
  }

  /// Rights of a new entry for reading (`vm_get_page_prot`, `vma_wants_writenotify`): stores are
  /// allowed at once in shared areas whose object does not ask to be told of them.
  private var readProtection: UInt {
    guard flags & VM_ACCESS_FLAGS != 0 else { return _PAGE_PROTNONE }
    guard isShared, flags & VM_WRITE != 0 else { return _PAGE_PRESENT }
    return isStoreTracked ? _PAGE_PRESENT : _PAGE_PRESENT | _PAGE_RW
  }

  /// Lets the object's owner find it, and who looks for the entries of a page.
  ///
  /// - Parameter parent: whose entries a fork is about to copy: it is found first.
  func link(behind parent: Area? = nil) {
    unsafe anon_vma_link(pointer)
    guard let mapping else { return }
    mapping.lockForWriting()
    if let parent {
      Mapping.insert(self, behind: parent)
    } else {
      mapping.insert(self)
    }
    mapping.unlockForWriting()
  }

  /// Nobody finds it by its object any more, or works on its entries from there.
  func unlink() {
    unsafe anon_vma_unlink(pointer)
    guard let mapping else { return }
    mapping.lockForWriting()
    Mapping.remove(self)
    mapping.unlockForWriting()
  }

  /// Tells the object that the area is gone.
  func close() { unsafe operations?.pointee.close?(pointer) }
  /// Context: it was never attached.
  func free() { unsafe vm_area_free(pointer) }
}
