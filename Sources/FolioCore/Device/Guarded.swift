// SPDX-License-Identifier: MIT

// A value behind a lock of the seam: the only lock that Swift code of the library takes.

import CFolio

/// A value that is only reached under its lock.
///
/// Context: may block; never inside an RCU read scope that the lock's holder waits for.
@safe
final class Guarded<Value>: @unchecked Sendable {
  // @unchecked: `value` is touched only between lock and unlock of `mutex`.
  private var value: Value
  private let mutex: UnsafeMutablePointer<mutex>
  private let lockClass: UnsafeMutablePointer<lock_class>

  /// - Parameter name: the class for the order checker; one class per call site of `init`.
  init(_ name: StaticString, _ value: Value) {
    self.value = value
    unsafe mutex = .allocate(capacity: 1)
    unsafe lockClass = .allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(lockClass).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<lock_class>.size)
    unsafe lockClass.pointee.name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(
      to: CChar.self)
    unsafe mutex_init(mutex, lockClass)
  }

  deinit {
    // The class number stays known to the order checker, so its storage is never reused.
    unsafe mutex.deallocate()
  }

  func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe mutex_lock(mutex)
    defer { unsafe mutex_unlock(mutex) }
    return try body(&value)
  }
}
