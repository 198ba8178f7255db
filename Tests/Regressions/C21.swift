// SPDX-License-Identifier: MIT

// C21: an unpin of a large folio that drops its references before its pins.
//
//   1. T1 unpins. It drops its references: they were the last.
//   2. T2 finds the folio idle, splits it and uses page 1, whose mapping lies where the folio
//      counted its pins.
//   3. T1 takes its pins from that word.
//
// Guard: put_pins() in gup.c lowers the pin count first. The unpin is stepped through: where no
// reference is left, no pin may be counted, and at no place more pins than references. Run time:
// 0.01 s. A failure shows a write to a word that is somebody else's by then (CI6, CI34, CI61).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C21: at no instruction does a folio count more pins than references",
    .enabled(if: SingleStep.isSupported))
  func c21() throws {
    let mapped = try LoneEntry(order: 2)
    let found = mapped.pin()
    try #require(found.count == 4)
    mapped.space.unpin(3)
    let folio = unsafe mapped.space.folio(0)
    mapped.unmap()
    #expect(unsafe folio_ref_count(folio) == 1)
    var (excess, idle) = (0, 0)
    SingleStep.run(
      visit: { _ in
        let references = unsafe folio_ref_count(folio)
        if unsafe atomic_read(&folio.pointee._pincount) > references { excess += 1 }
        if references == 0 { idle += 1 }
        return true
      }, body: { mapped.space.unpin(1) })
    #expect(idle > 0, "the last pin was the last reference")
    #expect(excess == 0, "the folio could be split while its pins were still to be counted down")
    #expect(mapped.space.map.firstBusyFrame == nil)
  }
}
