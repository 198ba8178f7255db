// SPDX-License-Identifier: MIT

// percpu_ref: switching between per-CPU and atomic counting, killing and reviving, against gets and
// puts (spec: core.md 6.1, T11, C67). One helper switches; all threads count.

import CFolio
package import FolioCore

package final class PercpuRound: StressRound {
  package static let scenario = StressScenario(
    "percpu", "percpu_ref mode switches, kill and resurrect against get and put"
  ) { try PercpuRound($0) }

  package let helpers = 1
  package let maps: [PageMap] = []
  package let coverage = [
    CoverageItem("references taken and given back"), CoverageItem("a mode switched"),
    CoverageItem("killed and revived while held"), CoverageItem("killed, released and begun anew"),
  ]
  private enum Item: Int { case count, switchMode, reviveHeld, reviveAtZero }
  private let settings: RoundSettings
  private let counter: Counter

  /// A percpu_ref with a count of its releases behind it.
  @safe
  private final class Counter: @unchecked Sendable {
    // @unchecked: percpu_ref is made for concurrent use; `releases` is a shared counter.
    @safe
    struct Words: ~Copyable {
      var ref = unsafe percpu_ref()
      var releases = atomic_t()
    }
    let words: UnsafeMutablePointer<Words>

    struct NoMemory: Error {}

    init() throws(NoMemory) {
      let memory = UnsafeMutableRawPointer.allocate(
        byteCount: MemoryLayout<Words>.size, alignment: 64)
      unsafe memory.initializeMemory(
        as: UInt8.self, repeating: 0, count: MemoryLayout<Words>.size)
      unsafe words = memory.assumingMemoryBound(to: Words.self)
      let result = unsafe percpu_ref_init(ref) { ref in
        let words = unsafe UnsafeMutableRawPointer(ref).assumingMemoryBound(to: Words.self)
        _ = unsafe atomic_add_return(1, &words.pointee.releases)
      }
      guard result == 0 else {
        unsafe memory.deallocate()
        throw NoMemory()
      }
    }

    deinit {
      unsafe percpu_ref_exit(ref)
      unsafe words.deallocate()
    }

    var ref: UnsafeMutablePointer<percpu_ref> {
      unsafe UnsafeMutableRawPointer(words).assumingMemoryBound(to: percpu_ref.self)
    }
    var releases: Int { Int(unsafe atomic_read(&words.pointee.releases)) }
  }

  init(_ settings: RoundSettings) throws {
    self.settings = settings
    counter = try Counter()
  }

  package func work(_ worker: inout Worker) {
    if worker.index < settings.threads { count(&worker) } else { switchModes(&worker) }
  }

  private func count(_ worker: inout Worker) {
    let ref = unsafe counter.ref
    while worker.isRunning {
      var held = 1 + worker.pick(4)
      if worker.pick(3) == 0 {
        if unsafe !percpu_ref_tryget_many(ref, UInt(held)) { held = 0 }
      } else {
        held = unsafe percpu_ref_tryget_live(ref) ? 1 : 0
      }
      worker.did()
      guard held > 0 else {
        cfolio_yield()
        continue
      }
      // A reference makes plain gets legal, whatever the switcher does meanwhile.
      let extra = worker.pick(4)
      unsafe percpu_ref_get_many(ref, UInt(extra))
      if worker.pick(8) == 0 { cfolio_yield() }
      for _ in 0..<extra { unsafe percpu_ref_put(ref) }
      unsafe percpu_ref_put_many(ref, UInt(held))
      worker.cover(Item.count)
    }
  }

  /// The helper: it alone owns the initial reference, so it alone kills and revives.
  private func switchModes(_ worker: inout Worker) {
    let ref = unsafe counter.ref
    while worker.isRunning {
      let choice = worker.pick(5)
      switch choice {
      case 0: unsafe percpu_ref_switch_to_atomic_sync(ref)
      case 1: unsafe percpu_ref_switch_to_atomic(ref, nil)
      case 2: unsafe percpu_ref_switch_to_percpu(ref)
      case 3: unsafe reviveHeld(ref)
      default: unsafe reviveAtZero(ref, &worker)
      }
      worker.cover(choice < 3 ? Item.switchMode : choice == 3 ? .reviveHeld : .reviveAtZero)
      worker.did()
      if worker.pick(4) == 0 { cfolio_sleep_ns(50_000) }
    }
  }

  /// Killed while a reference is held: it may not be released.
  private func reviveHeld(_ ref: UnsafeMutablePointer<percpu_ref>) {
    let before = counter.releases
    unsafe percpu_ref_get(ref)
    unsafe percpu_ref_kill(ref)
    settings.log.require(
      unsafe percpu_ref_is_dying(ref), "CI29", "a killed percpu_ref is not dying")
    unsafe percpu_ref_resurrect(ref)
    unsafe percpu_ref_put(ref)
    settings.log.require(
      counter.releases == before, "CI30", "a held percpu_ref was released")
  }

  /// Killed for good: released once, when the last reference goes; then begun anew.
  private func reviveAtZero(_ ref: UnsafeMutablePointer<percpu_ref>, _ worker: inout Worker) {
    let before = counter.releases
    unsafe percpu_ref_kill(ref)
    worker.enter("until a killed percpu_ref is released")
    while counter.releases == before { cfolio_yield() }
    settings.log.require(
      unsafe percpu_ref_is_zero(ref) && !percpu_ref_tryget_live(ref), "CI29",
      "a released percpu_ref gave a reference")
    unsafe percpu_ref_reinit(ref)
    settings.log.require(
      counter.releases == before + 1, "CI30",
      "released \(counter.releases - before) times in one life")
  }

  package func settle() {
    let ref = unsafe counter.ref
    rcu_barrier()
    let value = unsafe percpu_ref_value(ref)
    unsafe percpu_ref_switch_to_atomic_sync(ref)
    // The switch has woken us, but drops its own reference after that.
    rcu_barrier()
    let summed = unsafe percpu_ref_value(ref)
    settings.log.require(
      summed == 1, "CI28", "the count is \(summed) after every reference was given back")
    settings.log.require(
      value == summed, "CI28", "the value read \(value) before the switch, \(summed) after it")
  }

  package func close() throws(PageMapError) {
    let before = counter.releases
    unsafe percpu_ref_kill(counter.ref)
    // Atomic already: the initial reference was the last.
    settings.log.require(
      counter.releases == before + 1, "CI30", "the last reference did not release")
  }
}
