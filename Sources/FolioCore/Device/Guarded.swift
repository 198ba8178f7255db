// SPDX-License-Identifier: MIT

// A value behind a lock of the seam: the only lock that Swift code of the library takes.

import CFolio

/// One kind of lock, as the order checker knows it. Lives for ever.
@safe
struct LockClass: @unchecked Sendable {
  // @unchecked: the C structure holds a constant name and an atomic number.
  let pointer: UnsafeMutablePointer<lock_class>

  init(_ name: StaticString) {
    unsafe pointer = .allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(pointer).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<lock_class>.size)
    unsafe pointer.pointee.name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(
      to: CChar.self)
  }

  static let pageMap = LockClass("page map")
  static let leftovers = LockClass("leftover maps")
  static let retiredFrames = LockClass("retired frames")
  static let systemMemory = LockClass("system memory")
  static let framePool = LockClass("frame pool")
  static let spaceIdentities = LockClass("address space identities")
}

/// A value that is only reached under its lock.
///
/// Context: may block; never inside an RCU read scope that the lock's holder waits for.
@safe
final class Guarded<Value>: @unchecked Sendable {
  // @unchecked: `value` is touched only between lock and unlock of `mutex`.
  private var value: Value
  private let mutex: UnsafeMutablePointer<mutex>

  init(_ lockClass: LockClass, _ value: Value) {
    self.value = value
    unsafe mutex = .allocate(capacity: 1)
    unsafe mutex_init(mutex, lockClass.pointer)
  }

  deinit {
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
