// SPDX-License-Identifier: MIT

// A payload of a scenario: what the order of other accesses has to protect.

import CFolio

/// A 32-bit word that is read and written plainly, as the contents of a page are. Its memory comes
/// from the seam. Under C11 two accesses of different threads, one of them a write, that nothing
/// orders are a violation, DATA-RACE.
///
/// Any thread, as far as something else orders the accesses.
@safe
public struct PlainWord: @unchecked Sendable {
  // @unchecked: whoever uses it says who may touch it when; the lab checks it.
  private let word: UnsafeMutablePointer<Int32>
  private let site: UnsafeMutablePointer<seam_site>

  /// A word with this name in traces. Context: while a world is made.
  public init(_ name: StaticString, _ value: Int32 = 0) throws(ScenarioMemoryError) {
    guard let memory = unsafe cfolio_zalloc(64) else { throw ScenarioMemoryError() }
    unsafe word = memory.bindMemory(to: Int32.self, capacity: 1)
    unsafe site = SharedWord.site(name)
    unsafe word.pointee = value
  }

  /// A plain load.
  public func read() -> Int32 { unsafe cfolio_plain_read(site, word) }

  /// A plain store.
  public func write(_ value: Int32) { unsafe cfolio_plain_write(site, word, value) }

  /// Gives the memory back. The word is not used any more.
  public func free() { unsafe cfolio_free(word) }
}
