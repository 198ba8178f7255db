// SPDX-License-Identifier: MIT

// C48: a removal that drops the page before it flushes translations.
//
//   1. T1 uses a translation: it has looked an address up, and is about to store.
//   2. T2 removes the entry and drops its reference: the last. The page is somebody else's.
//   3. T1 stores.
//
// Guard: the flush in front of the puts in tlb_flush_mmu() of mmu_gather.c. While T1 uses its
// translation, T2 must get as far as the entry and the mapping count, and not to the reference.
// Run time: 0.03 s each. A failure shows an idle page that a translation leads to (CI51).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C48: a page stays its entry's until nobody can reach it by an old translation")
  func c48() throws {
    let world = try InsertionWorld(PageMap(.fsdax, pages: 512), contents: .mixed)
    world.hold(0..<1)
    try #require(unsafe vm_insert_page(world.vma, world.address(0), world.page(0)) == 0)
    unsafe put_page(world.page(0))
    #expect(Counts(world.map, 0) == Counts(1, 1))
    let (space, range) = (world.space, world.area.addresses(ofPages: 0..<1))
    let finding = findingWhileTranslated(space, world.address(0)) {
      try space.discard(range)
    } meanwhile: {
      world.entry(0).pte == 0 && Counts(world.map, 0) == Counts(1, 0)
    }
    #expect(finding == nil, "a store could still come")
    #expect(Counts(world.map, 0) == Counts(0, 0) && world.map.firstBusyFrame == nil)
  }
}
