// SPDX-License-Identifier: MIT

// Private memory of one address space in scenarios: each page is written by one thread at a time, by
// stores and, while it is pinned, past the tables as a device does. Whatever others do meanwhile - fork,
// migrate, discard - both ways have to lead to the same page, and to what was written last.

import CFolio
import FolioCore

final class OwnPages: Sendable {
  let space: MemoryMap
  let area: MemoryArea
  let settings: RoundSettings
  /// Others discard pages: what was written may be lost, but not from under a pin.
  private let isDiscarded: Bool
  /// Per page: a lock, which its writer has.
  private let owners: [SharedCount]
  /// Per page: the word that was written last; 0: none was. Context of a change: the page's lock.
  private let last: [SharedCount]
  private let serial = SharedCount()
  /// Pins open now; for coverage.
  private let pinned = SharedCount()

  init(
    _ settings: RoundSettings, _ space: MemoryMap, pages: Int, at address: UInt, isDiscarded: Bool
  ) throws(MemoryError) {
    self.settings = settings
    self.space = space
    self.isDiscarded = isDiscarded
    area = try space.map(pages: pages, [.read, .write], .private, at: .fixed(address))
    owners = (0..<pages).map { _ in SharedCount() }
    last = (0..<pages).map { _ in SharedCount() }
    // Not the zero page, which a pin for reading would lead to, and a store away from.
    guard !isDiscarded else { return }
    for page in 0..<pages { try store(page) }
  }

  /// Whether a page is pinned by its writer. A snapshot.
  var isPinned: Bool { pinned.value > 0 }

  /// What no page has held yet; more than what was made before for the page.
  func word(_ page: Int) -> UInt { PageWord.of(page, serial.add()) }

  private func lastWord(of page: Int) -> UInt { UInt(bitPattern: last[page].value) }

  /// Notes a word that was not written last. Context: the page's lock, or nobody writes.
  private func check(
    _ found: UInt, of page: Int, as invariant: String = "CI40", frame: UInt? = nil, _ way: String
  ) {
    let word = lastWord(of: page)
    settings.log.require(
      found == word || (isDiscarded && found == 0), invariant, frame: frame,
      "\(way) page \(page) of private memory found \(String(found, radix: 16)), not "
        + String(word, radix: 16))
  }

  private func verify(_ page: Int, _ way: String) throws(MemoryError) {
    check(try space.load(area.address(ofPage: page)), of: page, way)
  }

  /// All pages hold what was written last. Context: quiescent.
  func verify() {
    for page in 0..<owners.count {
      settings.insist("a load at the end") { try verify(page, "a load at the end of") }
    }
  }

  /// A child of the address space, for the calling thread alone.
  func fork() throws(MemoryError) -> ForkedPages {
    let before = (0..<owners.count).map { lastWord(of: $0) }
    let child = try space.fork()
    // What is made from now on the child does not get.
    let serial = serial.value
    return ForkedPages(
      child, of: self,
      holding: before.enumerated().map { page, word in word...PageWord.of(page, serial) })
  }

  // MARK: turns

  /// What came of one turn of a page's writer.
  enum Turn { case stored, pinned, failed, taken }

  /// Writes one page and looks whether it stays. `failed`: for want of memory.
  func write(_ worker: inout Worker, pinning: Bool) throws(MemoryError) -> Turn {
    let page = worker.pick(owners.count)
    guard owners[page].tryLock() else { return .taken }
    defer { owners[page].unlock() }
    // Not always: stores and pins shall find pages where others have moved them.
    if worker.pick(2) == 0 { try verify(page, "a load in front of a turn of") }
    if pinning { return try writePinned(page, &worker) }
    try store(page)
    if worker.pick(2) == 0 { cfolio_yield() }
    try verify(page, "a load behind a store to")
    return .stored
  }

  /// Context: the page's lock, or nobody else knows it.
  private func store(_ page: Int) throws(MemoryError) {
    let word = word(page)
    try space.store(word, at: area.address(ofPage: page))
    last[page].set(Int(bitPattern: word))
  }

  private func writePinned(_ page: Int, _ worker: inout Worker) throws(MemoryError) -> Turn {
    let address = area.address(ofPage: page)
    let pins = try space.pin(address..<(address + MemoryMap.pageSize), .write)
    let frame = pins[0]
    guard let memory = unsafe cfolio_frame_word(frame) else { return .failed }
    pinned.add()
    defer { pinned.add(-1) }
    check(unsafe shared_read(memory), of: page, frame: frame, "a pin of")
    for _ in 0..<2 {
      let word = word(page)
      unsafe settings.write(word, to: memory, frame: frame, &worker)
      last[page].set(Int(bitPattern: word))
      if isDiscarded { continue }
      check(try space.load(address), of: page, as: "CI42", frame: frame, "a load beside a pin of")
      try store(page)
      check(
        unsafe shared_read(memory), of: page, as: "CI42", frame: frame, "a pin behind a store to")
    }
    pins.release()
    return .pinned
  }
}
