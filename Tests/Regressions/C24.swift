// SPDX-License-Identifier: MIT

// C24: a fast long-term pin of a page that a file system has to be able to take back.
//
//   1. T1 pins a DAX page for good: for a device that stays.
//   2. T2 truncates the file. It unmaps the page and waits for it to become idle.
//   3. T1 never unpins.
//
// Guard: folio_is_longterm_pinnable() in try_grab_folio_fast() of gup.c. The entry allows stores,
// so that nothing else refuses. Run time: none to speak of. A failure shows the pin (CI43), and a
// waiter that is not told.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C24: a DAX page is not pinned for good, and a truncation gets it")
  func c24() throws {
    let space = try TestSpace(PageMap(.fsdax, pages: 512))
    try space.set(0, at: 0)
    let pins = space.walk(0, 1, FOLL_PIN | FOLL_LONGTERM).count
    #expect(pins == 0 && space.references(0) == 1)
    let waiter = IdleWaiter()
    #expect(unsafe !waiter.begin(space.folio(0), FOLIO_IDLE))
    try space.clear(0)
    #expect(waiter.isResumed, "the truncation waits for a device that stays")
    space.unpin(pins)
    // For a while, anybody may.
    try space.set(0, at: 0)
    #expect(space.walk(0, 1, FOLL_PIN).count == 1)
    space.unpin(1)
    try space.clear(0)
  }
}
