// SPDX-License-Identifier: MIT

// C52: a leaf that gives back more references than its one.
//
//   1. T1 pins a page of a folio that a leaf maps.
//   2. T2 removes the leaf. It puts a reference for more than one page of it: T1's is among them.
//   3. T2 finds the folio idle and gives it away. T1's device writes to it.
//
// Guard: zapLeaf() of Zap.swift hands one reference to the gather, whatever the leaf's size. No
// interleaving is needed. Run time: none to speak of. A failure shows an R below the pins that are
// open (CI1, CI2), or a folio that went idle under a pin (CI22).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C52: the end of a leaf leaves others their references", arguments: LeafSize.allCases)
  func c52(size: LeafSize) throws {
    let leaf = try MappedLeaf(.fsdax, size)
    let (space, folio) = unsafe (leaf.space, leaf.world.folio(0))
    for _ in 0..<3 { #expect(unsafe try_grab_folio(folio, 1, FOLL_PIN) == 0) }
    let waiter = IdleWaiter()
    #expect(unsafe !waiter.begin(folio, FOLIO_IDLE))
    try space.discard(leaf.range)
    #expect(leaf.counts == Counts(3, 0))
    #expect(unsafe atomic_read(&folio.pointee._pincount) == 3)
    #expect(unsafe !waiter.stopsWaiting(folio, FOLIO_IDLE))
    unsafe gup_put_folio(folio, 3, FOLL_PIN)
    #expect(leaf.counts == Counts(0, 0))
    #expect(unsafe waiter.stopsWaiting(folio, FOLIO_IDLE))
    #expect(leaf.world.map.firstBusyFrame == nil)
  }
}
