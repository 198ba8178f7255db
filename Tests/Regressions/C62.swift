// SPDX-License-Identifier: MIT

// C62: a store's fault that gives the right to stores to whatever entry it finds.
//
//   1. T1 stores to a page of a file. Its fault asks the file system, which gives it block B.
//   2. T2 loaded from it before the block was changed: it maps block A, for reading.
//   3. T1 wants to map B for writing, finds an entry, and makes it writable.
//   4. T1 stores to A, which is another file's.
//
// Guard: PageInsertion.upgrade() of InsertPage.swift compares the frame, and under strict rules
// asks whether the entry is present: one that stands for a page on its way names the same frame.
// Step 2 runs in T1's handler. Run time: 0.1 s. A failure shows a writable entry of a
// block that was not asked for, or a spoilt one (CI18, CI51).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C62: a store gets the right to the block that it asked for, and to no other")
  func c62() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let map = try PageMap(.generic, pages: 512)
    let idle = Counts(map, 0)
    let space = try MemoryMap()
    let asked = Counter()
    let file = AnsweringFile(.frameStores) { fault in
      guard asked.add() == 1 else { return fault.insertPage(map.frame(0)) }
      loadElsewhere(space, fault.address)
      return fault.insertPage(map.frame(1))
    }
    let object = try MappedObject(.fsdax, contents: .mixed, file)
    let area = try space.map(object, pages: 1, [.read, .write], .shared)
    #expect(throws: MemoryError.self) { try space.store(7, at: area.start) }
    #expect(asked.value == 2)
    let found = entry(space, area.start)
    #expect(pte_pfn(found) == map.frame(0) && !pte_write(found))
    #expect(Counts(map, 0) == Counts(idle.references + 1, 1) && Counts(map, 1) == idle)
    try space.unmap(area.range)
    #expect(Counts(map, 0) == idle)
  }

  @Test("C62: an entry of a page on its way is left as it is")
  func c62Migration() throws {
    let world = try InsertionWorld(
      PageMap(.generic, pages: 512), kind: .fsdax, contents: .mixed)
    try #require(unsafe vm_insert_page(world.vma, world.address(1), world.page(1)) == 0)
    let place = unsafe pgtable_walk(world.space.mm, world.address(0), PGTABLE_LEVEL_PTE).entry!
    let migrating = softleaf_pte(world.map.frame(0), SOFTLEAF_MIGRATION_READ)
    unsafe set_pte_at(place, migrating)
    let before = world.ledger()
    let result = unsafe withFault(world.space, world.address(0), write: true) {
      unsafe vmf_insert_page_mkwrite($0, world.page(0), true)
    }
    #expect(result == .busError)
    #expect(unsafe ptep_get(place).pte == migrating.pte && world.ledger() == before)
    unsafe set_pte_at(place, pte_t())
  }
}
