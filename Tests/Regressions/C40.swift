// SPDX-License-Identifier: MIT

// C40: a waiter that tests its condition before it is enqueued.
//
//   1. T1 tests the condition: false.
//   2. T2 makes it true and looks for waiters: none.
//   3. T1 enqueues itself and sleeps.
//
// Guard: prepare_to_wait_event() before the condition in the wait loop, and the same order in
// folio_idle_callback_begin(). In the loop the condition's own function plays T2: right after it
// has found the condition false it makes it true and wakes. In the callback form a put plays T2,
// after every few instructions of T1. Run time: 0.5 s. A failure shows a wait that lasts until its
// timeout, or a waiter that nobody resumes (CI46).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C40: a put anywhere inside a callback waiter's begin is seen or wakes",
    .enabled(if: SingleStep.isSupported))
  func c40Stepped() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let folio = unsafe map.folio(map.frames.lowerBound)
    let queue = unsafe __var_waitqueue(map.page(map.frames.lowerBound))
    var waiter = IdleWaiter()
    var sawIdle = false
    var outcomes = (0, 0)
    let runs = SingleStep.interleave(
      places: 500, stride: 16,
      // T2 needs the bucket's lock: where T1 holds it, or is about to in the eyes of the lock
      // order checker, T2 would have to wait.
      mayStep: {
        unsafe !spin_is_locked(&queue.pointee.lock) && folio_this_thread().pointee.locks_held == 0
      },
      prepare: {
        waiter = IdleWaiter()
        unsafe folio_ref_inc(folio)
      },
      step: { unsafe folio_put(folio) },
      check: { place in
        #expect(sawIdle || waiter.isResumed, "put at place \(place)")
        if sawIdle { outcomes.0 += 1 } else { outcomes.1 += 1 }
      },
      body: { sawIdle = unsafe waiter.begin(folio, FOLIO_IDLE) })
    #expect(runs > 10 && outcomes.0 > 0 && outcomes.1 > 0)
  }

  @Test("C40: a wake between the test of the condition and the sleep is not lost")
  func c40() {
    // What the condition's function and the test share. Words: the condition; tests so far; the
    // test after which T2 acts; whether the waiter was enqueued then.
    let words = PlainWords(4)
    var options = unsafe wait_options()
    unsafe options.timeout_ns = 2_000_000_000
    // The first test comes before the loop: nobody can be enqueued yet, and the loop tests again.
    for actAfter in 1...2 {
      (words[0], words[1], words[2], words[3]) = (0, 0, actAfter, 0)
      let key = unsafe words.address(0)
      let left = unsafe wait_var_event_options(
        key,
        { context in
          let words = unsafe Unmanaged<PlainWords>.fromOpaque(context!).takeUnretainedValue()
          let met = words[0] != 0
          words[1] += 1
          if words[1] == words[2] {
            words[3] = unsafe waitqueue_active(__var_waitqueue(words.address(0))) ? 1 : 0
            words[0] = 1
            smp_mb()
            unsafe wake_up_var(words.address(0))
          }
          return met
        }, Unmanaged.passUnretained(words).toOpaque(), &options)
      #expect(left > 1_000_000_000, "slept through the wake after test \(actAfter)")
      if actAfter == 2 { #expect(words[3] == 1, "tested before it was enqueued") }
    }
  }
}
