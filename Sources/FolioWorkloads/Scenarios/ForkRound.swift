// SPDX-License-Identifier: MIT

// Fork of private memory against stores, pins and other forks (spec: core.md section 11, T5, T6, CI42,
// CI43). Pages of the parent are written by one thread each, by stores and through pins; what is pinned
// stays the parent's. Children are one thread's own, so what they hold is known exactly.

import CFolio
package import FolioCore

package final class ForkRound: StressRound {
  package static let scenario = StressScenario(
    "memory-fork", "fork of private memory against stores and fast pins"
  ) { try ForkRound($0) }

  private static let pages = 12

  package let maps: [PageMap] = []
  package let coverage: [CoverageItem]
  private enum Item: Int { case fork, store, pin, beside, child, grandchild }
  private let settings: RoundSettings
  private let own: OwnPages
  private let leaks: MemoryLeaks

  init(_ settings: RoundSettings) throws {
    self.settings = settings
    let space = try settings.makeSpace(tableShift: 2)
    leaks = MemoryLeaks()
    own = try OwnPages(
      settings, space, pages: Self.pages, at: 18 * MemoryMap.pageSize, isDiscarded: false)
    coverage = [
      CoverageItem("a fork"), CoverageItem("a page stored to"),
      CoverageItem("a page written while pinned"),
      CoverageItem("a fork beside a pin", isRequired: settings.threads > 1),
      CoverageItem("a page pinned in a child"), CoverageItem("a fork of a child"),
    ]
  }

  package func work(_ worker: inout Worker) {
    var child: MemoryMap?
    while worker.isRunning {
      do throws(MemoryError) {
        if worker.pick(3) > 0 {
          switch try own.write(&worker, pinning: worker.pick(2) == 0) {
          case .stored: worker.cover(Item.store)
          case .pinned: worker.cover(Item.pin)
          case .failed, .taken: break
          }
        } else if let space = child, worker.pick(4) > 0 {
          try use(space, &worker)
        } else {
          child = try fork(&worker)
        }
      } catch {
        settings.note(error, "an operation on private memory")
      }
      worker.did()
    }
  }

  private func fork(_ worker: inout Worker) throws(MemoryError) -> MemoryMap {
    let wasPinned = own.isPinned
    let child = try own.space.fork()
    worker.cover(Item.fork)
    if wasPinned && own.isPinned { worker.cover(Item.beside) }
    return child
  }

  /// Context: the child is this thread's own.
  private func use(_ child: MemoryMap, _ worker: inout Worker) throws(MemoryError) {
    let page = worker.pick(Self.pages)
    let address = own.area.address(ofPage: page)
    let before = try child.load(address)
    own.check(before, of: page, "a child's load of")
    switch worker.pick(3) {
    case 0: try store(child, page, address)
    case 1: try pin(child, page, address, &worker)
    default:
      let grandchild = try child.fork()
      worker.cover(Item.grandchild)
      try expect(before, grandchild, address, "a fork of a child")
      try store(grandchild, page, address)
      try expect(before, child, address, "a child whose child has stored")
    }
  }

  private func store(
    _ space: MemoryMap, _ page: Int, _ address: UInt
  ) throws(MemoryError) {
    let word = own.word(page)
    try space.store(word, at: address)
    try expect(word, space, address, "a child that has stored")
  }

  /// A page that is pinned for reading is the child's alone from then on (T6): its stores are seen
  /// through the pin, its own child's are not.
  private func pin(
    _ child: MemoryMap, _ page: Int, _ address: UInt, _ worker: inout Worker
  ) throws(MemoryError) {
    let pins = try child.pin(
      address..<(address + MemoryMap.pageSize), worker.pick(2) == 0 ? .write : [])
    worker.cover(Item.child)
    let frame = pins[0]
    guard let memory = unsafe cfolio_frame_word(frame) else { return }
    let grandchild = worker.pick(2) == 0 ? try child.fork() : nil
    let word = own.word(page)
    try child.store(word, at: address)
    let seen = unsafe shared_read(memory)
    settings.log.require(
      seen == word, "CI42", frame: frame, "a child's store to its pinned page went to another one")
    if let grandchild {
      try store(grandchild, page, address)
      let kept = unsafe shared_read(memory)
      settings.log.require(
        kept == word, "CI42", frame: frame, "a pinned page is shared with a child")
    }
    pins.release()
  }

  private func expect(
    _ word: UInt, _ space: MemoryMap, _ address: UInt, _ who: String
  ) throws(MemoryError) {
    let found = try space.load(address)
    settings.log.require(
      found == word, "CI40",
      "\(who) holds \(String(found, radix: 16)), not \(String(word, radix: 16))")
  }

  package func settle() {
    settings.log.add(own.space.audit())
    settings.empty(own.space)
    leaks.check(settings.log)
  }

  package func close() {}
}
