// SPDX-License-Identifier: MIT

// C39: looking for waiters before the decrement.
//
//   1. T1 puts the last reference. It looks for waiters first: there are none.
//   2. T2 enqueues itself, reads R: 1. It goes to sleep.
//   3. T1 decrements: 0. It wakes nobody.
//
// Guard: the order in page_ref_put_return() and wake_idle_waiters(): decrement, then the event
// word, then the queue. Step 2 runs at T1's first access to the page and at its first write, the
// decrement. A decrement that orders nothing shows in litmus T4, on x86 never. The test has a
// process of its own, because another test's waiter would hide an early look at the event word.
// Run time: the start of a process. A failure shows a waiter that was not resumed (CI46).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C39: a waiter that came just before the decrement is woken by it",
    .enabled(if: FaultPoint.isSupported))
  func c39() async {
    await #expect(processExitsWith: .success) {
      for rules in [PageMap.Rules.strict, .kernel] {
        let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
        try expectWake(map.frames.lowerBound, in: map, FOLIO_IDLE)
      }
    }
  }

  @Test(
    "C39: under strict rules also the put that leaves only mappings wakes such a waiter",
    .enabled(if: FaultPoint.isSupported))
  func c39Unpinned() async {
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.fsdax, pages: 512)
      let page = unsafe map.page(map.frames.lowerBound)
      unsafe page_ref_inc(page)
      unsafe folio_add_file_rmap_pte(page_folio(page), page, 11)
      try expectWake(map.frames.lowerBound, in: map, FOLIO_UNPINNED)
    }
  }
}

/// The waiter comes in the middle of the put of a reference that is all it waits for.
private func expectWake(
  _ frame: UInt, in map: PageMap, _ condition: folio_idle_condition
) throws {
  let folio = unsafe map.folio(frame)
  for trigger in [FaultPoint.Trigger.access, .write] {
    unsafe folio_ref_inc(folio)
    let waiter = IdleWaiter()
    var idle = true
    let reached = unsafe FaultPoint.run(at: folio, on: trigger) {
      idle = unsafe waiter.begin(folio, condition)
    } body: {
      unsafe folio_put(folio)
    }
    try #require(reached && !idle)
    try #require(waiter.isResumed, "\(map.rules), \(trigger)")
  }
}
