// SPDX-License-Identifier: MIT

// Fork of private memory against stores, pins and other forks (spec: core.md section 11, T5, T6, CI42).
// Pages of the parent are written by one thread each, by stores and through pins; what is pinned
// stays the parent's. Children are one thread's own, so what they hold is known.

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
    var child: ForkedPages?
    while worker.isRunning {
      do throws(MemoryError) {
        if worker.pick(3) > 0 {
          switch try own.write(&worker, pinning: worker.pick(2) == 0) {
          case .stored: worker.cover(Item.store)
          case .pinned: worker.cover(Item.pin)
          case .failed, .taken: break
          }
        } else if child != nil && worker.pick(4) > 0 {
          try use(&child!, &worker)
        } else {
          for page in 0..<Self.pages { try child?.load(page, "a child's last load of") }
          child = try fork(&worker)
        }
      } catch {
        settings.note(error, "an operation on private memory")
      }
      worker.did()
    }
  }

  private func fork(_ worker: inout Worker) throws(MemoryError) -> ForkedPages {
    let wasPinned = own.isPinned
    let child = try own.fork()
    worker.cover(Item.fork)
    if wasPinned && own.isPinned { worker.cover(Item.beside) }
    return child
  }

  private func use(_ child: inout ForkedPages, _ worker: inout Worker) throws(MemoryError) {
    let page = worker.pick(Self.pages)
    try child.load(page, "a child's load of")
    switch worker.pick(3) {
    case 0:
      try child.store(page)
      try child.load(page, "a child that has stored to")
    case 1: try pin(&child, page, &worker)
    default:
      var grandchild = try child.fork()
      worker.cover(Item.grandchild)
      try grandchild.load(page, "a fork of a child's load of")
      try grandchild.store(page)
      try child.load(page, "a child whose child has stored to")
    }
  }

  /// A page that is pinned for reading is the child's alone from then on (T6): its stores are seen
  /// through the pin, its own child's are not.
  private func pin(
    _ child: inout ForkedPages, _ page: Int, _ worker: inout Worker
  ) throws(MemoryError) {
    let isForWriting = worker.pick(2) == 0
    let pins = try child.space.pin(
      own.area.addresses(ofPages: page..<(page + 1)), isForWriting ? .write : [])
    worker.cover(Item.child)
    let frame = pins[0]
    guard let memory = unsafe cfolio_frame_word(frame) else { return }
    child.check(unsafe shared_read(memory), of: page, frame: frame, "a child's pin of")
    let grandchild = worker.pick(2) == 0 ? try child.fork() : nil
    if isForWriting && worker.pick(2) == 0 {
      unsafe child.write(page, to: memory)
    } else {
      try child.store(page)
    }
    child.check(unsafe shared_read(memory), of: page, frame: frame, "a pin behind a store to")
    try child.load(page, "a load beside a pin of")
    if var grandchild {
      try grandchild.load(page, "a load by a fork of")
      try grandchild.store(page)
      child.check(
        unsafe shared_read(memory), of: page, frame: frame, "a pin beside a store of a fork to")
    }
    pins.release()
  }

  package func settle() {
    settings.log.add(own.space.audit())
    own.verify()
    settings.finish([], mappedBy: [own.space], leaks)
  }

  package func close() {}
}
