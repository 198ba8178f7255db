// SPDX-License-Identifier: MIT

// percpu_ref: mode switches, kill, confirm, resurrect and the last put, against get and put (spec:
// core.md 6.1, T11, C67, CI28-CI30). A thread is a CPU here, so gets and puts fall into different
// slots.

import CFolio
import FolioCore

/// A percpu_ref with what its callbacks write, in one piece of memory of the seam.
@safe
struct CountedObject {
  let ref: UnsafeMutablePointer<percpu_ref>

  private enum Word: Int { case releases, confirmed, payload }

  init() throws {
    unsafe ref = try unsafe seamMemory(percpu_ref.self, extra: 64)
    let status = unsafe percpu_ref_init(ref) { ref in
      unsafe _ = atomic_add_return(1, CountedObject(ref).word(.releases))
    }
    guard status == 0 else { throw ScenarioMemoryError() }
    unsafe atomic_set(word(.payload), 1)
  }

  @unsafe
  init(_ ref: UnsafeMutablePointer<percpu_ref>) { unsafe self.ref = unsafe ref }

  private func word(_ word: Word) -> UnsafeMutablePointer<atomic_t> {
    let start = unsafe UnsafeMutableRawPointer(ref + 1).assumingMemoryBound(to: atomic_t.self)
    return unsafe start + word.rawValue
  }

  /// Runs of the release callback. What came before them is over: the object may be freed.
  var releases: Int32 { unsafe atomic_read_acquire(word(.releases)) }
  /// A grace period has passed since the kill.
  var isConfirmed: Bool { unsafe atomic_read_acquire(word(.confirmed)) != 0 }
  /// 1 while somebody may use the object.
  var payload: Int32 { unsafe atomic_read(word(.payload)) }

  func killAndConfirm() {
    unsafe percpu_ref_kill_and_confirm(ref) { ref in
      unsafe atomic_set_release(CountedObject(ref).word(.confirmed), 1)
    }
  }

  /// At the end: one reference is left, its owner's.
  func requireKept() {
    require(releases == 0, "CI30", "released while the owner holds it")
    require(unsafe percpu_ref_value(ref) == 1, "CI28", "the count is off")
  }

  /// At the end: all references are gone.
  func requireReleased() { require(releases == 1, "CI30", "not released exactly once") }

  /// Ends it: whoever still touches it touches freed memory.
  func free() {
    unsafe percpu_ref_exit(ref)
    unsafe cfolio_free(ref)
  }
}

enum PercpuCounts {
  static let scenarios = [toAtomic, roundTrip, kill, tryget, lastPut, resurrect, life]

