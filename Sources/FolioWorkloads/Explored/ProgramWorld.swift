// SPDX-License-Identifier: MIT

// A scenario's world made of closures: what each thread does, what must hold at the end, how memory
// goes back. For scenarios that need no type of their own. And what those have in common: memory
// from the seam, the wait table, reports.

import CFolio
import FolioCore

/// A world whose threads are closures over words and pointers that do not change.
final class ProgramWorld: ScenarioWorld {
  let threads: [ScenarioThread]
  private var bodies: [() -> Void]
  private var end: () -> Void
  private var step: (() -> Void)?
  private var undo: () -> Void

  /// - Parameters:
  ///   - threads: name and body; equal names run the same code over the same words.
  ///   - check: after each step.
  ///   - conclude: after each execution.
  ///   - tearDown: gives memory back.
  init(
    _ threads: [(name: String, body: () -> Void)], check: (() -> Void)? = nil,
    conclude: @escaping () -> Void, tearDown: @escaping () -> Void
  ) {
    self.threads = threads.map { thread in
      ScenarioThread(thread.name, group: threads.firstIndex { $0.name == thread.name }! + 1)
    }
    bodies = threads.map(\.body)
    step = check
    end = conclude
    undo = tearDown
  }

  var checksSteps: Bool { step != nil }
  func run(_ thread: Int) {
    let body = bodies[thread]
    body()
  }
  func check() { step?() }
  func conclude() { end() }
  /// What the closures own goes here too, where memory goes back to the seam.
  func tearDown() {
    undo()
    (bodies, end, step, undo) = ([], {}, nil, {})
  }
}

/// Zeroed memory of the seam for C structures, one after the other, and `extra` bytes behind them.
@unsafe
func seamMemory<Value: ~Copyable>(
  _ type: Value.Type, count: Int = 1, extra: Int = 0
) throws(ScenarioMemoryError) -> UnsafeMutablePointer<Value> {
  guard let memory = unsafe cfolio_zalloc(count * MemoryLayout<Value>.stride + extra) else {
    throw ScenarioMemoryError()
  }
  return unsafe memory.bindMemory(to: Value.self, capacity: count)
}

/// Reports a broken invariant.
func report(_ invariant: StaticString, _ text: StaticString) {
  func chars(_ string: StaticString) -> UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
  }
  unsafe cfolio_violation_text(chars(invariant), UInt.max, chars(text))
}

/// Reports unless the condition holds.
func require(_ condition: Bool, _ invariant: StaticString, _ text: StaticString) {
  if !condition { report(invariant, text) }
}

/// At the end, when no wait is left. A legacy map keeps a bit of the event word up; else only waiters
/// could.
func requireNoWaiter(_ rules: PageMap.Rules = .strict) {
  require(
    rules == .legacy || !folio_events_pending(), "CI46", "a waiter is counted at the end")
}

/// Makes the wait table, which otherwise the first waiter makes: that must not be a fiber.
func readyWaitTable() {
  var word = atomic_t()
  var callback = unsafe wait_callback()
  unsafe wait_callback_begin(&callback, &word, { _ in }, nil)
  unsafe _ = wait_callback_cancel(&callback)
}
