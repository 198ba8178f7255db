// SPDX-License-Identifier: MIT

// What ends a wait besides its condition: cancellation, fatal or not, and time (spec: core.md section
// 13, CI47, CI48).

import CFolio
import FolioCore

enum InterruptedWaits {
  static let scenarios = [cancel, cancelAgainstWake, killable, timeout, device]

  /// A word that somebody waits for, and what else may end the wait.
  @safe
  private struct Interruptible {
    let word: SharedWord
    let token: UnsafeMutablePointer<cancellation>

    init(_ name: StaticString) throws {
      readyWaitTable()
      word = try SharedWord(name)
      unsafe token = try unsafe seamMemory(cancellation.self)
      unsafe cancellation_init(token)
    }

    /// Waits until the word is not 0, or for the token.
    func wait(_ state: task_state) -> FlagWait {
      unsafe FlagWait(word, .init(state: state, token: token))
    }

    func isPending(_ state: task_state) -> Bool { unsafe signal_pending_state(state, token) }

    func wake() { unsafe store_release_wake_up(word.address, 1) }

    func cancel(isFatal: Bool = false) { unsafe cancellation_fire(token, isFatal) }

    func free() {
      word.free()
      unsafe cfolio_free(token)
    }
  }

  /// Nothing but the cancellation comes: it must not be lost.
  private static let cancel = Scenario(
    "wait-cancel", "a cancellation fires while its wait begins: the wait ends",
    rules: [.strict], obligations: ["fired before the sleep", "fired during the sleep"]
  ) { settings in
    let waited = try Interruptible("never")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let wait = waited.wait(TASK_INTERRUPTIBLE)
            require(wait.result == -512, "CI47", "an interrupted wait came back otherwise")
            obligations.reach(wait.hasSlept ? 1 : 0)
          }
        ),
        (name: "canceller", body: { waited.cancel() }),
      ],
      conclude: { requireNoWaiter() }, tearDown: { waited.free() })
  }

  private static let cancelAgainstWake = Scenario(
    "wait-cancel-wake", "cancellation against the wake: a true condition beats it",
    rules: [.strict],
    obligations: ["cancelled", "woken", "woken out of a sleep, with the cancellation pending"]
  ) { settings in
    let waited = try Interruptible("ready")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let wait = waited.wait(TASK_INTERRUPTIBLE)
            require(
              wait.met == (wait.result == 0), "CI47", "the result is not what the condition was")
            obligations.reach(wait.met ? 1 : 0)
            if wait.met && wait.hasSlept && waited.isPending(TASK_INTERRUPTIBLE) {
              obligations.reach(2)
            }
          }
        ),
        (name: "canceller", body: { waited.cancel() }),
        (name: "waker", body: { waited.wake() }),
      ],
      conclude: { requireNoWaiter() }, tearDown: { waited.free() })
  }

  private static let killable = Scenario(
    "wait-killable", "a killable wait ends by a fatal cancellation, never by another",
    rules: [.strict],
    obligations: ["killed out of a sleep", "killed before the sleep"]
  ) { settings in
    let waited = try Interruptible("never")
    let fatal = try SharedWord("fatal")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let wait = waited.wait(TASK_KILLABLE)
            require(wait.result == -512, "CI47", "a killed wait came back otherwise")
            require(fatal.load() == 1, "CI48", "a killable wait ended by a signal")
            obligations.reach(wait.hasSlept ? 0 : 1)
          }
        ),
        (
          name: "canceller",
          body: {
            waited.cancel()
            fatal.store(1)
            waited.cancel(isFatal: true)
          }
        ),
      ], conclude: {},
      tearDown: {
        waited.free()
        fatal.free()
      })
  }

  /// A wait for a device that is cancelled, its token used again for the next one.
  private static let device = Scenario(
    "wait-io", "a wait for a device, cancelled and begun again: counted while it sleeps, no longer",
    rules: [.strict], obligations: ["cancelled", "done at the first time", "seen waiting"]
  ) { settings in
    let waited = try Interruptible("done")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            var options = unsafe wait_options(state: TASK_INTERRUPTIBLE, token: waited.token)
            unsafe options.io = true
            let first = unsafe FlagWait(waited.word, options)
            obligations.reach(first.isInterrupted ? 0 : 1)
            guard first.isInterrupted else { return }
            unsafe cancellation_reset(waited.token)
            let second = unsafe FlagWait(waited.word, options)
            require(second.met, "CI47", "a token that was reset cancelled a wait")
          }
        ),
        (
          name: "device",
          body: {
            waited.cancel()
            if cfolio_io_waiters() == 1 { obligations.reach(2) }
            waited.wake()
          }
        ),
      ],
      conclude: {
        require(cfolio_io_waiters() == 0, "CI46", "a waiter for the device is counted at the end")
        requireNoWaiter()
      }, tearDown: { waited.free() })
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
        requireNoWaiter()
        require(
          unsafe !waitqueue_active(__var_waitqueue(word.address)), "CI46",
          "an entry is queued at the end")
      },
      tearDown: { word.free() })
  }
}