  /// Gets on one CPU, puts on another, while the counts are summed.
  private static let toAtomic = Scenario(
    "percpu-atomic", "switch to atomic mode against get and put on other CPUs (C67)",
    rules: [.strict], obligations: ["counted in a slot", "counted atomically", "summed in between"]
  ) { settings in
    let object = try CountedObject()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "switcher", body: { unsafe percpu_ref_switch_to_atomic(object.ref, nil) }),
        (
          name: "user",
          body: {
            let wasPercpu = unsafe percpu_ref_is_percpu(object.ref)
            unsafe percpu_ref_get_many(object.ref, 2)
            let isPercpu = unsafe percpu_ref_is_percpu(object.ref)
            obligations.reach(isPercpu ? 0 : wasPercpu ? 2 : 1)
            unsafe percpu_ref_put(object.ref)
            unsafe percpu_ref_put(object.ref)
          }
        ),
      ],
      conclude: {
        object.requireKept()
        let count = unsafe atomic_long_read(&object.ref.pointee.count)
        require(count == 1, "CI28", "the owner's reference is not counted atomically")
      }, tearDown: { object.free() })
  }

  private static let roundTrip = Scenario(
    "percpu-round-trip",
    "atomic and back to per-CPU mode against get and put: nothing is counted twice",
    rules: [.strict], obligations: ["counted atomically in between", "counted in slots"]
  ) { settings in
    let object = try CountedObject()
    readyWaitTable()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "switcher",
          body: {
            unsafe percpu_ref_switch_to_atomic_sync(object.ref)
            unsafe percpu_ref_switch_to_percpu(object.ref)
          }
        ),
        (
          name: "user",
          body: {
            unsafe percpu_ref_get(object.ref)
            obligations.reach(unsafe percpu_ref_is_percpu(object.ref) ? 1 : 0)
            unsafe percpu_ref_put(object.ref)
          }
        ),
      ],
      conclude: {
        object.requireKept()
        require(unsafe percpu_ref_is_percpu(object.ref), "CI28", "not in per-CPU mode at the end")
      }, tearDown: { object.free() })
  }

  /// tryget, which a dying object does not refuse: only one without references does.
  private static let tryget = Scenario(
    "percpu-tryget", "tryget against kill and the last put: it succeeds before the release only",
    rules: [.strict],
    obligations: ["a reference from a live object", "from a dying one", "refused"]
  ) { settings in
    let object = try CountedObject()
    unsafe percpu_ref_get(object.ref)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "holder",
          body: {
            unsafe percpu_ref_kill(object.ref)
            unsafe percpu_ref_put(object.ref)
          }
        ),
        (
          name: "user",
          body: {
            guard unsafe percpu_ref_tryget_many(object.ref, 2) else {
              obligations.reach(2)
              return
            }
            require(object.releases == 0, "CI30", "a reference to a released object")
            obligations.reach(unsafe percpu_ref_is_dying(object.ref) ? 1 : 0)
            unsafe percpu_ref_put_many(object.ref, 2)
          }
        ),
      ],
      conclude: { object.requireReleased() }, tearDown: { object.free() })
  }

  /// tryget_live against kill: a reference that it gave keeps the object.
  private static let kill = Scenario(
    "percpu-kill", "kill and confirm against tryget_live: none succeeds once it is confirmed (T11)",
    rules: [.strict], size: 1, sizes: 1...2,
    obligations: ["a reference from a live object", "refused", "held over the kill"]
  ) { settings in
    let object = try CountedObject()
    let obligations = settings.obligations
    let user = {
      let late = object.isConfirmed
      guard unsafe percpu_ref_tryget_live(object.ref) else {
        obligations.reach(1)
        return
      }
      require(!late, "CI29", "a reference after the kill was confirmed")
      let isDying = unsafe percpu_ref_is_dying(object.ref)
      obligations.reach(isDying ? 2 : 0)
      require(object.releases == 0, "CI30", "released while held")
      unsafe percpu_ref_put(object.ref)
    }
    return ProgramWorld(
      [(name: "killer", body: { object.killAndConfirm() })]
        + (0..<settings.size).map { _ in (name: "user", body: user) },
      conclude: {
        object.requireReleased()
        require(unsafe percpu_ref_is_zero(object.ref), "CI28", "the count is not 0 at the end")
      }, tearDown: { object.free() })
  }

  private static let lastPut = Scenario(
    "percpu-last-put", "two holders put while the object is killed: released once (CI30)",
    rules: [.strict], obligations: ["the kill put last", "a holder put last"]
  ) { settings in
    let object = try CountedObject()
    unsafe percpu_ref_get_many(object.ref, 2)
    let obligations = settings.obligations
    let holder = {
      unsafe percpu_ref_put(object.ref)
      if object.releases > 0 { obligations.reach(1) }
    }
    return ProgramWorld(
      [
        (
          name: "killer",
          body: {
            unsafe percpu_ref_switch_to_atomic(object.ref, nil)
            rcu_barrier()
            unsafe percpu_ref_kill(object.ref)
            if object.releases > 0 { obligations.reach(0) }
          }
        ),
        (name: "holder", body: holder), (name: "holder", body: holder),
      ],
      conclude: { object.requireReleased() }, tearDown: { object.free() })
  }

  private static let resurrect = Scenario(
    "percpu-resurrect",
    "killed and revived while held, against tryget_live: one count more, no release",
    rules: [.strict], obligations: ["refused while dead", "a reference from a live object"]
  ) { settings in
    let object = try CountedObject()
    readyWaitTable()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "owner",
          body: {
            unsafe percpu_ref_get(object.ref)
            unsafe percpu_ref_kill(object.ref)
            unsafe percpu_ref_resurrect(object.ref)
            unsafe percpu_ref_put(object.ref)
          }
        ),
        (
          name: "user",
          body: {
            guard unsafe percpu_ref_tryget_live(object.ref) else {
              obligations.reach(0)
              return
            }
            obligations.reach(1)
            unsafe percpu_ref_put(object.ref)
          }
        ),
      ],
      conclude: { object.requireKept() }, tearDown: { object.free() })
  }

  /// The whole life of an object that is found by a pointer: found in a read section, kept by a
  /// reference, unpublished, drained, freed.
  private static let life = Scenario(
    "percpu-life",
    "an object found by a pointer is killed, drained and freed: no user touches it after",
    rules: [.strict], obligations: ["found and kept", "found and refused", "not found"]
  ) { settings in
    readyWaitTable()
    let object = try CountedObject()
    let entry = try SharedWord("entry", 1)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "owner",
          body: {
            unsafe percpu_ref_kill(object.ref)
            entry.storeRelease(0)
            synchronize_rcu()
            // Whoever put last has released; the switch to atomic mode may still be under way.
            rcu_barrier()
            guard object.releases > 0 else { return }
            object.free()
          }
        ),
        (
          name: "user",
          body: {
            rcu_read_lock()
            guard entry.loadAcquire() != 0 else {
              rcu_read_unlock()
              obligations.reach(2)
              return
            }
            let got = unsafe percpu_ref_tryget_live_rcu(object.ref)
            rcu_read_unlock()
            obligations.reach(got ? 0 : 1)
            guard got else { return }
            require(object.payload == 1, "CI31", "a referenced object is gone")
            unsafe percpu_ref_put(object.ref)
          }
        ),
      ], conclude: {},
      tearDown: {
        object.free()
        entry.free()
      })
  }
}
