// SPDX-License-Identifier: MIT

// C27: an entry that is stored before the page has the entry's reference.
//
//   1. T1 maps a page: it stores the entry.
//   2. T2 walks the table without a lock and finds the page; or takes the entry away, and puts a
//      reference that nobody took yet.
//   3. T1 takes the reference.
//
// Guard: the order in PageInsertion.insert() of InsertPage.swift: reference, mapping, entry. Step 2
// runs at T1's first write to the struct page, which is its reference. Run time: none to speak of.
// A failure shows an entry in the table at that instant, and a walk that finds it (CI18).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C27: nobody finds an entry whose reference is not taken yet",
    .enabled(if: FaultPoint.isSupported))
  func c27() throws {
    let world = try InsertionWorld(PageMap(.generic, pages: 512), contents: .mixed)
    let before = Counts(world.map, 0)
    var status: Int32 = -1
    var (seen, counted, walked) = (pte_t(), before, UInt(0))
    let reached = unsafe FaultPoint.run(at: world.page(0), on: .write) {
      counted = Counts(world.map, 0)
      seen = world.entry(0)
      var found: UnsafeMutablePointer<page>?
      let start = world.address(0)
      unsafe walked = gup_fast(
        world.space.mm, start, start + MemoryMap.pageSize, FOLL_GET, &found)
    } body: {
      unsafe status = vm_insert_page(world.vma, world.address(0), world.page(0))
    }
    #expect(reached && status == 0)
    #expect(counted == before, "the reference came before the point that this looks at")
    #expect(seen.pte == 0 && walked == 0, "the entry leads to a page that it has no reference on")
    if walked > 0 { unsafe put_page(world.page(0)) }
    let after = Counts(before.references + 1, before.mappings + 1)
    #expect(Counts(world.map, 0) == after && pte_present(world.entry(0)))
    try world.space.unmap(world.area.range)
    #expect(Counts(world.map, 0) == before)
  }
}
