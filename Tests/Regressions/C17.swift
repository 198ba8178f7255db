// SPDX-License-Identifier: MIT

// C17: a fast pin that does not look whether a fork came between.
//
//   1. T1 reads the entry of an exclusive page: it may be stored to.
//   2. T2 forks. The page is not pinned, so it is shared with the child.
//   3. T1 takes its pin and reads the entry again: T2 has not write-protected it yet.
//   4. T2 does. The parent's next store gets a copy, and the device goes on in the child's page.
//
// Guard: the look at write_protect_seq at the end of gup_fast(). Step 2 runs at T1's first write to
// the struct page, which is the grab. Run time: none to speak of. A failure shows a pin of a page
// that two address spaces share (CI42).

import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C17: a pin that a fork did not see is given back", .enabled(if: FaultPoint.isSupported))
  func c17() throws {
    let page = try ForkedPage()
    var (shared, pins) = (false, 0)
    let reached = unsafe FaultPoint.run(at: page.space.page(0), on: .write) {
      shared = page.share()
    } body: {
      pins = page.pin()
    }
    page.protect()
    #expect(reached && shared)
    #expect(pins == 0, "the fork has shared that page")
    #expect(page.space.references(0) == 2)
    page.space.unpin(pins)
    #expect(page.pin() == 0, "only its copy may be pinned for writing")
    #expect(page.endsFree())
  }
}
