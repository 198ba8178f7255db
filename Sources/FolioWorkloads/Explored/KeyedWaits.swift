// SPDX-License-Identifier: MIT

// Waits on an address against the wake (spec: core.md section 13, row 108, CI46, CI47): by variable,
// several waiters, exclusive ones, by bit, by completion, and by a callback that parks no thread.
// What a waiter did is told from how often it asked its condition.

import CFolio
import FolioCore

enum KeyedWaits {
  static let scenarios = [variable, exclusive, bit, completed, counted, callback]

  /// Every waiter of a word goes on when the word changes; a wake without a change wakes for
  /// nothing.
  private static let variable = Scenario(
    "wait-variable", "wait_var_event against a stray wake and the real one: all waiters go on",
    rules: [.strict], size: 2, sizes: 1...2,
    obligations: [
      "no wait at all", "true while about to sleep", "slept, then woken", "woken for nothing",
    ]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("ready")
    let obligations = settings.obligations
    let waiter = {
      let wait = unsafe FlagWait(word)
      require(wait.result == 0 && wait.met, "CI47", "a wait came back with its condition false")
      obligations.reach(wait.tests == 1 ? 0 : wait.tests == 2 ? 1 : wait.tests == 3 ? 2 : 3)
    }
    let waiters = (0..<settings.size).map { _ in (name: "waiter", body: waiter) }
    return ProgramWorld(
      waiters + [
        (
          name: "waker",
          body: {
            unsafe wake_up_var(word.address)
            unsafe store_release_wake_up(word.address, 1)
          }
        )
      ],
      conclude: { requireNoWaiter() },
      tearDown: { word.free() })
  }

  /// One wake takes one exclusive waiter, who hands it on.
  private static let exclusive = Scenario(
    "wait-exclusive", "two exclusive waiters, one with a timeout, and one wake: it is not lost",
    rules: [.strict],
    obligations: ["the patient one slept, then woken", "the other ran out of time"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("ready")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "hasty waiter",
          body: {
            let wait = unsafe FlagWait(word, .init(exclusive: true, timeout: 1000))
            require(wait.met || wait.result == 0, "CI47", "a wait came back before its time")
            if !wait.met { obligations.reach(1) }
            // It may have used the wake up, so it hands it on when it is through.
            if wait.met && wait.tests > 1 { unsafe wake_up_var(word.address) }
          }
        ),
        (
          name: "waiter",
          body: {
            let wait = unsafe FlagWait(word, .init(exclusive: true))
            require(wait.met, "CI47", "a wait came back with its condition false")
            if wait.hasSlept { obligations.reach(0) }
            if wait.tests > 1 { unsafe wake_up_var(word.address) }
          }
        ),
        (name: "waker", body: { unsafe store_release_wake_up(word.address, 1) }),
      ],
      conclude: { requireNoWaiter() },
      tearDown: { word.free() })
  }

  private static let bit = Scenario(
    "wait-bit", "wait_on_bit against the release of the bit: only the wake of that bit counts",
    rules: [.strict], obligations: ["the bit was clear", "the bit was set"]
  ) { settings in
    readyWaitTable()
    let memory = unsafe try seamMemory(shared_t.self)
    unsafe set_bits(memory, 1 << 5)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            let isSet = unsafe bit_spin_is_locked(5, memory)
            unsafe wait_on_bit(memory, 5)
            let isClear = unsafe !bit_spin_is_locked(5, memory)
            require(isClear, "CI47", "the bit is set behind the wait")
            obligations.reach(isSet ? 1 : 0)
          }
        ),
        (
          name: "owner",
          body: {
            unsafe clear_bits_unlock(memory, 1 << 5)
            smp_mb()
            unsafe wake_up_bit(memory, 5)
          }
        ),
      ], conclude: {}, tearDown: { unsafe cfolio_free(memory) })
  }

  /// What is written before complete_all() is seen behind the wait.
  private static let completed = Scenario(
    "completion", "wait_for_completion, with and without a limit, against complete_all",
    rules: [.strict], obligations: ["completed in time", "time ran out"]
  ) { settings in
    readyWaitTable()
    let completion = unsafe try seamMemory(completion.self)
    unsafe init_completion(completion)
    let payload = try SharedWord("payload")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            unsafe wait_for_completion(completion)
            require(payload.load() == 1, "CI47", "the wait ended before the completion")
          }
        ),
        (
          name: "waiter with a limit",
          body: {
            let done = unsafe wait_for_completion_timeout(completion, 1000)
            obligations.reach(done ? 0 : 1)
            if done { require(payload.load() == 1, "CI47", "completed before the completion") }
          }
        ),
        (
          name: "completer",
          body: {
            payload.store(1)
            unsafe complete_all(completion)
          }
        ),
      ], conclude: {},
      tearDown: {
        payload.free()
        unsafe cfolio_free(completion)
      })
  }

  private static let counted = Scenario(
    "wait-count", "two holders drop a count, the last one wakes who waits for 0 (C39)",
    rules: [.strict], obligations: ["slept until the last drop", "the count was 0 at once"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("count", 2)
    let zero = try SharedWord("zero")
    let obligations = settings.obligations
    let holder = {
      if unsafe atomic_dec_and_wake_up(word.address) { zero.store(1) }
    }
    return ProgramWorld(
      [
        (name: "holder", body: holder), (name: "holder", body: holder),
        (
          name: "waiter",
          body: {
            let wait = unsafe FlagWait(word, untilZero: true)
            require(wait.result == 0, "CI48", "an uninterruptible wait failed")
            obligations.reach(wait.hasSlept ? 0 : 1)
          }
        ),
      ], conclude: { require(zero.load() == 1, "CI46", "nobody dropped the last one") },
      tearDown: {
        word.free()
        zero.free()
      })
  }

  /// A callback is continued by the wake, or taken back by its owner, never both and never neither.
  private static let callback = Scenario(
    "wait-callback", "a wait without a thread: wake against cancel, continued exactly once",
    rules: [.strict], obligations: ["resumed by a wake", "taken back"]
  ) { settings in
    readyWaitTable()
    let word = try SharedWord("ready")
    let resumed = try SharedWord("resumed")
    let back = try SharedWord("taken back")
    let callback = unsafe try seamMemory(wait_callback.self)
    let obligations = settings.obligations
    let waker = { unsafe wake_up_var(word.address) }
    return ProgramWorld(
      [
        (
          name: "owner",
          body: {
            unsafe wait_callback_begin(
              callback, word.address,
              { callback in
                let word = unsafe callback.pointee.context!.assumingMemoryBound(to: atomic_t.self)
                unsafe _ = atomic_add_return(1, word)
              }, resumed.address)
            if unsafe wait_callback_cancel(callback) { back.store(1) }
          }
        ),
        (name: "waker", body: waker), (name: "waker", body: waker),
      ],
      conclude: {
        obligations.reach(resumed.load() > 0 ? 0 : 1)
        require(resumed.load() + back.load() == 1, "CI47", "not continued exactly once")
        requireNoWaiter()
      },
      tearDown: {
        unsafe cfolio_free(callback)
        word.free()
        resumed.free()
        back.free()
      })
  }
}
