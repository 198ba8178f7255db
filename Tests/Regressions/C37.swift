// SPDX-License-Identifier: MIT

// C37: a page handed out in another shape than it had before.
//
//   1. A driver hands out a folio of order 9; it comes home.
//   2. The driver hands out one of its pages as a small folio.
//   3. Without a reset the page still is a tail, or carries the head flag and the page count of its
//      former life.
//
// Guards: a folio can only be handed out in another shape after folio_split_to_order_0(), which
// leaves nothing behind; PageOwner.raise() refuses a tail. Run time: none to speak of. A failure
// shows words of the former shape (CI8, CI11).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test(
    "C37: pages of a former large folio are handed out small, in any order", arguments: [9, 2, 1])
  func c37(order: Int) throws {
    let map = try mapAfterSplit(order: order, rules: .strict, kind: .pciP2PDMA)
    for index in [UInt(0), 1, 2, 3].prefix(1 << order).reversed() {
      let frame = map.frames.lowerBound + index
      let held = try map.claim(frame: frame).raise()
      #expect(held.order == 0 && held.frame == frame && held.referenceCount == 1)
      #expect(held.mappingCount == 0 && !held.mayBePinned)
      #expect(map.audit() == [])
      held.release()
    }
    #expect(map.audit() == [])
  }

  @Test("C37: a page that still is a tail cannot be handed out")
  func c37Tail() throws {
    let map = try PageMap(.pciP2PDMA, pages: 512)
    do {
      var owner = try map.claim(frame: map.frames.lowerBound, order: 9)
      try owner.form()
    }
    let part = try map.claim(frame: map.frames.lowerBound + 1)
    #expect(throws: PageMapError.self) { _ = try part.raise().frame }
    #expect(unsafe page_ref_count(map.page(map.frames.lowerBound + 1)) == 0)
  }
}
