// SPDX-License-Identifier: MIT

// C16: a fast walk outside of a read section.
//
//   1. T1 has read where a table is, and is about to read its entries.
//   2. T2 takes the table out and waits for a grace period. T1 holds none up.
//   3. T2 frees the table. T1 reads its entries.
//
// Guard: the read section around the walk in gup_fast(). At T1's first access to the page that an
// entry maps, another thread waits for a grace period, as whoever frees a table does: it must not
// pass before the walk is over. Run time: 0.03 s. A failure shows a grace period that passed under
// a walker (CI50).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C16: no grace period passes while a walk is in a table",
    .enabled(if: FaultPoint.isSupported), arguments: [FOLL_GET, FOLL_PIN])
  func c16(flags: UInt32) throws {
    let space = try TestSpace(PageMap(.fsdax, pages: 512))
    try space.set(0, at: 0)
    let passed = Flag()
    var (reclaimer, wasEarly, count) = (NativeThread?.none, false, 0)
    let reached = unsafe FaultPoint.run(at: space.page(0)) {
      reclaimer = .begun {
        synchronize_rcu()
        passed.raise()
      }
      wasEarly = poll(milliseconds: 30) { passed.isRaised }
    } body: {
      count = space.walk(0, 1, flags).count
    }
    reclaimer?.join()
    #expect(reached && count == 1)
    #expect(!wasEarly, "the table could be freed under the walk")
    #expect(passed.isRaised)
    if flags == FOLL_PIN { space.unpin(count) } else { space.put(count) }
    try space.clear(0)
    #expect(space.map.firstBusyFrame == nil)
  }
}
