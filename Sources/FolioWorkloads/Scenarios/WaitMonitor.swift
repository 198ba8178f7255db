// SPDX-License-Identifier: MIT

// The other side of the waits scenario: one thread that drops the pins, maps pages under the eyes
// of their waiters, fires cancellations, and watches that nobody sleeps on although nothing keeps
// him.
//
// What "nobody sleeps on" means. A waiter is kept when its condition does not hold or some counter
// of its page changed lately. Otherwise it must come back: later than the limit is CI46. Under
// kernel rules a waiter may sleep although only mappings hold the page, because its condition asks
// for no reference at all: nothing but the end of the mapping ends that sleep. That is C41.

import CFolio
import FolioCore

struct WaitMonitor {
  let round: WaitRound
  /// Of each waiter: how it looked last and since when it has looked so, ns of the monotonic clock.
  private var looks: [Look]

  private struct Look {
    var turns = -1
    var changes = -1
    var since: Int64 = 0
    var isReported = false
  }

  /// A sleeper that nothing keeps comes back within this, ns. Generous: the machine may be busy.
  private static let limit: Int64 = 5_000_000_000
  /// A page that only mappings hold is called C41 when its waiter sleeps on for this long, ns.
  private static let stall: Int64 = 20_000_000

  init(round: WaitRound) {
    self.round = round
    looks = Array(repeating: Look(), count: round.waiters.count)
  }

  /// Runs until every waiter has come to its end and every pin is dropped.
  mutating func run(_ worker: inout Worker) {
    while round.active.value > 0 {
      for index in round.slots.indices {
        if worker.pick(4) == 0 {
          remap(index, &worker)
        } else {
          drop(round.slots[index], &worker)
        }
        worker.did()
      }
      round.tasks.fireSome(&worker)
      fire(&worker)
      watch()
      if worker.pick(2) == 0 { cfolio_sleep_ns(20_000) }
    }
    for slot in round.slots { drop(slot, &worker) }
  }

  private func drop(_ slot: WaitRound.Slot, _ worker: inout Worker) {
    while slot.pins.takeOne() {
      worker.cover(WaitRound.Item.drop)
      unsafe put_page(round.map.page(slot.frame))
      slot.changes.add()
    }
  }

  /// The story of H1: while a waiter sleeps, a fault maps the page again; then the last pin goes.
  private mutating func remap(_ index: Int, _ worker: inout Worker) {
    let slot = round.slots[index]
    guard slot.owner.tryLock() else { return }
    let map = round.map
    guard let folio = unsafe try_get_folio(map.page(slot.frame), 1) else {
      slot.owner.unlock()
      return
    }
    // The mapping owns the reference; a legacy mapping owns none.
    let isLegacy = round.settings.rules == .legacy
    slot.changes.add()
    if isLegacy { unsafe put_page(map.page(slot.frame)) }
    let dropsFirst = worker.pick(2) == 0
    if dropsFirst { drop(slot, &worker) }
    unsafe folio_add_file_rmap_ptes(folio, map.page(slot.frame), 1, 1)
    slot.changes.add()
    worker.cover(WaitRound.Item.remap)
    drop(slot, &worker)
    let patience = round.settings.rules == .kernel ? Self.stall * 2 : 200_000
    let end = cfolio_clock_ns() + patience
    repeat {
      watch()
      cfolio_yield()
    } while isAwaited(index) && cfolio_clock_ns() < end
    unsafe folio_remove_rmap_ptes(folio, map.page(slot.frame), 1, 1)
    if !isLegacy { unsafe put_page(map.page(slot.frame)) }
    slot.changes.add()
    slot.owner.unlock()
  }

  private func isAwaited(_ index: Int) -> Bool {
    round.waiters.contains { $0.slot.value == index }
  }

  private func fire(_ worker: inout Worker) {
    guard round.cancels(&worker) else { return }
    let waiter = round.waiters[worker.pick(round.waiters.count)]
    let isFatal = worker.pick(2) == 0
    waiter.withToken {
      // Noted before: who sees the token fired sees the note.
      waiter.fired.set(waiter.fired.value | (isFatal ? 2 : 1))
      waiter.token.fire(fatal: isFatal)
    }
  }

  private mutating func watch() {
    let now = cfolio_clock_ns()
    for (index, waiter) in round.waiters.enumerated() {
      let slotIndex = waiter.slot.value
      let turns = waiter.turns.value
      guard slotIndex >= 0 else {
        looks[index].turns = -1
        continue
      }
      let slot = round.slots[slotIndex]
      let changes = slot.changes.value
      if looks[index].turns != turns || looks[index].changes != changes || slot.pins.value > 0 {
        looks[index] = Look(turns: turns, changes: changes, since: now)
        continue
      }
      guard !looks[index].isReported else { continue }
      judge(index, slot, asleep: now - looks[index].since)
    }
  }

  /// The waiter's page has not changed for so long and no pin is left.
  private mutating func judge(_ index: Int, _ slot: WaitRound.Slot, asleep: Int64) {
    let map = round.map
    let folio = unsafe map.folio(slot.frame)
    let (references, mappings) = unsafe (folio_ref_count(folio), folio_mapcount(folio))
    if map.isIdle(frame: slot.frame), asleep > Self.limit {
      looks[index].isReported = true
      round.settings.log.add(
        "CI46", frame: slot.frame,
        "thread \(index) sleeps on for \(asleep / 1_000_000) ms: R \(references), M \(mappings)")
      // So that the round can end.
      unsafe wake_up_var(cfolio_idle_key(folio, map.pgmap.pointee.rules))
    } else if map.idleCondition == .idle, unsafe folio_extra_refs(folio) == 0, mappings > 0,
      !map.isIdle(frame: slot.frame), asleep > Self.stall
    {
      looks[index].isReported = true
      round.settings.log.add(
        "C41", frame: slot.frame,
        "CI46: thread \(index) has slept for \(asleep / 1_000_000) ms since the last pin went:"
          + " R \(references), M \(mappings), no wake will come before the mapping goes")
    }
  }
}
