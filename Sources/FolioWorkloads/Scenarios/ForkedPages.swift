// SPDX-License-Identifier: MIT

// What a fork made of private memory, as one thread uses it in scenarios. No word is written twice, so
// what a page may hold is known: at first what the parent wrote last, or while it forked; then what
// was seen there; then what this thread writes.

import CFolio
import FolioCore

/// A copy of a parent's pages, one thread's own.
struct ForkedPages {
  let space: MemoryMap
  private let parent: OwnPages
  /// Per page: what it may hold. One word, once it was seen or written.
  private var words: [ClosedRange<UInt>]

  init(_ space: MemoryMap, of parent: OwnPages, holding words: [ClosedRange<UInt>]) {
    self.space = space
    self.parent = parent
    self.words = words
  }

  /// Its own child, which holds what it holds.
  func fork() throws(MemoryError) -> ForkedPages {
    ForkedPages(try space.fork(), of: parent, holding: words)
  }

  /// Notes a word that the page may not hold. It has to hold the same from now on.
  mutating func check(_ found: UInt, of page: Int, frame: UInt? = nil, _ way: String) {
    let known = words[page]
    let (low, high) = (known.lowerBound, known.upperBound)
    parent.settings.log.require(
      known.contains(found), frame == nil ? "CI40" : "CI42", frame: frame,
      "\(way) page \(page) found \(String(found, radix: 16)), not "
        + "\(String(low, radix: 16))...\(String(high, radix: 16))")
    words[page] = found...found
  }

  mutating func load(_ page: Int, _ way: String) throws(MemoryError) {
    check(try space.load(parent.area.address(ofPage: page)), of: page, way)
  }

  mutating func store(_ page: Int) throws(MemoryError) {
    let word = parent.word(page)
    try space.store(word, at: parent.area.address(ofPage: page))
    words[page] = word...word
  }

  /// Writes a page past the tables. Context: it is pinned for writing.
  mutating func write(_ page: Int, to memory: UnsafeMutablePointer<shared_t>) {
    let word = parent.word(page)
    unsafe shared_set(memory, word)
    words[page] = word...word
  }
}
