// SPDX-License-Identifier: MIT

// C13: a fast walk whose second look at the entry is in front of the grab.
//
//   1. T1 reads the entry, and sees that R is above 0.
//   2. T1 reads the entry again: the same.
//   3. T2 takes the entry away. P is idle; its next owner has a reference.
//   4. T1 adds its reference and returns P.
//
// Guard: the order of grab and second look, in walk_ptes() and grab() of gup_fast.c. Step 3 runs at
// T1's first write to the struct page, which is the grab: what T1 read before it is of no use. Run
// time: none to speak of. A failure shows a pin of the next owner's page (CI41, CI59).

import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C13: a page that was unmapped at the instant of the grab is not pinned",
    .enabled(if: FaultPoint.isSupported), arguments: [0, 2])
  func c13(order: Int) throws {
    let mapped = try LoneEntry(order: order)
    let found = try #require(mapped.pin(changedAt: .write) { mapped.reuse() })
    #expect(found.isEmpty, "nothing mapped that page when it was grabbed")
    mapped.space.unpin(found.count)
    #expect(mapped.endsIdle())
  }
}
