// SPDX-License-Identifier: MIT

// Which of a device's frames are taken: a bit for each, runs by first fit. For pools whose pages come
// home in the thread of the last put: it never blocks and needs no memory after it is made. Stands for
// the kernel's gen_pool.

import CFolio

/// Frames 0 ..< count, each free or taken. Any thread, any context.
@safe
final class FramePool: @unchecked Sendable {
  // @unchecked: the words are only touched under the spinlock.
  private let lock: UnsafeMutablePointer<spinlock_t>
  private let words: UnsafeMutablePointer<UInt>
  let count: Int

  /// - Throws: `outOfMemory`.
  init(_ count: Int) throws(MemoryError) {
    let bytes = (count + 63) / 64 * 8
    guard let lock = unsafe cfolio_zalloc(MemoryLayout<spinlock_t>.size) else {
      throw MemoryError(.outOfMemory)
    }
    guard let words = unsafe cfolio_zalloc(bytes) else {
      unsafe cfolio_free(lock)
      throw MemoryError(.outOfMemory)
    }
    unsafe self.lock = lock.bindMemory(to: spinlock_t.self, capacity: 1)
    unsafe self.words = words.bindMemory(to: UInt.self, capacity: bytes / 8)
    self.count = count
    unsafe spin_lock_init(self.lock, LockClass.framePool.pointer)
  }

  deinit {
    unsafe cfolio_free(words)
    unsafe cfolio_free(lock)
  }

  private func withLock<Result>(_ body: () -> Result) -> Result {
    unsafe spin_lock(lock)
    defer { unsafe spin_unlock(lock) }
    return body()
  }

  /// Context: the lock.
  private func isTaken(_ number: Int) -> Bool {
    unsafe words[number / 64] & (UInt(1) << UInt(number % 64)) != 0
  }

  /// Context: the lock.
  private func flip(_ number: Int) {
    unsafe words[number / 64] ^= UInt(1) << UInt(number % 64)
  }

  /// Takes the first run of so many free frames; its first one, or nil.
  func take(_ wanted: Int) -> Int? {
    withLock {
      var (start, length) = (0, 0)
      for number in 0..<count {
        if isTaken(number) {
          (start, length) = (number + 1, 0)
          continue
        }
        length += 1
        guard length == wanted else { continue }
        for taken in start..<(start + wanted) { flip(taken) }
        return start
      }
      return nil
    }
  }

  /// Gives taken frames back. Stops when one is free (CI27).
  func give(_ range: Range<Int>) {
    withLock {
      for number in range {
        require(isTaken(number), "CI27", nil, "a frame is given back to a pool that has it")
        flip(number)
      }
    }
  }

  /// Frames free now.
  var free: Int {
    withLock { (0..<count).reduce(0) { $0 + (isTaken($1) ? 0 : 1) } }
  }
}
