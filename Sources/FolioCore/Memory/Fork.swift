// SPDX-License-Identifier: MIT

// Fork: another address space with the same areas, and copies of those entries that faults could not
// bring back (spec: core.md section 11). Both then map private pages for reading until one stores.
// Mirrors dup_mmap() and copy_page_range().

import CFolio

enum Fork {
  /// Fills the child, which nobody else knows yet, from the parent.
  ///
  /// - Throws: `outOfMemory`, with an unfinished child: its owner takes it down.
  static func copy(_ parent: Space, to child: Space) throws(MemoryError) {
    parent.lockForWriting()
    defer { parent.unlockForWriting() }
    let areas = Index(parent)
    let count = areas.count
    // Faults in the parent stay out while its entries are write-protected.
    for number in 0..<count { areas[number].lockForWriting() }
    defer { for number in 0..<count { areas[number].unlockForWriting() } }
    guard let index = unsafe vma_index_alloc(UInt(count)) else { throw MemoryError(.outOfMemory) }
    for number in 0..<count {
      let area = areas[number]
      guard let copy = Area.make(like: area, area.shape(area.range), in: child) else {
        for made in 0..<Int(unsafe index.pointee.count) {
          let area = unsafe Area(vma_index_area(index, UInt(made)))
          area.close()
          area.free()
        }
        unsafe vma_index_free(index)
        throw MemoryError(.outOfMemory)
      }
      unsafe index.pointee.count += 1
      unsafe vma_index_set(index, UInt(number), copy.pointer)
    }
    for number in 0..<count {
      unsafe Area(vma_index_area(index, UInt(number))).link(behind: areas[number])
    }
    unsafe vma_index_replace(child.pointer, index)
    var status: Int32 = 0
    for number in 0..<count where status == 0 && (areas[number].needsCopy) {
      let (from, to) = unsafe (areas[number], Area(vma_index_area(index, UInt(number))))
      status = copyEntries(from, to)
    }
    parent.flush()
    try MemoryError.check(status)
  }

  /// `copy_page_range`: 0 or -ENOMEM.
  private static func copyEntries(_ parent: Area, _ child: Area) -> Int32 {
    let space = parent.space
    // Fast pins that do not see their page shared see the sequence change (T5).
    if parent.copiesOnWrite { unsafe write_protect_seq_begin(space.pointer) }
    defer { if parent.copiesOnWrite { unsafe write_protect_seq_end(space.pointer) } }
    var address = parent.start
    while address < parent.end {
      var next = space.end(.pud, address, limit: parent.end)
      if let status = copyLeaf(address, .pud, parent, child) {
        guard status == 0 else { return status }
      } else {
        next = space.end(.pmd, address, limit: parent.end)
        if let status = copyLeaf(address, .pmd, parent, child) {
          guard status == 0 else { return status }
        } else {
          let status = copyTable(address..<next, parent, child)
          guard status == 0 else { return status }
        }
      }
      address = next
    }
    return 0
  }

  /// Special leaves are copied as they are; the others come back by faults, at the PUD level too, where
  /// v6.18 copies without counting (C57). nil: there is no leaf.
  private static func copyLeaf(
    _ address: UInt, _ level: Level, _ parent: Area, _ child: Area
  ) -> Int32? {
    guard let from = parent.space.walk(address, level), from.current.isLeaf else { return nil }
    guard from.current.isSpecial || (level == .pud && isMutant(MUTANT_C57)) else { return 0 }
    let to: Place
    do throws(Space.NoPlace) {
      to = try child.space.walkAllocating(address, level)
    } catch {
      return error.status
    }
    to.lock()
    defer { to.unlock() }
    from.lockNested()
    defer { from.unlock() }
    let entry = from.value
    guard entry.isLeaf, entry.isSpecial || level == .pud else { return 0 }
    if parent.copiesOnWrite && entry.isWritable { from.protectFromWrites() }
    if level == .pmd && child.space.options.deposits {
      guard let table = unsafe pgtable_alloc(.pte, child.space.options.table_shift) else {
        return MemoryError.Code.outOfMemory.status
      }
      unsafe pgtable_trans_huge_deposit(to.table, table)
      child.space.countTables(1)
    }
    to.store(childEntry(of: entry, parent))
    return 0
  }

  private static func childEntry(of entry: Entry, _ parent: Area) -> Entry {
    let entry = parent.copiesOnWrite ? entry.removing(_PAGE_RW) : entry
    // What the parent wrote to an object is known there; the child has written nothing yet.
    return parent.isShared
      ? entry.removing(_PAGE_DIRTY | _PAGE_ACCESSED)
      : entry.removing(_PAGE_ACCESSED)
  }

  // MARK: pages

