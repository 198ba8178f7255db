// SPDX-License-Identifier: MIT

// How the threads of a test hand control to each other: a flag that one raises and another waits
// for, polling with a limit, a body that runs on a thread of its own while the task is suspended.

import CFolio

/// Runs the body on a thread of its own and suspends until it returns.
package func onNativeThread<Result: Sendable>(
  _ body: @escaping @Sendable () -> Result
) async -> Result {
  var thread: NativeThread?
  let result = await withCheckedContinuation { continuation in
    thread = NativeThread { continuation.resume(returning: body()) }
  }
  // It ends right after the resumption.
  thread!.join()
  return result
}

/// Looks at the condition until it holds or the time is over; true: it held.
package func poll(milliseconds: Int, _ condition: () -> Bool) -> Bool {
  let deadline = cfolio_clock_ns() + Int64(milliseconds) * 1_000_000
  while !condition() {
    if cfolio_clock_ns() >= deadline { return condition() }
    cfolio_sleep_ns(50_000)
  }
  return true
}

/// A flag that one thread raises for another. REL/ACQ.
@safe
package final class Flag: @unchecked Sendable {
  // @unchecked: the word is atomic.
  private let word: UnsafeMutablePointer<atomic_t>

  package init() {
    unsafe word = .allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(word).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<atomic_t>.size)
  }

  deinit {
    unsafe word.deallocate()
  }

  package var isRaised: Bool { unsafe atomic_read_acquire(word) != 0 }

  package func raise() {
    unsafe atomic_set_release(word, 1)
  }

  /// Sleeps until the flag is raised; false when it takes longer than ten seconds.
  @discardableResult
  package func wait() -> Bool {
    poll(milliseconds: 10_000) { isRaised }
  }
}
