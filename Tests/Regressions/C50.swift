// SPDX-License-Identifier: MIT

// C50 (CVE-2026-53189): the counter of a split leaf, asked for when the folio is gone.
//
//   1. T1 splits a leaf, whose reference is the last: it puts it. The folio is idle.
//   2. T2 makes the folio another kind of memory.
//   3. T1 asks the folio which of the address space's counters its pages were in.
//
// Guard: the order in LeafSplit.split() of SplitLeaf.swift: the counter, then the put. Step 2 runs
// in the wake of the last put. Run time: none to speak of. A failure shows pages that are counted
// where they never were, and others that stay counted (CI52, CI61).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C50: pages are counted down where they were counted up", arguments: LeafSize.allCases)
  func c50(size: LeafSize) throws {
    let leaf = try MappedLeaf(.fsdax, size)
    let (space, folio) = unsafe (leaf.space, leaf.world.folio(0))
    #expect(leaf.counts == Counts(1, 1) && space.counters.filePages == size.pages)
    var wait = unsafe folio_idle_callback()
    let isIdle = unsafe folio_idle_callback_begin(
      &wait, folio, FOLIO_IDLE,
      { callback in
        let folio = unsafe callback.pointee.context!.assumingMemoryBound(to: CFolio.folio.self)
        unsafe folio_set_flag(folio, Int32(PG_swapbacked.rawValue))
      }, folio)
    #expect(!isIdle)
    // Part of a leaf takes all of it.
    try space.discard(leaf.world.area.addresses(ofPages: 1..<2))
    #expect(leaf.counts == Counts(0, 0))
    #expect(unsafe folio_test_flag(folio, Int32(PG_swapbacked.rawValue)), "its next owner came")
    #expect(space.counters.filePages == 0 && space.counters.sharedMemoryPages == 0)
    unsafe folio_clear_flag(folio, Int32(PG_swapbacked.rawValue))
  }
}
