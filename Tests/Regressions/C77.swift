// SPDX-License-Identifier: MIT

// C77: a leaf for a folio of another size.
//
//   1. T1's fault asks for a whole leaf. The file system has a folio of that size.
//   2. T2 finds it idle and splits it.
//   3. T1 makes the leaf: it maps four pages by the counters of one.
//
// Guard: LeafInsertion.insertFolio() of InsertLeaf.swift compares the orders. Step 2 runs between
// the file system's look and the insertion. Run time: none to speak of. A failure shows a leaf of a
// small folio (CI17).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C77: a folio that was split in front of the insertion gets no leaf")
  func c77() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    var options = MemoryMap.Options()
    options.tableShift = LeafSize.shift
    let map = try PageMap(.fsdax, pages: 512)
    let world = try InsertionWorld(
      map, contents: .mixed, pages: 64, [.read, .write], .shared, options)
    var owner = try map.claim(frame: map.frame(0), order: LeafSize.pmd.order)
    try owner.form()
    #expect(unsafe folio_order(world.folio(0)) == UInt32(LeafSize.pmd.order))
    try owner.split()
    world.hold(0..<1)
    let before = world.ledger()
    let warnings = cfolio_warning_count()
    let result = unsafe withFault(world.space, world.address(0), write: true) {
      unsafe vmf_insert_folio_pmd($0, world.folio(0), true)
    }
    #expect(result == .busError && cfolio_warning_count() > warnings)
    #expect(world.entry(0, PGTABLE_LEVEL_PMD).pte == 0 && world.ledger() == before)
    unsafe folio_put(world.folio(0))
    #expect(map.firstBusyFrame == nil)
  }
}
