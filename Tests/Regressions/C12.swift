// SPDX-License-Identifier: MIT

// C12: a fast walk without its second look at the entry.
//
//   1. T1 reads the entry: it maps page P.
//   2. T2 takes the entry away. P is idle; its next owner has a reference: R is 1.
//   3. T1 takes its reference: R is not 0, so it gets one.
//   4. Without the second look T1 has pinned a page that nobody maps there.
//
// Guard: the look at the entry behind the grab, still_there() in gup_fast.c. Step 2 runs at T1's
// first access to the struct page, which comes behind its read of the entry. Run time: none to
// speak of. A failure shows a pin of the next owner's page (CI41, CI59).

import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C12: a page that was unmapped in front of the grab is not pinned",
    .enabled(if: FaultPoint.isSupported), arguments: [0, 2])
  func c12(order: Int) throws {
    let mapped = try LoneEntry(order: order)
    var found: [UInt] = []
    let reached = unsafe FaultPoint.run(at: mapped.space.page(0)) {
      mapped.reuse()
    } body: {
      found = mapped.pin()
    }
    #expect(reached)
    #expect(found.isEmpty, "that page is the next owner's")
    mapped.space.unpin(found.count)
    #expect(mapped.endsIdle())
  }
}
