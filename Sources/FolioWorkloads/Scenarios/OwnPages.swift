// SPDX-License-Identifier: MIT

// Private memory of one address space in scenarios: each page is written by one thread at a time, by
// stores and, while it is pinned, past the tables as a device does. Whatever others do meanwhile - fork,
// migrate, discard - both ways have to lead to the same page.

import CFolio
import FolioCore

final class OwnPages: Sendable {
  let space: MemoryMap
  let area: MemoryArea
  private let settings: RoundSettings
  /// Others discard pages: stores may be lost, what a pin holds may not.
  private let isDiscarded: Bool
  /// Per page: 1 while a thread writes it.
  private let owners: [SharedCount]
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
    // Not the zero page, which a pin for reading would lead to, and a store away from.
    guard !isDiscarded else { return }
    for page in 0..<pages { try space.store(word(page), at: area.address(ofPage: page)) }
  }

  /// Whether a page is pinned by its writer. A snapshot.
  var isPinned: Bool { pinned.value > 0 }

  func word(_ page: Int) -> UInt { PageWord.of(page, serial.add()) }

  /// A word that the page, or a copy of it, may hold: of the page, or 0.
  func check(_ word: UInt, of page: Int, _ way: String) {
    settings.log.require(
      word == 0 || word >> 32 == UInt(page + 1), "CI40",
      "\(way) page \(page) of private memory found \(String(word, radix: 16))")
  }

  /// What came of one turn of a page's writer.
  enum Turn { case stored, pinned, failed, taken }

  /// Writes one page and looks whether it stays. `failed`: for want of memory.
  func write(_ worker: inout Worker, pinning: Bool) throws(MemoryError) -> Turn {
    let page = worker.pick(owners.count)
    guard owners[page].tryLock() else { return .taken }
    defer { owners[page].unlock() }
    return try pinning ? writePinned(page, &worker) : store(page, &worker)
  }

  private func store(_ page: Int, _ worker: inout Worker) throws(MemoryError) -> Turn {
    let address = area.address(ofPage: page)
    let word = word(page)
    try space.store(word, at: address)
    if worker.pick(2) == 0 { cfolio_yield() }
    let found = try space.load(address)
    settings.log.require(
      found == word || (isDiscarded && found == 0), "CI40",
      "a store of \(String(word, radix: 16)) was lost: \(String(found, radix: 16))")
    return .stored
  }

  private func writePinned(_ page: Int, _ worker: inout Worker) throws(MemoryError) -> Turn {
    let address = area.address(ofPage: page)
    let pins = try space.pin(address..<(address + MemoryMap.pageSize), .write)
    let frame = pins[0]
    guard let memory = unsafe cfolio_frame_word(frame) else { return .failed }
    pinned.add()
    defer { pinned.add(-1) }
    for _ in 0..<2 {
      let word = word(page)
      unsafe settings.write(word, to: memory, frame: frame, &worker)
      if isDiscarded { continue }
      let found = try space.load(address)
      settings.log.require(
        found == word, "CI42", frame: frame,
        "the address of a pinned page leads to another one: \(String(found, radix: 16))")
      let stored = self.word(page)
      try space.store(stored, at: address)
      let seen = unsafe shared_read(memory)
      settings.log.require(
        seen == stored, "CI42", frame: frame, "a store to a pinned page went to another one")
    }
    pins.release()
    return .pinned
  }
}
