// SPDX-License-Identifier: MIT

// A value that the threads of a stress round share, under a lock that ThreadSanitizer sees:
// Synchronization's Mutex is in a library that is not instrumented.

import Glibc

/// A value that is only reached under its lock. Any thread; `withLock` may block.
@safe
final class SharedValue<Value: Sendable>: @unchecked Sendable {
  // @unchecked: `value` is touched only between lock and unlock of `mutex`.
  private var value: Value
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  init(_ value: Value) {
    self.value = value
    unsafe mutex = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body(&value)
  }
}
