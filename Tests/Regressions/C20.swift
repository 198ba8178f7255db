// SPDX-License-Identifier: MIT

// C20: a pin of a small page that counts what it has already taken.
//
//   1. T1 pins. It takes one reference to hold the page, then 1024 for the pin: R rose by 1025.
//   2. T1 unpins: R falls by 1024.
//   3. The page is unmapped. T2 waits for it to become idle, for ever.
//
// Guards: the weight of walk_ptes() in gup_fast.c, and the rest of the bias that
// try_grab_folio_fast() in gup.c adds, which long-term pins come to. Run time: none to speak of. A
// failure shows an R that is off by one for each pin (CI1), and a waiter that is not told.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C20: a pin weighs 1024, with the reference that holds the page meanwhile",
    arguments: [(PageMap.Kind.fsdax, UInt32(0)), (.generic, FOLL_LONGTERM)])
  func c20(kind: PageMap.Kind, flags: UInt32) throws {
    let space = try TestSpace(PageMap(kind, pages: 512))
    let idle = space.references(0)
    try space.set(0, at: 0)
    for pins in 1...3 {
      #expect(space.walk(0, 1, FOLL_PIN | flags).count == 1)
      #expect(space.references(0) == idle + 1 + Int32(pins) * 1024)
    }
    for _ in 0..<3 { space.unpin(1) }
    #expect(space.references(0) == idle + 1)
    let waiter = IdleWaiter()
    if kind == .fsdax { #expect(unsafe !waiter.begin(space.folio(0), FOLIO_IDLE)) }
    try space.clear(0)
    #expect(space.references(0) == idle)
    #expect(waiter.isResumed == (kind == .fsdax))
  }
}
