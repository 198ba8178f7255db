// SPDX-License-Identifier: MIT

// What ends a wait besides its condition: cancellation, fatal or not, and time (spec: core.md section
// 13, CI47, CI48).

import CFolio
import FolioCore

enum InterruptedWaits {
  static let scenarios = [cancel, cancelAgainstWake, killable, timeout, device]

  private static func token() throws -> UnsafeMutablePointer<cancellation> {
    let token = unsafe try seamMemory(cancellation.self)
    unsafe cancellation_init(token)
    return unsafe token
  }

  /// Nothing but the cancellation comes: it must not be lost.
  private static let cancel = Scenario(
    "wait-cancel", "a cancellation fires while its wait begins: the wait ends",
    rules: [.strict], obligations: ["fired before the sleep", "fired during the sleep"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("never")
    let token = unsafe try token()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let wait = unsafe FlagWait(word, .init(state: TASK_INTERRUPTIBLE, token: token))
            require(wait.result == -512, "CI47", "an interrupted wait came back otherwise")
            obligations.reach(wait.hasSlept ? 1 : 0)
          }
        ),
        (name: "canceller", body: { unsafe cancellation_fire(token, false) }),
      ],
      conclude: { require(!folio_events_pending(), "CI46", "a waiter is counted at the end") },
      tearDown: {
        word.free()
        unsafe cfolio_free(token)
      })
  }

  private static let cancelAgainstWake = Scenario(
    "wait-cancel-wake", "cancellation against the wake: a true condition beats it",
    rules: [.strict],
    obligations: ["cancelled", "woken", "woken out of a sleep, with the cancellation pending"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("ready")
    let token = unsafe try token()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let wait = unsafe FlagWait(word, .init(state: TASK_INTERRUPTIBLE, token: token))
            require(
              wait.met == (wait.result == 0), "CI47", "the result is not what the condition was")
            obligations.reach(wait.met ? 1 : 0)
            if unsafe wait.met && wait.hasSlept && signal_pending_state(TASK_INTERRUPTIBLE, token) {
              obligations.reach(2)
            }
          }
        ),
        (name: "canceller", body: { unsafe cancellation_fire(token, false) }),
        (name: "waker", body: { unsafe store_release_wake_up(word.address, 1) }),
      ],
      conclude: { require(!folio_events_pending(), "CI46", "a waiter is counted at the end") },
      tearDown: {
        word.free()
        unsafe cfolio_free(token)
      })
  }

  private static let killable = Scenario(
    "wait-killable", "a killable wait ends by a fatal cancellation, never by another",
    rules: [.strict],
    obligations: ["killed out of a sleep", "killed before the sleep"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("never")
    let fatal = try SharedWord("fatal")
    let token = unsafe try token()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let wait = unsafe FlagWait(word, .init(state: TASK_KILLABLE, token: token))
            require(wait.result == -512, "CI47", "a killed wait came back otherwise")
            require(fatal.load() == 1, "CI48", "a killable wait ended by a signal")
            obligations.reach(wait.hasSlept ? 0 : 1)
          }
        ),
        (
          name: "canceller",
          body: {
            unsafe cancellation_fire(token, false)
            fatal.store(1)
            unsafe cancellation_fire(token, true)
          }
        ),
      ], conclude: {},
      tearDown: {
        word.free()
        fatal.free()
        unsafe cfolio_free(token)
      })
  }

  /// A wait for a device that is cancelled, its token used again for the next one.
  private static let device = Scenario(
    "wait-io", "a wait for a device, cancelled and begun again: counted while it sleeps, no longer",
    rules: [.strict], obligations: ["cancelled", "done at the first time", "seen waiting"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("done")
    let token = unsafe try token()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            var options = unsafe wait_options(state: TASK_INTERRUPTIBLE, token: token)
            unsafe options.io = true
            let first = unsafe FlagWait(word, options)
            obligations.reach(first.isInterrupted ? 0 : 1)
            guard first.isInterrupted else { return }
            unsafe cancellation_reset(token)
            let second = unsafe FlagWait(word, options)
            require(second.met, "CI47", "a token that was reset cancelled a wait")
          }
        ),
        (
          name: "device",
          body: {
            unsafe cancellation_fire(token, false)
            if cfolio_io_waiters() == 1 { obligations.reach(2) }
            unsafe store_release_wake_up(word.address, 1)
          }
        ),
      ],
      conclude: {
        require(cfolio_io_waiters() == 0, "CI46", "a waiter for the device is counted at the end")
        require(!folio_events_pending(), "CI46", "a waiter is counted at the end")
      },
      tearDown: {
        word.free()
        unsafe cfolio_free(token)
      })
  }

  private static let timeout = Scenario(
    "wait-timeout", "a wake against the end of the time: the result says which condition held",
    rules: [.strict], obligations: ["time ran out", "woken in time", "true without a sleep"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("ready")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let wait = unsafe FlagWait(word, .init(timeout: 1000))
            require(
              wait.met ? wait.result > 0 : wait.result == 0, "CI47",
              "the result is not what the condition was")
            obligations.reach(!wait.met ? 0 : wait.hasSlept ? 1 : 2)
          }
        ),
        (name: "waker", body: { unsafe store_release_wake_up(word.address, 1) }),
      ],
      conclude: {
        require(!folio_events_pending(), "CI46", "a waiter is counted at the end")
        require(
          unsafe !waitqueue_active(__var_waitqueue(word.address)), "CI46",
          "an entry is queued at the end")
      },
      tearDown: { word.free() })
  }
}
