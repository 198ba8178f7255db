// SPDX-License-Identifier: MIT

// One waiter for the idleness of a page that parks no thread, so that a test can look at it between
// two steps.

import CFolio
import TestSupport

/// A callback wait on a folio: begun, then resumed by a wake or cancelled at the end of its life.
@safe
final class IdleWaiter: @unchecked Sendable {
  // @unchecked: the C structure orders begin, wake and cancel; `resumes` is written under its lock.
  private let wait: UnsafeMutablePointer<folio_idle_callback>
  private let resumes = PlainWords(1)
  private var waits = false

  init() {
    unsafe wait = .allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(wait).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<folio_idle_callback>.size)
  }

  deinit {
    cancel()
    unsafe wait.deallocate()
  }

  /// True: the condition holds, nothing is waited for.
  @discardableResult
  func begin(
    _ folio: UnsafeMutablePointer<folio>, _ condition: folio_idle_condition
  ) -> Bool {
    let done = unsafe folio_idle_callback_begin(
      wait, folio, condition,
      { callback in
        unsafe callback.pointee.context!.assumingMemoryBound(to: Int.self).pointee += 1
      }, resumes.address(0))
    waits = !done
    return done
  }

  /// Whether the waiter was told to go on. Context: no wake is in progress.
  var isResumed: Bool { resumes[0] > 0 }

  /// What a waiter's loop does: told to go on it tests the condition and, if it does not hold,
  /// waits again. True: it stopped waiting. Context: no wake is in progress.
  func stopsWaiting(
    _ folio: UnsafeMutablePointer<folio>, _ condition: folio_idle_condition
  ) -> Bool {
    guard isResumed else { return false }
    if unsafe folio_is_idle(folio, condition) { return true }
    resumes[0] = 0
    return unsafe begin(folio, condition)
  }

  /// Takes the entry out of its queue if it is still there.
  func cancel() {
    if waits { unsafe _ = wait_callback_cancel(&wait.pointee.callback) }
    waits = false
  }
}
