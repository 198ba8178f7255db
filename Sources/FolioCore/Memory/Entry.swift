// SPDX-License-Identifier: MIT

// Entries of page tables as values, and as places in a table. The words are C's (folio/pgtable.h);
// who may change one is said there.

import CFolio

typealias Entry = pte_t

extension Entry {
  static let none = Entry(pte: 0)

  var isNone: Bool { pte_none(self) }
  var isPresent: Bool { pte_present(self) }
  var isWritable: Bool { pte_write(self) }
  var isDirty: Bool { pte_dirty(self) }
  var isYoung: Bool { pte_young(self) }
  /// Counts nothing: a frame without a page, a zero page, or a device page under legacy rules.
  var isSpecial: Bool { pte_special(self) || pte_devmap(self) }
  var isLeaf: Bool { pmd_leaf(self) }
  var isTable: Bool { pmd_table(self) }
  var frame: UInt { pte_pfn(self) }

  /// The same with more bits, or fewer.
  func adding(_ bits: UInt) -> Entry { pte_set(self, bits) }
  func removing(_ bits: UInt) -> Entry { pte_clear_bits(self, bits) }

  /// The counted page behind a present entry, a leaf's first one (`vm_normal_page` and its PMD and
  /// PUD forms, row 80); nil for special entries.
  var normalPage: Page? { isSpecial ? nil : Page(frame: frame) }
}

/// A counted page, by pointer. Valid while an entry maps it or the caller holds a reference.
@safe
struct Page {
  let pointer: UnsafeMutablePointer<page>

  init(frame: UInt) { unsafe pointer = pfn_to_page(frame) }
  init(_ pointer: UnsafeMutablePointer<page>) { unsafe self.pointer = pointer }

  var frame: UInt { unsafe page_to_pfn(pointer) }
  var folio: Folio { unsafe Folio(unsafe page_folio(pointer)) }
}

/// A folio, by pointer. Valid as its pages are.
@safe
struct Folio {
  let pointer: UnsafeMutablePointer<folio>

  init(_ pointer: UnsafeMutablePointer<folio>) { unsafe self.pointer = pointer }

  var frame: UInt { unsafe folio_pfn(pointer) }
  var order: UInt32 { unsafe folio_order(pointer) }
  var references: Int32 { unsafe folio_ref_count(pointer) }
  var mappings: Int32 { unsafe folio_mapcount(pointer) }
  var isAnonymous: Bool { unsafe folio_test_anon(pointer) }
  /// The zero page or the huge zero folio: nobody counts it.
  var isZero: Bool { unsafe is_zero_folio(pointer) || is_huge_zero_folio(pointer) }
  var isPinned: Bool { unsafe folio_maybe_dma_pinned(pointer) }
  var isDevicePrivate: Bool { unsafe folio_is_device_private(pointer) }
  /// The device map that it is of, or nil for RAM.
  var pageMap: UnsafeMutablePointer<dev_pagemap>? {
    guard unsafe folio_is_zone_device(pointer) else { return nil }
    return unsafe folio_pgmap(pointer)
  }
  /// Which of the map's counters its mapped pages are in.
  var counter: mm_counter { isAnonymous ? MM_ANONPAGES : fileCounter }
  /// The same of a folio that is not anonymous.
  var fileCounter: mm_counter {
    unsafe folio_test_flag(pointer, Int32(PG_swapbacked.rawValue)) ? MM_SHMEMPAGES : MM_FILEPAGES
  }

  func get() { unsafe folio_get(pointer) }
  func put() { unsafe folio_put(pointer) }
  func markDirty() { unsafe folio_set_flag(pointer, Int32(PG_dirty.rawValue)) }
  func markAccessed() { unsafe folio_set_flag(pointer, Int32(PG_referenced.rawValue)) }
  func lock() { unsafe folio_lock(pointer) }
  func tryLock() -> Bool { unsafe folio_trylock(pointer) }
  func unlock() { unsafe folio_unlock(pointer) }
}

/// An entry in its table, and the lock that its change needs.
@safe
struct Place {
  private let entry: UnsafeMutablePointer<shared_t>
  private let lockPointer: UnsafeMutablePointer<spinlock_t>
  let table: UnsafeMutablePointer<ptdesc>

  /// nil: no table leads there.
  init?(_ place: pgtable_place) {
    guard let entry = unsafe place.entry, let lock = unsafe place.lock,
      let table = unsafe place.table
    else { return nil }
    unsafe self.entry = entry
    unsafe lockPointer = lock
    unsafe self.table = table
  }

  private init(
    _ entry: UnsafeMutablePointer<shared_t>, _ lock: UnsafeMutablePointer<spinlock_t>,
    _ table: UnsafeMutablePointer<ptdesc>
  ) {
    unsafe self.entry = entry
    unsafe lockPointer = lock
    unsafe self.table = table
  }

  /// The entry so many behind it in the same table, under the same lock. Context: there is one.
  func next(_ count: UInt = 1) -> Place { unsafe Place(entry + Int(count), lockPointer, table) }

  /// RLX. Context: the lock, or the value is compared again under it (`ptep_get`).
  var value: Entry { unsafe ptep_get(entry) }
  /// ACQ-LD (`ptep_get_lockless`).
  var current: Entry { unsafe ptep_get_lockless(entry) }
  /// REL-ST (`set_pte_at`).
  func store(_ value: Entry) { unsafe set_pte_at(entry, value) }
  /// FULL; the old value (`ptep_get_and_clear`).
  func clear() -> Entry { unsafe ptep_get_and_clear(entry) }
  /// FULL; the old value.
  func exchange(_ value: Entry) -> Entry { unsafe ptep_exchange(entry, value) }
  /// RLX read-modify-write (`ptep_set_access_flags`).
  func add(_ bits: UInt) { unsafe ptep_set_access_flags(entry, bits) }
  /// RLX read-modify-write (`ptep_set_wrprotect`).
  func protectFromWrites() { unsafe ptep_set_wrprotect(entry) }

  func lock() { unsafe spin_lock(lockPointer) }
  /// Under another table's lock. Context: mmap_lock for writing of one map that both are of, or of
  /// which one is nobody else's yet.
  func lockNested() { unsafe spin_lock_nested(lockPointer) }
  func unlock() { unsafe spin_unlock(lockPointer) }
  func hasSameLock(as other: Place) -> Bool { unsafe lockPointer == other.lockPointer }
}
