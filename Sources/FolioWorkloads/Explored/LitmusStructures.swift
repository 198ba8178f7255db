// SPDX-License-Identifier: MIT

// Litmus shapes of published objects and of locks (spec: core.md 15.2 T11, T12, T13): what was written
// before an object was published, or under a lock, is seen by who finds the object or has the lock next.

import CFolio

/// T11: a reference that was switched back to life is taken by somebody else, who reads what was
/// prepared before; then it is killed, and after a grace period its owner takes the object apart.
@safe
final class LitmusPercpu: LitmusWorld {
  static let scenario = Scenario(
    "litmus-percpu",
    "T11: a live percpu reference shows its object whole, and no longer when freed",
    obligations: ["a reference", "a refusal"]
  ) { try LitmusPercpu($0) }

  private let ref: UnsafeMutablePointer<percpu_ref>
  private let payload: PlainWord

  init(_ settings: Scenario.Settings) throws {
    let (ref, payload) = (
      unsafe try seamMemory(percpu_ref.self), try PlainWord("the object")
    )
    unsafe self.ref = unsafe ref
    self.payload = payload
    super.init(settings, ["owner", "walker"]) {
      unsafe percpu_ref_exit(ref)
      unsafe cfolio_free(ref)
      payload.free()
    }
    guard unsafe percpu_ref_init(ref, { _ in }) == 0 else { throw ScenarioMemoryError() }
    unsafe percpu_ref_kill(ref)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      payload.write(1)
      unsafe percpu_ref_resurrect(ref)
      return
    }
    if unsafe percpu_ref_tryget_live(ref) {
      reach(0)
      if payload.read() != 1 { forbid("a live reference to an object that is not ready") }
      unsafe percpu_ref_put(ref)
    } else {
      reach(1)
    }
  }
}

/// T12: an object is filled, stored, erased, and after a grace period taken apart; a lookup reads it.
@safe
final class LitmusLookup: LitmusWorld {
  static let scenario = Scenario(
    "litmus-lookup", "T12: what a lookup finds is whole, and stays so until its read section ends",
    obligations: ["found", "not there"]
  ) { try LitmusLookup($0) }

  private let array: UnsafeMutablePointer<xarray>
  private let payload: PlainWord
  private let entry: UnsafeMutablePointer<UInt64>

  init(_ settings: Scenario.Settings) throws {
    let array = unsafe try seamMemory(xarray.self)
    let entry = unsafe try seamMemory(UInt64.self)
    let payload = try PlainWord("the object")
    unsafe (self.array, self.entry) = unsafe (array, entry)
    self.payload = payload
    super.init(settings, ["owner", "walker"]) {
      unsafe xa_destroy(array)
      unsafe cfolio_free(array)
      unsafe cfolio_free(entry)
      payload.free()
    }
    unsafe xa_init(array)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      payload.write(1)
      _ = unsafe xa_store(array, 0, entry)
      _ = unsafe xa_erase(array, 0)
      synchronize_rcu()
      payload.write(2)
      return
    }
    rcu_read_lock()
    if unsafe xa_load(array, 0) != nil {
      reach(0)
      if payload.read() != 1 { forbid("an object that is not whole was found") }
    } else {
      reach(1)
    }
    rcu_read_unlock()
  }
}

private let lockOrders = ["the first was first", "the second was first"]

/// T13: two threads add 1 to a plain counter under a lock, which subclasses have.
@safe
class LitmusLock<Lock: ~Copyable>: LitmusWorld {
  final let word: UnsafeMutablePointer<Lock>
  private let count: PlainWord

  init(_ settings: Scenario.Settings) throws {
    let (word, count) = (unsafe try seamMemory(Lock.self), try PlainWord("the counter"))
    unsafe self.word = unsafe word
    self.count = count
    super.init(settings, ["first", "second"]) {
      unsafe cfolio_free(word)
      count.free()
    }
  }

  func lock() { preconditionFailure("a shape without a lock") }
  func unlock() { preconditionFailure("a shape without a lock") }

  final override func run(_ thread: Int) {
    lock()
    let before = count.read()
    if before == 0 { reach(thread) }
    count.write(before + 1)
    unlock()
  }

  final override func conclude() {
    if count.read() != 2 { forbid("an addition was lost") }
  }
}

@safe
final class LitmusBitLock: LitmusLock<shared_t> {
  static let scenario = Scenario(
    "litmus-bit-lock", "T13: two additions under a bit lock are two", obligations: lockOrders
  ) { try LitmusBitLock($0) }

  override func lock() { unsafe bit_spin_lock(3, word) }
  override func unlock() { unsafe bit_spin_unlock(3, word) }
}

@safe
final class LitmusSpinLock: LitmusLock<spinlock_t> {
  static let scenario = Scenario(
    "litmus-spin-lock", "two additions under a lock are two", obligations: lockOrders
  ) { try LitmusSpinLock($0) }

  override init(_ settings: Scenario.Settings) throws {
    try unsafe super.init(settings)
    unsafe spin_lock_init(word, nil)
  }

  override func lock() { unsafe spin_lock(word) }
  override func unlock() { unsafe spin_unlock(word) }
}
