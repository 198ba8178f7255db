// SPDX-License-Identifier: MIT

// A wait until a word is not 0, or until it is, as most scenarios of waiting have one, and what can be
// said of how it went.

import CFolio

/// How a wait went.
struct FlagWait {
  /// 0 or time left, 0 when time ran out, or a negative error.
  let result: Int64
  /// How often the condition was asked: once when it held from the start, twice when it came true
  /// while the waiter was about to sleep, more often when it slept.
  let tests: Int
  /// What it said last.
  let met: Bool

  var hasSlept: Bool { tests > 2 }
  /// Ended by a cancellation.
  var isInterrupted: Bool { result < 0 }

  /// What the condition works on; lives on the waiting fiber's stack.
  @safe
  private struct Watched {
    var word: UnsafeMutablePointer<atomic_t>
    var untilZero: Bool
    var tests = 0
    var met = false
  }

  /// Waits on the word's address, or on `key`, until the word is not 0, or until it is.
  init(
    _ word: SharedWord, key: UnsafeRawPointer? = nil, untilZero: Bool = false,
    _ options: wait_options = unsafe wait_options()
  ) {
    var options = unsafe options
    var watched = unsafe Watched(word: word.address, untilZero: untilZero)
    let key = unsafe key ?? UnsafeRawPointer(word.address)
    result = unsafe wait_var_event_options(
      key,
      { context in
        let watched = unsafe context!.assumingMemoryBound(to: Watched.self)
        let isZero = unsafe atomic_read_acquire(watched.pointee.word) == 0
        let met = unsafe isZero == watched.pointee.untilZero
        unsafe watched.pointee.tests += 1
        unsafe watched.pointee.met = met
        return met
      }, &watched, &options)
    tests = watched.tests
    met = watched.met
  }
}

extension wait_options {
  /// Uninterruptible unless a token is given.
  @unsafe
  init(
    exclusive: Bool = false, timeout: Int64 = 0, state: task_state = TASK_UNINTERRUPTIBLE,
    token: UnsafeMutablePointer<cancellation>? = nil
  ) {
    unsafe self.init()
    unsafe self.state = state
    unsafe self.exclusive = exclusive
    unsafe timeout_ns = timeout
    unsafe self.token = token
  }
}
