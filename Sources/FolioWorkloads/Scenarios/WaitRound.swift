// SPDX-License-Identifier: MIT

// Waits against wakes (spec: core.md section 13, CI46-CI48, T4, C41). Threads pin pages, hand the
// pins to a dropper and wait until the page is idle, in every way there is. The dropper, which is
// also the monitor of liveness, is in WaitMonitor.swift, the tasks' waits are in TaskWaits.swift.

import CFolio
package import FolioCore

package final class WaitRound: StressRound {
  package static let scenario = StressScenario(
    "waits", "waits for idle pages against puts, mappings, timeouts and cancellations"
  ) { try WaitRound($0) }

  static let pages = 4

  package let helpers = 1
  package let maps: [PageMap]
  package let coverage = [
    CoverageItem("a sleep"), CoverageItem("an exclusive sleep"),
    CoverageItem("a task's wait begun"),
    CoverageItem("pins dropped by the helper"), CoverageItem("mappings made under a waiter's eyes"),
  ]
  enum Item: Int { case sleep, sleepExclusive, task, drop, remap }
  let settings: RoundSettings
  let map: PageMap
  let slots: [Slot]
  let waiters: [Waiter]
  let tasks: TaskWaits
  /// Threads that have not come to their end.
  let active: SharedCount

  /// One page.
  final class Slot: Sendable {
    let frame: UInt
    /// 1 while a thread raises the page or the monitor plays with it.
    let owner = SharedCount()
    /// Pins that the dropper must put.
    let pins = SharedCount()
    /// Changes of the page's counters that the scenario made.
    let changes = SharedCount()

    init(frame: UInt) { self.frame = frame }
  }

  /// What the monitor knows of one thread's wait.
  final class Waiter: Sendable {
    /// Index of the slot that the thread waits for, or -1.
    let slot = SharedCount(-1)
    /// Waits begun and ended.
    let turns = SharedCount()
    /// Bits of what was fired at the token since its last reset: 1 a signal, 2 a fatal one.
    let fired = SharedCount()
    /// 1 while somebody fires or resets the token: the two change together.
    let tokenOwner = SharedCount()
    let token = Cancellation()

    func withToken(_ body: () -> Void) {
      while !tokenOwner.tryLock() { cfolio_yield() }
      body()
      tokenOwner.unlock()
    }
  }

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    map = try settings.makeMap(.fsdax, pages: 512)
    maps = [map]
    slots = map.frames.prefix(Self.pages).map { Slot(frame: $0) }
    waiters = (0..<settings.threads).map { _ in Waiter() }
    active = SharedCount(settings.threads)
    tasks = TaskWaits(map: map, settings: settings)
  }

  package func work(_ worker: inout Worker) {
    guard worker.index < settings.threads else {
      var monitor = WaitMonitor(round: self)
      monitor.run(&worker)
      return
    }
    while worker.isRunning {
      let index = worker.pick(Self.pages)
      pin(slots[index], &worker)
      wait(index, &worker)
      worker.did()
    }
    active.add(-1)
  }

  /// Raises the page, or follows it, and leaves the reference to the dropper.
  private func pin(_ slot: Slot, _ worker: inout Worker) {
    guard slot.owner.tryLock() else { return }
    defer { slot.owner.unlock() }
    slot.changes.add()
    if unsafe try_get_folio(pfn_to_page(slot.frame), 1) == nil {
      unsafe folio_ref_inc(map.folio(slot.frame))
    }
    slot.changes.add()
    slot.pins.add()
  }

  private func wait(_ index: Int, _ worker: inout Worker) {
    let slot = slots[index]
    // As the busy scan does: who finds no reference but mappings' does not wait.
    guard unsafe folio_extra_refs(map.folio(slot.frame)) > 0 else { return }
    let waiter = waiters[worker.index]
    waiter.turns.add()
    waiter.slot.set(index)
    worker.enter("wait until idle", frame: slot.frame)
    let choice = worker.pick(6)
    worker.cover(choice < 4 ? Item.sleep : choice == 4 ? .sleepExclusive : .task)
    switch choice {
    case 0: sleep(slot, .uninterruptible, nil, waiter)
    case 1: sleep(slot, .uninterruptible, .microseconds(50 + worker.pick(2000)), waiter)
    case 2: sleep(slot, .interruptible(waiter.token), nil, waiter)
    case 3: sleep(slot, .killable(waiter.token), nil, waiter)
    case 4: sleepExclusive(slot)
    default: tasks.begin(frame: slot.frame, cancels: cancels(&worker))
    }
    waiter.slot.set(-1)
    waiter.turns.add()
  }

  /// One wait in `faultRate` is cancelled; without faults one in 64, so that the path is walked.
  func cancels(_ worker: inout Worker) -> Bool {
    worker.random.once(in: settings.faultRate > 0 ? settings.faultRate : 64)
  }

  private func sleep(_ slot: Slot, _ mode: WaitMode, _ timeout: Duration?, _ waiter: Waiter) {
    var code: PageMapError.Code?
    do throws(PageMapError) {
      try map.waitUntilIdle(frame: slot.frame, timeout: timeout, mode: mode)
    } catch {
      code = error.code
    }
    let fired = waiter.fired.value
    let isExplained =
      switch (code, mode) {
      case (nil, _): true
      case (.some(.timedOut), _): timeout != nil
      case (.some(.interrupted), .interruptible): fired != 0
      case (.some(.interrupted), .killable): fired & 2 != 0
      default: false
      }
    settings.log.require(
      isExplained, mode == .uninterruptible ? "CI48" : "CI47", frame: slot.frame,
      "a wait ended with \(code.map(\.description) ?? "success"), fired \(fired)")
    guard fired != 0 else { return }
    waiter.withToken {
      waiter.fired.set(0)
      waiter.token.reset()
    }
  }

  /// An exclusive waiter uses up the wake, so it hands it on when it is through.
  private func sleepExclusive(_ slot: Slot) {
    let folio = unsafe map.folio(slot.frame)
    var options = unsafe wait_options()
    unsafe options.exclusive = true
    let result = unsafe folio_wait_idle(folio, map.idleCondition.value, &options)
    settings.log.require(
      result == 0, "CI48", frame: slot.frame, "an uninterruptible wait returned \(result)")
    smp_mb()
    unsafe wake_up_var(cfolio_idle_key(folio, map.pgmap.pointee.rules))
  }

  package func settle() {
    tasks.drain()
    if let frame = map.firstBusyFrame {
      settings.log.add("CI1", frame: frame, "busy after every reference was given back")
    }
  }

  package func close() throws(PageMapError) {
    try map.unmap()
    guard !settings.isAudited, !cfolio_trace_enabled() else { return }
    // Nothing but a waiter is left that could keep the event word from 0.
    settings.log.require(!folio_events_pending(), "CI46", "a waiter is counted after the last wait")
  }
}

extension PageMap.IdleCondition {
  /// The condition as C knows it.
  var value: folio_idle_condition {
    switch self {
    case .idle: FOLIO_IDLE
    case .unpinned: FOLIO_UNPINNED
    }
  }
}
