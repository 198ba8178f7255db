// SPDX-License-Identifier: MIT

// struct mm_struct and struct vm_area_struct as the Swift code of this folder sees them: pointers with
// names for what C has (folio/mmap.h). They own nothing; MemoryMap does.

import CFolio

/// Levels of page tables that have leaves, and the one above.
typealias Level = pgtable_level

extension Level {
  static let pte = PGTABLE_LEVEL_PTE
  static let pmd = PGTABLE_LEVEL_PMD
  static let pud = PGTABLE_LEVEL_PUD
  static let pgd = PGTABLE_LEVEL_PGD

  /// The level of the tables that entries of this one name. Context: not the lowest.
  var below: Level { Level(rawValue: rawValue - 1) }
}

/// An address space (`struct mm_struct`).
@safe
struct Space: @unchecked Sendable {
  // @unchecked, as the others here: memory that is shared by design.
  let pointer: UnsafeMutablePointer<mm_struct>

  init(_ pointer: UnsafeMutablePointer<mm_struct>) { unsafe self.pointer = pointer }

  static let pageSize: UInt = 1 << UInt(PAGE_SHIFT)

  var id: mm_id_t { unsafe pointer.pointee.mm_id }
  var options: mm_options { unsafe pointer.pointee.options }
  /// First byte behind the address space.
  var end: UInt { unsafe mm_task_size(pointer) }
  /// Bytes that an entry of the level maps.
  func size(_ level: Level) -> UInt { unsafe mm_entry_size(pointer, level) }
  /// Pages that an entry of the level maps.
  func pages(_ level: Level) -> UInt { size(level) / Self.pageSize }
  /// log2 of that.
  func order(_ level: Level) -> UInt32 { unsafe mm_leaf_order(pointer, level) }
  /// First byte of what the entry of the level maps around the address.
  func start(_ level: Level, _ address: UInt) -> UInt { address & ~(size(level) - 1) }
  /// First byte behind it, or `limit` when that comes first.
  func end(_ level: Level, _ address: UInt, limit: UInt) -> UInt {
    min(start(level, address) + size(level), limit)
  }
  /// Page-aligned, not empty, inside the address space.
  func contains(_ range: Range<UInt>) -> Bool {
    !range.isEmpty && range.upperBound <= end
      && (range.lowerBound | range.upperBound) % Self.pageSize == 0
  }

  func lockForReading() { unsafe down_read(&pointer.pointee.mmap_lock) }
  func unlockForReading() { unsafe up_read(&pointer.pointee.mmap_lock) }
  func lockForWriting() { unsafe down_write(&pointer.pointee.mmap_lock) }
  func unlockForWriting() { unsafe up_write(&pointer.pointee.mmap_lock) }

  /// Context: a read section, or mmap_lock.
  func area(at address: UInt) -> Area? {
    unsafe vma_lookup(pointer, address).map { unsafe Area($0) }
  }
  /// The first area that ends behind the address. Context: as above.
  func firstArea(endingBehind address: UInt) -> Area? {
    unsafe find_vma(pointer, address).map { unsafe Area($0) }
  }
  /// With its lock for reading; nil: none there, or a writer has it.
  func lockArea(at address: UInt) -> Area? {
    unsafe lock_vma_under_rcu(pointer, address).map { unsafe Area($0) }
  }

  /// The entry of the level; nil: a table is missing, or a leaf is in the way. Unlocked. Context: a
  /// read section, mmap_lock or the area's lock.
  func walk(_ address: UInt, _ level: Level) -> Place? {
    unsafe Place(pgtable_walk(pointer, address, level))
  }
  /// What that entry is at some instant; none without one. Context: any.
  func peek(_ address: UInt, _ level: Level) -> Entry {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    return walk(address, level)?.current ?? .none
  }
  /// The same, locked. Context: any.
  func walkLocking(_ address: UInt, _ level: Level) -> Place? {
    unsafe Place(pgtable_walk_lock(pointer, address, level))
  }

  /// Why there is no place for an entry.
  enum NoPlace: Error {
    case outOfMemory
    /// A leaf of a higher level is in the way.
    case leaf
  }
  /// The same, making tables; unlocked. Context: mmap_lock or the area's lock.
  func walkAllocating(_ address: UInt, _ level: Level) throws(NoPlace) -> Place {
    var failed = false
    guard let place = unsafe Place(pgtable_walk_alloc(pointer, address, level, &failed)) else {
      throw failed ? .outOfMemory : .leaf
    }
    return place
  }

  func count(_ pages: Int, of counter: mm_counter) {
    unsafe add_mm_counter(pointer, counter, pages)
  }
  /// Pages of the kind that entries map (`get_mm_counter`).
  func pages(of counter: mm_counter) -> Int { unsafe get_mm_counter(pointer, counter) }
  /// Tables, in use or kept for a leaf.
  var tables: Int { unsafe atomic_long_read(&pointer.pointee.pgtables) }
  func countTables(_ change: Int) { unsafe atomic_long_add(change, &pointer.pointee.pgtables) }

  /// Waits for translations in use (folio/tlb.h). FULL.
  func flush() { unsafe flush_tlb_mm(pointer) }
}

/// Pages that one holding of a page-table lock maps or unmaps, counted together: most are of one
/// kind, and an addition to a shared counter costs as much as one to a page's. Ends by `finish()`,
/// under the lock.
struct PageCounts: ~Copyable {
  private let space: Space
  private var counter = MM_FILEPAGES
  private var pages = 0

