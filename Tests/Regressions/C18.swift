// SPDX-License-Identifier: MIT

// C18: a fast pin that begins inside a fork's copy.
//
//   1. T2 forks: the sequence is odd. It has looked for pins and shared the page; the entry still
//      allows stores.
//   2. T1 pins. The entry is the same in both looks, and so is the sequence at the beginning and at
//      the end: the whole walk lies inside of step 1.
//   3. T2 write-protects the entry. The pin is of a page that two address spaces share.
//
// Guard: gup_fast() takes no pin where the sequence is odd at the beginning. Run time: none to
// speak of. A failure shows such a pin (CI42).

import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C18: no pin begins in the middle of a fork's copy")
  func c18() throws {
    let page = try ForkedPage()
    #expect(page.share())
    let pins = page.pin()
    #expect(pins == 0, "the fork has shared that page")
    #expect(page.space.references(0) == 2)
    page.space.unpin(pins)
    page.protect()
    #expect(page.endsFree())
  }
}
