// SPDX-License-Identifier: MIT

// Areas come and go: mmap, munmap, MADV_DONTNEED and the end of an address space. Mirrors the kernel's
// vma.c and mmap.c. Neighbours are never merged (a choice: nothing that counts depends on it).

import CFolio

enum Areas {
  /// The lowest address that is chosen: 0 is never found by accident.
  private static let lowest = Space.pageSize

  // MARK: mmap

  /// Makes an area; where it begins. Context: may block; no lock.
  static func map(_ space: Space, _ request: mmap_request) throws(MemoryError) -> UInt {
    space.lockForWriting()
    defer { space.unlockForWriting() }
    let (size, overflow) = unsafe request.pages.multipliedReportingOverflow(by: Space.pageSize)
    guard unsafe request.pages > 0, unsafe request.address % Space.pageSize == 0 else {
      throw unsafe MemoryError(.invalidArgument, address: request.address)
    }
    guard !overflow, unsafe !request.pgoff.addingReportingOverflow(request.pages).overflow else {
      throw MemoryError(.overflow)
    }
    let mapping = unsafe request.mapping.map { unsafe Mapping($0) }
    // Shared memory without an object would be one that only this area knows.
    guard unsafe mapping != nil || request.vm_flags & VM_SHARED == 0 else {
      throw MemoryError(.invalidArgument)
    }
    let start = unsafe try place(space, request, size: size, mapping)
    let range = start..<(start + size)
    let isMet = Index(space).meets(range)
    if unsafe request.placement == MMAP_FIXED_NOREPLACE && isMet {
      throw MemoryError(.exists, address: start)
    }
    if isMet { try unmapLocked(space, range) }
    unsafe try insert(space, request, range, mapping)
    return start
  }

  /// Where the area is to begin.
  private static func place(
    _ space: Space, _ request: mmap_request, size: UInt, _ mapping: Mapping?
  ) throws(MemoryError) -> UInt {
    let limit = space.end
    guard size <= limit else { throw MemoryError(.outOfMemory) }
    let hint = unsafe request.address
    if unsafe request.placement != MMAP_CHOOSE {
      guard hint <= limit - size else { throw MemoryError(.outOfMemory, address: hint) }
      return hint
    }
    let areas = Index(space)
    let asked = unsafe request.alignment
    guard asked & (asked &- 1) == 0 else { throw MemoryError(.invalidArgument) }
    let wanted = max(asked, mapping?.alignment ?? 0, Space.pageSize)
    // Powers of two: what the product loses they have not.
    let offset = unsafe request.pgoff &* Space.pageSize % wanted
    if hint >= lowest, hint <= limit - size, hint % wanted == offset,
      !areas.meets(hint..<(hint + size))
    {
      return hint
    }
    // Where leaves may come, the page of the mapping and the address agree in their place in a leaf.
    var (alignment, phase) = (wanted, offset)
    let leaf = space.size(.pmd)
    if alignment < leaf, size >= leaf,
      unsafe mapping?.isDAX == true || request.vm_flags & VM_HUGEPAGE != 0
    {
      (alignment, phase) = unsafe (leaf, request.pgoff &* Space.pageSize % leaf)
    }
    guard
      let start = areas.gap(
        size, from: lowest, limit: limit, alignment: alignment, phase: phase)
    else { throw MemoryError(.outOfMemory) }
    return start
  }

  /// Context: mmap_lock for writing, the range is free.
  private static func insert(
    _ space: Space, _ request: mmap_request, _ range: Range<UInt>, _ mapping: Mapping?
  ) throws(MemoryError) {
    let rights = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    let shape = unsafe AreaShape(
      range: range, pageOffset: request.pgoff, flags: request.vm_flags | rights)
    // Without operations it would be anonymous memory.
    let operations = unsafe request.vm_ops ?? (mapping == nil ? nil : cfolio_no_operations())
    guard let area = unsafe Area.make(shape, in: space, operations, mapping) else {
      throw MemoryError(.outOfMemory)
    }
    unsafe area.pointer.pointee.vm_private_data = request.vm_private_data
    let change: AreaChange
    do throws(MemoryError) {
      change = try AreaChange.prepare(space, range, adding: area)
    } catch {
      area.free()
      throw error
    }
    // In front of the object's word: what it inserts is found by whoever takes its pages away (the
    // kernel links behind it, and leaves that to the object).
    change.link()
    let status = unsafe request.mmap?(area.pointer) ?? 0
    guard status == 0 else {
      // What it inserted goes again; nobody else ever found the area by an address.
      var removal = Removal(space)
      removal.zap(range, of: area)
      freeTables(space, range, &removal)
      removal.finish()
      area.unlink()
      change.abandon(isMapped: false)
      throw MemoryError(status: status, address: range.lowerBound)
    }
    change.commit(isLinked: true)
  }

