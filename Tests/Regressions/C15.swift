// SPDX-License-Identifier: MIT

// C15: a fast walk that does not look again at what named its table.
//
//   1. T1 is in a PTE table and reads an entry: it maps page P.
//   2. T2 collapses: it takes the whole table out, drops what its entries owned and looks who has
//      the pages. Nobody; P's next owner has a reference.
//   3. T1 takes its reference and reads the entry again. It stands: nobody clears the entries of a
//      table that is out.
//   4. Without a look at the entry above T1 has pinned P.
//
// Guard: the look at the PMD behind the grab, still_there() in gup_fast.c. Step 2 runs at T1's
// first access to the struct page. Run time: none to speak of. A failure shows a pin through a
// table that is no part of the address space any more (CI41, CI50).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C15: a page of a table that was taken out is not pinned",
    .enabled(if: FaultPoint.isSupported))
  func c15() throws {
    let mapped = try LoneEntry(order: 0)
    var table = pmd_t()
    let found = try #require(mapped.pin { table = mapped.collapse() })
    #expect(found.isEmpty, "the table of that entry is out")
    mapped.space.unpin(found.count)
    mapped.restore(table)
    #expect(mapped.endsIdle())
  }
}
