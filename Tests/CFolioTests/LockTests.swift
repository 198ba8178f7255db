// SPDX-License-Identifier: MIT

// Locks: exclusion between threads, the bit lock, and the order checker of debug builds.

import CFolio
import FolioCore
import Testing

/// A lock with a class of its own.
@safe
private final class TestLock: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<spinlock_t>
  private let lockClass: UnsafeMutablePointer<lock_class>

  init(_ name: StaticString) {
    unsafe lockClass = .allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(lockClass).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<lock_class>.size)
    unsafe lockClass.pointee.name = UnsafeRawPointer(name.utf8Start).assumingMemoryBound(
      to: CChar.self)
    unsafe pointer = .allocate(capacity: 1)
    unsafe spin_lock_init(pointer, lockClass)
  }

  deinit {
    unsafe pointer.deallocate()
    unsafe lockClass.deallocate()
  }
}

/// A plain number that only a lock protects.
private final class Unprotected: @unchecked Sendable {
  var value = 0
}

@Suite("Locks")
struct LockTests {
  @Test("a spinlock excludes: no increment of a plain number is lost")
  func exclusion() async {
    let lock = TestLock("test exclusion")
    let number = Unprotected()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<5000 {
            unsafe spin_lock(lock.pointer)
            number.value += 1
            unsafe spin_unlock(lock.pointer)
          }
        }
      }
    }
    #expect(number.value == 20_000)
    #expect(unsafe !spin_is_locked(lock.pointer))
  }

  @Test("trylock takes a free lock and leaves a held one alone")
  func trylock() {
    let lock = TestLock("test trylock")
    #expect(unsafe spin_trylock(lock.pointer))
    #expect(unsafe !spin_trylock(lock.pointer) && spin_is_locked(lock.pointer))
    unsafe spin_unlock(lock.pointer)
  }

  #if DEBUG
    @Test("debug builds stop at the first order that closes a cycle")
    func order() async {
      let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let (first, second) = (TestLock("test first"), TestLock("test second"))
        unsafe spin_lock(first.pointer)
        unsafe spin_lock(second.pointer)
        unsafe spin_unlock(second.pointer)
        unsafe spin_unlock(first.pointer)
        unsafe spin_lock(second.pointer)
        unsafe spin_lock(first.pointer)
      }
      let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
      #expect(text.contains("folio: BUG LOCK: test first taken under test second"))
    }

    @Test("a lock that was only tried is not an order")
    func triedOrder() {
      let (first, second) = (TestLock("test outer"), TestLock("test inner"))
      unsafe spin_lock(first.pointer)
      unsafe spin_lock(second.pointer)
      unsafe spin_unlock(second.pointer)
      unsafe spin_unlock(first.pointer)
      unsafe spin_lock(second.pointer)
      #expect(unsafe spin_trylock(first.pointer))
      unsafe spin_unlock(first.pointer)
      unsafe spin_unlock(second.pointer)
    }
  #endif
}
