// SPDX-License-Identifier: MIT

// Whether a device may still be used. What uses it asks in front of each use and is then waited for by
// whoever ends the device. Mirrors dax_read_lock(), dax_alive() and kill_dax(); the readers are SRCU's,
// because a use may block.

import CFolio

/// The life of one device: from `init` to `end()`, with uses in between.
///
/// A use that saw the device alive ends in front of the return of `end()`: the word is written, FULL,
/// before the readers are waited for, and a use reads it behind the FULL beginning of its section. So
/// either the use sees the end, or the end waits for the use.
@safe
final class Liveness: @unchecked Sendable {
  // @unchecked: words of C that are shared by design.
  private let words: UnsafeMutablePointer<Words>

  @safe
  private struct Words: ~Copyable {
    var uses: srcu_struct
    /// 1 once the end has begun.
    var isDead: atomic_t
  }

  /// - Throws: `outOfMemory`.
  init() throws(MemoryError) {
    guard let memory = unsafe cfolio_zalloc(MemoryLayout<Words>.size) else {
      throw MemoryError(.outOfMemory)
    }
    let words = unsafe memory.assumingMemoryBound(to: Words.self)
    guard unsafe init_srcu_struct(&words.pointee.uses) == 0 else {
      unsafe cfolio_free(memory)
      throw MemoryError(.outOfMemory)
    }
    // Last: with all properties there, `deinit` runs even if `init` throws.
    unsafe self.words = unsafe words
  }

  deinit {
    unsafe cleanup_srcu_struct(&words.pointee.uses)
    unsafe cfolio_free(words)
  }

  /// A snapshot.
  var isAlive: Bool { unsafe atomic_read(&words.pointee.isDead) == 0 }

  /// Begins a use: its number for `leave`, or nil because the device is dead. Never blocks.
  func enter() -> Int32? {
    let number = unsafe srcu_read_lock(&words.pointee.uses)
    if isAlive { return number }
    leave(number)
    return nil
  }

  func leave(_ number: Int32) { unsafe srcu_read_unlock(&words.pointee.uses, number) }

  /// No use begins any more, and none is in progress. May be called again. Context: may block; not in
  /// a use, and with no lock that a use takes.
  func end() {
    unsafe _ = atomic_xchg(&words.pointee.isDead, 1)
    if !isMutant(MUTANT_P115) { unsafe synchronize_srcu(&words.pointee.uses) }
  }
}
