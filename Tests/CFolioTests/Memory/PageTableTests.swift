// SPDX-License-Identifier: MIT

// Entries, tables and the way to them (spec: core.md 9.5, rows 79 and 80; CI50, CI53).

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("Page tables")
struct PageTableTests {
  @Test("an entry says what was put into it")
  func entries() {
    let pte = pfn_pte(0x1234, _PAGE_PRESENT | _PAGE_RW | _PAGE_SPECIAL)
    #expect(pte_present(pte) && pte_write(pte) && pte_special(pte) && !pte_none(pte))
    #expect(!pte_dirty(pte) && !pte_young(pte) && !pte_devmap(pte) && !pte_protnone(pte))
    #expect(pte_pfn(pte) == 0x1234)
    #expect(pte_dirty(pte_set(pte, _PAGE_DIRTY)) && !pte_write(pte_clear_bits(pte, _PAGE_RW)))
    #expect(pte_none(pte_t()) && !pte_present(pte_t()))
    let protected = pfn_pte(7, _PAGE_PROTNONE)
    #expect(pte_present(protected) && pte_protnone(protected))
    #expect(!pmd_leaf(pte) && pmd_leaf(pte_set(pte, _PAGE_PSE)) && !pmd_table(pte))
    #expect(softleaf_type(pte) == SOFTLEAF_NONE && softleaf_type(pte_t()) == SOFTLEAF_NONE)
  }

  @Test(
    "a soft leaf is neither none nor present, and keeps kind and frame",
    arguments: SOFTLEAF_MIGRATION_READ.rawValue...SOFTLEAF_HWPOISON.rawValue)
  func softLeaves(_ value: UInt32) {
    let type = softleaf_type(rawValue: value)
    let pte = softleaf_pte(0x3_ffff_ffff, type)
    #expect(softleaf_type(pte) == type && pte_pfn(pte) == 0x3_ffff_ffff)
    #expect(!pte_none(pte) && !pte_present(pte) && !pmd_table(pte) && !pmd_leaf(pte))
    let isDevice = type == SOFTLEAF_DEVICE_PRIVATE_READ || type == SOFTLEAF_DEVICE_PRIVATE_WRITE
    #expect(softleaf_is_device_private(pte) == isDevice)
    #expect(softleaf_is_migration(pte) == (!isDevice && type != SOFTLEAF_HWPOISON))
  }