  init(_ space: Space) { self.space = space }

  mutating func add(_ change: Int, to counter: mm_counter) {
    if counter != self.counter {
      finish()
      self.counter = counter
    }
    pages += change
  }

  mutating func finish() {
    if pages != 0 { space.count(pages, of: counter) }
    pages = 0
  }
}

/// A part of an address space with one object and one set of rights (`struct vm_area_struct`).
@safe
struct Area: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<vm_area_struct>

  init(_ pointer: UnsafeMutablePointer<vm_area_struct>) { unsafe self.pointer = pointer }

  var space: Space { unsafe Space(unsafe pointer.pointee.vm_mm) }
  var start: UInt { unsafe pointer.pointee.vm_start }
  var end: UInt { unsafe pointer.pointee.vm_end }
  var range: Range<UInt> { start..<end }
  var flags: UInt { unsafe pointer.pointee.vm_flags }
  /// Bits of a new entry for reading.
  var protection: UInt { unsafe pointer.pointee.vm_page_prot }
  /// Page of the mapping at the start.
  var pageOffset: UInt { unsafe pointer.pointee.vm_pgoff }
  var mapping: Mapping? { unsafe pointer.pointee.mapping.map { unsafe Mapping($0) } }
  var operations: UnsafePointer<vm_operations_struct>? { unsafe pointer.pointee.vm_ops }

  var isShared: Bool { flags & VM_SHARED != 0 }
  /// A store gets a page of its own: private, and may be written.
  var copiesOnWrite: Bool { flags & (VM_SHARED | VM_MAYWRITE) == VM_MAYWRITE }
  /// Rights of an entry that may be written: the write bit where stores are allowed at all
  /// (`maybe_mkwrite`).
  var writeBits: UInt { flags & VM_WRITE != 0 ? _PAGE_RW : 0 }
  /// Entries hold what would be lost: the object cannot bring it back (`vma_needs_copy`, section 11).
  var needsCopy: Bool { flags & (VM_PFNMAP | VM_MIXEDMAP) != 0 || hasAnonymousPages }
  /// Somebody wants to know of stores: a handler, or the file system (`vma_needs_dirty_tracking`).
  var isStoreTracked: Bool {
    guard isShared, flags & VM_WRITE != 0 else { return false }
    if let operations = unsafe operations,
      unsafe operations.pointee.page_mkwrite != nil || operations.pointee.pfn_mkwrite != nil
    {
      return true
    }
    return mapping?.kind == ADDRESS_SPACE_FILE || isFileSystemDAX
  }
  var isFileSystemDAX: Bool { mapping?.kind == ADDRESS_SPACE_FSDAX }
  var isDAX: Bool { mapping?.isDAX ?? false }

  /// Page of the mapping at the address.
  func pageOffset(of address: UInt) -> UInt { pageOffset + (address - start) / Space.pageSize }
  func contains(_ range: Range<UInt>) -> Bool {
    start <= range.lowerBound && range.upperBound <= end
  }

  /// RLX; from the first on, by faults. Context: the area's lock or the map's.
  var hasAnonymousPages: Bool { unsafe vma_anon(pointer) != nil }
  /// In front of a page that becomes one of the area's; false: no memory. Context: as above.
  func noteAnonymousPages() -> Bool { unsafe anon_vma_prepare(pointer) }

  /// Drops the lock for reading.
  func unlock() { unsafe vma_end_read(pointer) }
  /// For good, when the area has to go; any number of times. Context: mmap_lock for writing.
  func lockForWriting() { unsafe vma_start_write(pointer) }
  /// It stays after all; nothing for an area that is not locked. Context: as above.
  func unlockForWriting() { unsafe vma_end_write(pointer) }
}

/// What areas map (`struct address_space`).
@safe
struct Mapping: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<address_space>

  init(_ pointer: UnsafeMutablePointer<address_space>) { unsafe self.pointer = pointer }

  var kind: address_space_kind { unsafe pointer.pointee.kind }
  var isDAX: Bool { unsafe mapping_is_dax(pointer) }
  /// Bytes that addresses and the object's pages are to agree in; 0: a page.
  var alignment: UInt { unsafe pointer.pointee.alignment }

  func lockForReading() { unsafe down_read(&pointer.pointee.i_mmap_rwsem) }
  func unlockForReading() { unsafe up_read(&pointer.pointee.i_mmap_rwsem) }
  func lockForWriting() { unsafe down_write(&pointer.pointee.i_mmap_rwsem) }
  func unlockForWriting() { unsafe up_write(&pointer.pointee.i_mmap_rwsem) }

  /// The next area that maps a page of the range. Context: the lock.
  func nextArea(after area: Area?, mapping pages: ClosedRange<UInt>) -> Area? {
    unsafe vma_interval_next(pointer, area?.pointer, pages.lowerBound, pages.upperBound)
      .map { unsafe Area($0) }
  }
  /// Context: the lock for writing.
  func insert(_ area: Area) { unsafe vma_interval_insert(pointer, area.pointer) }
  /// Behind the area that it is a copy of. Context: as above.
  static func insert(_ area: Area, behind parent: Area) {
    unsafe vma_interval_insert_after(area.pointer, parent.pointer)
  }
  static func remove(_ area: Area) { unsafe vma_interval_remove(area.pointer) }
}
