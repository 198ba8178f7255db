// SPDX-License-Identifier: MIT

// Litmus shapes of sleep and wake (spec: core.md 15.2 T4): a waiter enqueues and then looks at the
// condition, a waker makes it true and then looks for waiters; one of them sees the other, or the
// waiter sleeps for ever, which the lab reports as DEADLOCK.

import CFolio

/// T4 by a completion: the waiter also reads what was done before.
@safe
final class LitmusCompletion: LitmusWorld {
  static let scenario = Scenario(
    "litmus-completion", "T4: who waits for a completion wakes, and sees what was done before it",
    obligations: ["it was done before the wait", "it was not"]
  ) { try LitmusCompletion($0) }

  private let done: UnsafeMutablePointer<completion>
  private let payload: PlainWord

  init(_ settings: Scenario.Settings) throws {
    let (done, payload) = (unsafe try seamMemory(completion.self), try PlainWord("the work"))
    unsafe self.done = unsafe done
    self.payload = payload
    super.init(settings, ["worker", "waiter"]) {
      unsafe cfolio_free(done)
      payload.free()
    }
    unsafe init_completion(done)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      payload.write(1)
      unsafe complete_all(done)
      return
    }
    reach(unsafe completion_done(done) ? 0 : 1)
    unsafe wait_for_completion(done)
    if payload.read() != 1 { forbid("a completion without the work") }
  }
}

/// T4 with a condition that is changed under a lock, and read without it.
@safe
final class LitmusLockedWake: LitmusWorld {
  static let scenario = Scenario(
    "litmus-locked-wake", "T4: a wake by the holder of the condition's lock is not lost",
    obligations: ["it was true before the wait", "it was not"]
  ) { try LitmusLockedWake($0) }

  private let lock: UnsafeMutablePointer<spinlock_t>
  private let condition: UnsafeMutablePointer<atomic_t>

  init(_ settings: Scenario.Settings) throws {
    let lock = unsafe try seamMemory(spinlock_t.self)
    let condition = unsafe try seamMemory(atomic_t.self)
    unsafe (self.lock, self.condition) = unsafe (lock, condition)
    super.init(settings, ["waker", "waiter"]) {
      unsafe cfolio_free(lock)
      unsafe cfolio_free(condition)
    }
    unsafe spin_lock_init(lock, nil)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      unsafe spin_lock(lock)
      unsafe atomic_set(condition, 1)
      unsafe wake_up_var_locked(condition)
      unsafe spin_unlock(lock)
      return
    }
    reach(unsafe atomic_read(condition) != 0 ? 0 : 1)
    var options = unsafe wait_options(exclusive: false)
    _ = unsafe wait_var_event_options(
      condition, { unsafe atomic_read_acquire($0!.assumingMemoryBound(to: atomic_t.self)) != 0 },
      condition, &options)
  }
}

/// T4 by the last of two references: a put makes the condition true, and wakes.
@safe
final class LitmusWakingPut: LitmusWorld {
  static let scenario = Scenario(
    "litmus-waking-put", "T4: a decrement to 0 wakes who waits for it",
    obligations: ["it was 0 before the wait", "it was not"]
  ) { try LitmusWakingPut($0) }

  private let count: UnsafeMutablePointer<atomic_t>

  init(_ settings: Scenario.Settings) throws {
    let count = unsafe try seamMemory(atomic_t.self)
    unsafe self.count = unsafe count
    super.init(settings, ["waker", "waiter"]) { unsafe cfolio_free(count) }
    unsafe atomic_set(count, 1)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      _ = unsafe atomic_dec_and_wake_up(count)
      return
    }
    reach(unsafe atomic_read(count) == 0 ? 0 : 1)
    var options = unsafe wait_options(exclusive: false)
    _ = unsafe wait_var_event_options(
      count, { unsafe atomic_read_acquire($0!.assumingMemoryBound(to: atomic_t.self)) == 0 },
      count, &options)
  }
}