  @Test("a walk finds tables that were made, and none that were not", arguments: [1, 2, 9])
  func walks(_ shift: UInt32) throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512), shift: shift)
    let mm = unsafe space.mm
    let last = unsafe mm_task_size(mm) - PAGE_SIZE
    #expect(unsafe mm_task_size(mm) == PAGE_SIZE << UInt(4 * shift))
    #expect(unsafe pgtable_walk(mm, last, PGTABLE_LEVEL_PTE).entry == nil)
    var failed = false
    let made = unsafe pgtable_walk_alloc(mm, last, PGTABLE_LEVEL_PTE, &failed)
    #expect(unsafe made.entry != nil && !failed)
    #expect(unsafe atomic_long_read(&mm.pointee.pgtables) == 4)
    let found = unsafe pgtable_walk(mm, last, PGTABLE_LEVEL_PTE)
    #expect(unsafe found.entry == made.entry && found.lock == made.lock)
    // Its entry is the last one, and it has a lock of its own; a PUD entry has the map's.
    #expect(
      unsafe made.entry == pgtable_entry(made.table!, UInt(pgtable_entries(made.table!)) - 1))
    let pmd = unsafe pgtable_walk(mm, last, PGTABLE_LEVEL_PMD)
    let pud = unsafe pgtable_walk(mm, last, PGTABLE_LEVEL_PUD)
    let pgd = unsafe pgtable_walk(mm, last, PGTABLE_LEVEL_PGD)
    #expect(unsafe pmd.lock != made.lock && pud.lock == pgd.lock)
    #expect(unsafe pud.lock != pmd.lock)
    let locked = unsafe pgtable_walk_lock(mm, last, PGTABLE_LEVEL_PTE)
    #expect(unsafe locked.entry == made.entry && spin_is_locked(locked.lock!))
    unsafe spin_unlock(locked.lock!)
    // Where shift > 0 leaves more than one table, the first pages are still unmapped.
    #expect(unsafe pgtable_walk(mm, 0, PGTABLE_LEVEL_PTE).entry == nil)
  }

  @Test("a leaf in the way of a walk ends it")
  func leaves() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
    let space = try TestSpace(map)
    try space.setLeaf(0, at: 0, PGTABLE_LEVEL_PMD)
    var failed = false
    #expect(unsafe pgtable_walk(space.mm, 0, PGTABLE_LEVEL_PTE).entry == nil)
    #expect(unsafe pgtable_walk_alloc(space.mm, 0, PGTABLE_LEVEL_PTE, &failed).entry == nil)
    #expect(!failed)
    #expect(unsafe pgtable_walk_lock(space.mm, 0, PGTABLE_LEVEL_PTE).entry == nil)
    try space.clearLeaf(0, PGTABLE_LEVEL_PMD)
    #expect(space.references(0) == 0)
  }

  @Test("who waits for the lock of a table that is taken out meanwhile finds no table")
  func takenOut() throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    nonisolated(unsafe) let mm = unsafe space.mm
    _ = unsafe try space.entry(0)
    let place = unsafe pgtable_walk(mm, 0, PGTABLE_LEVEL_PTE)
    let above = unsafe pgtable_walk(mm, 0, PGTABLE_LEVEL_PMD)
    unsafe spin_lock(place.lock!)
    let (isOver, isFound) = (Flag(), Flag())
    let walker = NativeThread.begun {
      let locked = unsafe pgtable_walk_lock(mm, 0, PGTABLE_LEVEL_PTE)
      if let lock = unsafe locked.lock {
        isFound.raise()
        unsafe spin_unlock(lock)
      }
      isOver.raise()
    }
    let early = poll(milliseconds: 30) { isOver.isRaised }
    #expect(!early)
    let table = unsafe ptep_get_and_clear(above.entry!)
    unsafe spin_unlock(place.lock!)
    walker.join()
    #expect(!isFound.isRaised)
    unsafe set_pte_at(above.entry!, table)
  }

  @Test("a table that cannot be had leaves the tables above it, and says so")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      let space = try TestSpace(try PageMap(.fsdax, pages: 512))
      var failed = false
      cfolio_fault_injection(1, 1)
      let none = unsafe pgtable_walk_alloc(space.mm, 0, PGTABLE_LEVEL_PTE, &failed)
      precondition(unsafe none.entry == nil && failed)
      precondition(unsafe mm_alloc(&space.mm.pointee.options, 2) == nil)
      cfolio_fault_injection(0, 0)
      let place = unsafe pgtable_walk_alloc(space.mm, 0, PGTABLE_LEVEL_PTE, &failed)
      precondition(unsafe place.entry != nil && !failed)
    }
  }

  @Test("deposited tables come back in the order in which they were kept")
  func deposits() throws {
    let pmd = unsafe try #require(pgtable_alloc(PGTABLE_LEVEL_PMD, 9))
    var tables: [UnsafeMutablePointer<ptdesc>] = unsafe []
    for _ in 0..<3 {
      let table = unsafe try #require(pgtable_alloc(PGTABLE_LEVEL_PTE, 9))
      unsafe tables.append(table)
      unsafe pgtable_trans_huge_deposit(pmd, table)
    }
    unsafe tables.forEach { table in
      #expect(unsafe pgtable_trans_huge_withdraw(pmd) == table)
      unsafe pgtable_free(table)
    }
    #expect(unsafe pmd.pointee.deposited == nil)
    unsafe pgtable_free(pmd)
  }

  @Test("misuse stops: a withdrawal of nothing, a table with deposits, a map with entries")
  func misuse() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let pmd = unsafe try #require(pgtable_alloc(PGTABLE_LEVEL_PMD, 1))
      _ = unsafe pgtable_trans_huge_withdraw(pmd)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let pmd = unsafe try #require(pgtable_alloc(PGTABLE_LEVEL_PMD, 1))
      unsafe pgtable_trans_huge_deposit(pmd, try #require(pgtable_alloc(PGTABLE_LEVEL_PTE, 1)))
      unsafe pgtable_free(pmd)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let space = try TestSpace(try PageMap(.fsdax, pages: 512))
      try space.set(0, at: 0)
      _ = consume space
    }
  }
}
