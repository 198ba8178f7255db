// SPDX-License-Identifier: MIT

// Migration to a device's memory and back against accesses, pins, forks and evictions (spec: core.md
// 14.1, 14.2, CI50, CI51). Pages have one writer each, who has to find what was written wherever the
// page is; at the end nothing is left on the device.

import CFolio
package import FolioCore

package final class MigrationRound: StressRound {
  package static let scenario = StressScenario(
    "memory-migration", "migration to a device and back against faults, pins and forks"
  ) { try MigrationRound($0) }

  private static let pages = 12

  package let maps: [PageMap] = []
  package let coverage: [CoverageItem]
  private enum Item: Int { case store, pin, out, back, evict, child }
  private let settings: RoundSettings
  private let own: OwnPages
  private let device: PrivateMemoryDevice
  private let leaks: MemoryLeaks

  init(_ settings: RoundSettings) throws {
    self.settings = settings
    let space = try settings.makeSpace(tableShift: 2)
    leaks = MemoryLeaks()
    // A device too small for all: some pages find no place there.
    device = try PrivateMemoryDevice(
      settings.seed / 4 % 2 == 0 ? .private : .coherent, pages: Self.pages, rules: settings.rules)
    if settings.isAudited { try device.map.startAuditing() }
    own = try OwnPages(
      settings, space, pages: Self.pages, at: 18 * MemoryMap.pageSize, isDiscarded: false)
    coverage = [
      CoverageItem("a page stored to"), CoverageItem("a page written while pinned"),
      CoverageItem("pages moved to the device"), CoverageItem("pages moved back"),
      CoverageItem("pages evicted"), CoverageItem("a child that reads and stores"),
    ]
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      do throws(MemoryError) {
        switch worker.pick(8) {
        case 0...3:
          switch try own.write(&worker, pinning: worker.pick(3) == 0) {
          case .stored: worker.cover(Item.store)
          case .pinned: worker.cover(Item.pin)
          case .failed, .taken: break
          }
        case 4, 5:
          if try device.migrate(range(&worker), of: own.space) > 0 { worker.cover(Item.out) }
        case 6:
          if worker.pick(4) == 0 {
            if device.evict() > 0 { worker.cover(Item.evict) }
          } else if try device.bringBack(range(&worker), of: own.space) > 0 {
            worker.cover(Item.back)
          }
        default: try fork(&worker)
        }
      } catch {
        settings.note(error, "an operation on memory that moves")
      }
      worker.did()
    }
  }

  private func range(_ worker: inout Worker) -> Range<UInt> {
    let first = worker.pick(Self.pages)
    return own.area.addresses(ofPages: first..<(first + 1 + worker.pick(Self.pages - first)))
  }

  /// A child shares pages, wherever they are, until it stores.
  private func fork(_ worker: inout Worker) throws(MemoryError) {
    var child = try own.fork()
    for _ in 0..<4 {
      let page = worker.pick(Self.pages)
      try child.load(page, "a child's load of")
      if worker.pick(2) == 0 { try device.migrate(range(&worker), of: child.space) }
      try child.store(page)
      if worker.pick(4) == 0 { device.evict() }
      try child.load(page, "a child that has stored to")
    }
    worker.cover(Item.child)
  }

  package func settle() {
    // Where the pages are, then where loads have brought them.
    settings.log.add(device.map.audit(mappedBy: [own.space]))
    own.verify()
    settings.finish([device.map], mappedBy: [own.space], leaks)
    let free = device.freePages
    settings.log.require(
      free == Self.pages, "CI26", "\(free) of \(Self.pages) pages came home")
  }

  package func close() throws(PageMapError) { try device.remove() }
}
