// SPDX-License-Identifier: MIT

// T4: the put that makes a page idle against a waiter that goes to sleep, by callback and by the
// sleeping thread's own steps.

import CFolio
import FolioCore
import TestSupport
import Testing

extension LitmusTests {
  @Test("T4: a callback waiter sees the page idle or is resumed by the put")
  func t4Callback() async throws { await expectLitmus("t4Callback", try WakeAgainstCallback()) }

  @Test("T4: a sleeping waiter sees the page idle or is set running by the put")
  func t4Sleeper() async throws { await expectLitmus("t4Sleeper", try WakeAgainstSleeper()) }
}

/// What both forms of T4 can show.
enum WakeOutcome: String, LitmusOutcome {
  case sawIdle = "B sees the page idle"
  case woken = "B waits, A wakes it"
  case lost = "B waits and A did not wake it"
  case twice = "B is continued twice"
  var verdict: LitmusVerdict {
    switch self {
    case .sawIdle, .woken: .required
    case .lost, .twice: .forbidden
    }
  }
}

/// A: folio_put to 0. B: folio_idle_callback_begin.
@safe
final class WakeAgainstCallback: LitmusShape {
  typealias Outcome = WakeOutcome

  let count = 256
  private let pages: RacePages
  private nonisolated(unsafe) let waits: UnsafeMutablePointer<folio_idle_callback>
  private let waiting = PlainWords(256)
  private let resumed = PlainWords(256)

  init() throws {
    unsafe waits = .allocate(capacity: 256)
    pages = try RacePages(runs: 256)
  }

  deinit {
    unsafe waits.deallocate()
  }

  func prepare(_ index: Int) {
    (waiting[index], resumed[index]) = (0, 0)
    unsafe UnsafeMutableRawPointer(waits + index).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<folio_idle_callback>.size)
    unsafe set_page_count(pages.page(index), 1)
  }

  func first(_ index: Int) {
    unsafe folio_put(pages.folio(index))
  }

  func second(_ index: Int) {
    let done = unsafe folio_idle_callback_begin(
      waits + index, pages.folio(index), FOLIO_IDLE,
      { callback in
        unsafe callback.pointee.context!.assumingMemoryBound(to: Int.self).pointee += 1
      }, resumed.address(index))
    if !done { waiting[index] = 1 }
  }

  func outcome(_ index: Int) -> WakeOutcome {
    // The wait begins with its callback.
    let callback = unsafe UnsafeMutableRawPointer(waits + index)
      .assumingMemoryBound(to: wait_callback.self)
    let left = unsafe wait_callback_cancel(callback)
    switch (waiting[index] == 1, resumed[index]) {
    case (false, 0): return left ? .lost : .sawIdle
    case (true, 1): return .woken
    case (true, 0): return .lost
    default: return .twice
    }
  }
}

/// A: folio_put to 0. B: prepare_to_wait_event, then reads R.
@safe
final class WakeAgainstSleeper: LitmusShape {
  typealias Outcome = WakeOutcome

  let count = 256
  private let pages: RacePages
  // Two arrays of C structures: only C touches what is in them.
  private nonisolated(unsafe) let sleepers: UnsafeMutablePointer<sleeper>
  private nonisolated(unsafe) let entries: UnsafeMutablePointer<wait_bit_queue_entry>
  private let waiting = PlainWords(256)

  init() throws {
    unsafe sleepers = .allocate(capacity: 256)
    unsafe entries = .allocate(capacity: 256)
    pages = try RacePages(runs: 256)
  }

  deinit {
    unsafe sleepers.deallocate()
    unsafe entries.deallocate()
  }

  func prepare(_ index: Int) {
    waiting[index] = 0
    unsafe set_page_count(pages.page(index), 1)
  }

  func first(_ index: Int) {
    unsafe folio_put(pages.folio(index))
  }

  func second(_ index: Int) {
    let entry = unsafe entries + index
    unsafe init_sleeper(sleepers + index, nil)
    unsafe init_wait_var_entry(entry, pages.page(index), sleepers + index, 0)
    let queued = unsafe queued(entry)
    unsafe _ = prepare_to_wait_event(
      __var_waitqueue(pages.page(index)), queued, TASK_UNINTERRUPTIBLE)
    if unsafe folio_ref_count(pages.folio(index)) != 0 { waiting[index] = 1 }
  }

  func outcome(_ index: Int) -> WakeOutcome {
    // The sleeper begins with its state.
    let state = unsafe UnsafeMutableRawPointer(sleepers + index)
      .assumingMemoryBound(to: atomic_t.self)
    let running = unsafe atomic_read(state) == Int32(TASK_RUNNING.rawValue)
    unsafe finish_wait_var(entries + index)
    if waiting[index] == 0 { return .sawIdle }
    return running ? .woken : .lost
  }

  /// The queue's part of an entry.
  private func queued(
    _ entry: UnsafeMutablePointer<wait_bit_queue_entry>
  ) -> UnsafeMutablePointer<wait_queue_entry> {
    let offset = unsafe MemoryLayout<wait_bit_queue_entry>.offset(of: \.wq_entry)!
    return unsafe UnsafeMutableRawPointer(entry).advanced(by: offset)
      .assumingMemoryBound(to: wait_queue_entry.self)
  }
}