  // MARK: munmap

  /// Context: may block; no lock.
  static func unmap(_ space: Space, _ range: Range<UInt>) throws(MemoryError) {
    guard space.contains(range) else {
      throw MemoryError(.invalidArgument, address: range.lowerBound)
    }
    space.lockForWriting()
    defer { space.unlockForWriting() }
    try unmapLocked(space, range)
  }

  /// Context: mmap_lock for writing.
  static func unmapLocked(_ space: Space, _ range: Range<UInt>) throws(MemoryError) {
    guard Index(space).meets(range) else { return }
    let change = try AreaChange.prepare(space, range)
    removeAll(space, range)
    change.commit()
  }

  /// Entries and tables of all areas in the range. Context: mmap_lock for writing, the areas locked.
  private static func removeAll(_ space: Space, _ range: Range<UInt>) {
    let areas = Index(space)
    var removal = Removal(space)
    var number = areas.first(endingBehind: range.lowerBound)
    while number < areas.count, areas[number].start < range.upperBound {
      let area = areas[number]
      removal.zap(area.range.clamped(to: range), of: area)
      number += 1
    }
    freeTables(space, range, &removal)
    removal.finish()
  }

  /// Tables that nothing but the range needs: what is left of its outermost areas keeps its own, as do
  /// the neighbours, and addresses that belong to no area yet. Context: as above; no entry is left in
  /// the range.
  static func freeTables(
    _ space: Space, _ range: Range<UInt>, keeping other: Range<UInt>? = nil,
    _ removal: inout Removal
  ) {
    let areas = Index(space)
    let first = areas.first(endingBehind: range.lowerBound)
    var behind = first
    while behind < areas.count, areas[behind].end <= range.upperBound { behind += 1 }
    var floor = first > 0 ? areas[first - 1].end : 0
    if first < areas.count && areas[first].start < range.lowerBound {
      floor = range.lowerBound
    }
    var ceiling =
      behind < areas.count ? max(areas[behind].start, range.upperBound) : space.end
    if let other {
      if other.lowerBound >= range.upperBound { ceiling = min(ceiling, other.lowerBound) }
      if other.upperBound <= range.lowerBound { floor = max(floor, other.upperBound) }
    }
    PageTables.free(range, bounds: floor..<ceiling, of: space, &removal)
  }

  /// All areas and tables go: nobody else has the space any more (`exit_mmap`). Needs no memory.
  static func removeAll(_ space: Space) {
    space.lockForWriting()
    let areas = Index(space)
    for number in 0..<(areas.count) { areas[number].lockForWriting() }
    removeAll(space, 0..<space.end)
    for number in 0..<(areas.count) {
      areas[number].unlink()
      areas[number].close()
    }
    unsafe vma_index_replace(space.pointer, nil)
    space.unlockForWriting()
  }

  // MARK: MADV_DONTNEED

  /// Removes the entries of the range; faults bring them back. What is mapped by bare frames alone
  /// cannot be brought back, so that is refused.
  ///
  /// - Throws: `invalidArgument`; `outOfMemory` where there is a hole, with the rest done.
  static func discard(_ space: Space, _ range: Range<UInt>) throws(MemoryError) {
    guard space.contains(range) else {
      throw MemoryError(.invalidArgument, address: range.lowerBound)
    }
    space.lockForReading()
    defer { space.unlockForReading() }
    var (address, hole) = (range.lowerBound, UInt?.none)
    while address < range.upperBound, let area = space.firstArea(endingBehind: address),
      area.start < range.upperBound
    {
      if area.start > address { hole = hole ?? address }
      guard area.flags & VM_PFNMAP == 0 else {
        throw MemoryError(.invalidArgument, address: area.start)
      }
      var removal = Removal(space)
      removal.zap(area.range.clamped(to: range), of: area)
      removal.finish()
      address = area.end
    }
    if address < range.upperBound { hole = hole ?? address }
    if let hole { throw MemoryError(.outOfMemory, address: hole) }
  }
}

extension Index {
  /// An area has addresses of the range.
  func meets(_ range: Range<UInt>) -> Bool {
    let number = first(endingBehind: range.lowerBound)
    return number < count && self[number].start < range.upperBound
  }

  /// The first free range of so many bytes, with start % alignment == phase.
  func gap(
    _ size: UInt, from lowest: UInt, limit: UInt, alignment: UInt, phase: UInt
  ) -> UInt? {
    func aligned(_ address: UInt) -> UInt {
      let start = address & ~(alignment - 1) + phase
      return start < address ? start + alignment : start
    }
    var start = aligned(lowest)
    var number = first(endingBehind: start)
    while start <= limit, size <= limit - start {
      guard number < count, self[number].start < start + size else { return start }
      start = aligned(self[number].end)
      number += 1
    }
    return nil
  }
}