  /// `copy_pte_range`: entries of one table. 0 or -ENOMEM.
  private static func copyTable(
    _ range: Range<UInt>, _ parent: Area, _ child: Area
  ) -> Int32 {
    guard parent.space.walk(range.lowerBound, .pte) != nil else { return 0 }
    var address = range.lowerBound
    // A page that has to be copied needs another, which is taken with no lock held.
    var spare: AnonymousPage?
    defer { spare?.page.folio.put() }
    while true {
      let step = copyEntries(&address, range.upperBound, parent, child, &spare)
      switch step {
      case .done: return 0
      case .noMemory: return MemoryError.Code.outOfMemory.status
      case .needsPage:
        spare = AnonymousPage.allocate()
        if spare == nil { return MemoryError.Code.outOfMemory.status }
      }
    }
  }

  private enum Step { case done, needsPage, noMemory }

  private static func copyEntries(
    _ address: inout UInt, _ end: UInt, _ parent: Area, _ child: Area,
    _ spare: inout AnonymousPage?
  ) -> Step {
    let firstTo: Place
    do throws(Space.NoPlace) {
      firstTo = try child.space.walkAllocating(address, .pte)
    } catch {
      return .noMemory
    }
    guard let firstFrom = parent.space.walk(address, .pte) else { return .done }
    firstTo.lock()
    defer { firstTo.unlock() }
    firstFrom.lockNested()
    defer { firstFrom.unlock() }
    var (from, to) = (firstFrom, firstTo)
    while true {
      let entry = from.value
      if entry.isPresent {
        guard copyPresent(entry, address, from, to, parent, child, &spare) else {
          return .needsPage
        }
      } else if !entry.isNone {
        copySoftLeaf(entry, from, to, parent, child)
      }
      address += Space.pageSize
      guard address < end else { return .done }
      (from, to) = (from.next(), to.next())
    }
  }

  /// `copy_present_ptes` of one page; false: a page is needed to copy it to. Context: both locks.
  private static func copyPresent(
    _ entry: Entry, _ address: UInt, _ from: Place, _ to: Place, _ parent: Area, _ child: Area,
    _ spare: inout AnonymousPage?
  ) -> Bool {
    if let page = entry.normalPage {
      let folio = page.folio
      folio.get()
      if folio.isAnonymous {
        if unsafe folio_try_dup_anon_rmap_pte(
          folio.pointer, page.pointer, child.space.id, mustCopy(folio, parent)) != 0
        {
          // Somebody pinned it: it stays the parent's, and the child gets what it holds.
          folio.put()
          guard let copy = spare else { return false }
          spare = nil
          copy.fill(from: page.frame)
          copy.map(at: address, child)
          to.store(
            pfn_pte(
              copy.page.frame,
              child.protection | _PAGE_DIRTY | _PAGE_ACCESSED | child.writeBits))
          return true
        }
      } else {
        unsafe folio_dup_file_rmap_pte(folio.pointer, page.pointer, child.space.id)
      }
      child.space.count(1, of: folio.counter)
    }
    if parent.copiesOnWrite && entry.isWritable { from.protectFromWrites() }
    to.store(childEntry(of: entry, parent))
    return true
  }

  /// Whether the page may be pinned. The sequence is odd in private areas, where alone pages are
  /// anonymous.
  private static func mustCopy(_ folio: Folio, _ parent: Area) -> Bool {
    let space = unsafe parent.space.pointer
    let sequence = unsafe UInt32(bitPattern: atomic_read(&space.pointee.write_protect_seq))
    return unsafe folio_needs_cow_for_dma(
      atomic_read(&space.pointee.has_pinned) != 0, sequence, folio.pointer)
  }

  /// `copy_nonpresent_pte`: pages on their way, and those that only a device reaches.
  private static func copySoftLeaf(
    _ entry: Entry, _ from: Place, _ to: Place, _ parent: Area, _ child: Area
  ) {
    var copy = entry
    let folio = Page(frame: entry.frame).folio
    if softleaf_is_device_private(entry) {
      folio.get()
      // Of an exclusive page the parent's right to stores goes too; the driver's pages are not pinned.
      let page = Page(frame: entry.frame)
      let status = unsafe folio_try_dup_anon_rmap_pte(
        folio.pointer, page.pointer, child.space.id, false)
      require(status == 0, "CI42", page, "a page that only a device reaches is pinned")
      if parent.copiesOnWrite && softleaf_type(entry) == SOFTLEAF_DEVICE_PRIVATE_WRITE {
        copy = softleaf_pte(entry.frame, SOFTLEAF_DEVICE_PRIVATE_READ)
        from.store(copy)
      }
    } else if softleaf_is_migration(entry), parent.copiesOnWrite,
      softleaf_type(entry) != SOFTLEAF_MIGRATION_READ
    {
      copy = softleaf_pte(entry.frame, SOFTLEAF_MIGRATION_READ)
      from.store(copy)
    }
    if softleaf_type(entry) != SOFTLEAF_HWPOISON { child.space.count(1, of: folio.counter) }
    to.store(copy)
  }
}
