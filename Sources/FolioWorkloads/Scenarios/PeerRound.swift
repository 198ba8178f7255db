// SPDX-License-Identifier: MIT

// Peer-to-peer memory that is mapped, pinned and handed to drivers while its provider goes (spec: core.md
// 14.3, CI27, CI57, CI58). Each thread has an address space; the pool is removed and another made all the
// time. A page belongs to one area, or to one driver, at a time.

import CFolio
package import FolioCore
import Synchronization

package final class PeerRound: StressRound {
  package static let scenario = StressScenario(
    "memory-p2pdma", "peer-to-peer memory mapped, pinned and given to drivers against its removal"
  ) { try PeerRound($0) }

  private static let pages = 16

  package let maps: [PageMap] = []
  package let coverage: [CoverageItem]
  private enum Item: Int { case map, pin, driver, remove, lost }
  private let settings: RoundSettings
  private let spaces: [MemoryMap]
  private let pool: SharedValue<PeerMemoryPool>
  /// 1 while a thread removes the pool.
  private let isGoing = SharedCount()
  private let serial = SharedCount()
  private let leaks: MemoryLeaks

  init(_ settings: RoundSettings) throws {
    self.settings = settings
    spaces = try (0..<settings.threads).map { _ in try settings.makeSpace(tableShift: 3) }
    leaks = MemoryLeaks()
    let first = try PeerMemoryPool(pages: Self.pages, rules: settings.rules)
    Self.audit(first, settings)
    pool = SharedValue(first)
    coverage = [
      CoverageItem("memory mapped and written"), CoverageItem("mapped memory pinned"),
      CoverageItem("memory of a driver written"), CoverageItem("a pool removed"),
      CoverageItem("an area that lost its memory", isRequired: settings.threads > 1),
    ]
  }

  /// Starts the ledger of a new pool; without it for want of memory.
  private static func audit(_ pool: PeerMemoryPool, _ settings: RoundSettings) {
    guard settings.isAudited else { return }
    do throws(PageMapError) {
      try pool.map.startAuditing()
    } catch {
      settings.log.require(
        error.code == .outOfMemory && settings.faultRate > 0, "CI1", frame: error.frame,
        "the ledger of a new pool was refused: \(error)")
    }
  }

  private var current: PeerMemoryPool { pool.withLock { $0 } }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      do throws(MemoryError) {
        switch worker.pick(32) {
        case 0: remove(&worker)
        case 1...8: try drive(&worker)
        default: try map(&worker)
        }
      } catch {
        // Memory is scarce, and pools go.
        settings.note(
          error, "an operation on peer-to-peer memory", accepting: [.outOfMemory, .noDevice])
      }
      worker.did()
    }
  }

  /// A word of this thread's.
  private func word(_ worker: borrowing Worker) -> UInt {
    PageWord.of(worker.index, serial.add())
  }

  private func map(_ worker: inout Worker) throws(MemoryError) {
    let (space, pool) = (spaces[worker.index], current)
    let area = try space.map(
      pool.object, pages: 1 + worker.pick(4), [.read, .write], .shared)
    do throws(MemoryError) {
      for page in 0..<area.pages { try write(space, area.address(ofPage: page), &worker) }
      worker.cover(Item.map)
      if worker.pick(2) == 0 {
        try space.discard(area.addresses(ofPages: 0..<(1 + worker.pick(area.pages))))
      }
    } catch {
      // The pool went, and took its memory out of the area.
      if error.code == .fault { worker.cover(Item.lost) }
      settings.note(error, "an access to peer-to-peer memory", accepting: [.fault])
    }
    settings.unmap(area.range, of: space)
  }

  /// One page of this thread's area. Throws `fault` once it has lost it.
  private func write(
    _ space: MemoryMap, _ address: UInt, _ worker: inout Worker
  ) throws(MemoryError) {
    let word = word(worker)
    try space.store(word, at: address)
    if worker.pick(4) == 0 { cfolio_yield() }
    let found = try space.load(address)
    settings.log.require(
      found == word, "CI40", "peer-to-peer memory was written by another: \(found)")
    guard worker.pick(2) == 0 else { return }
    let pins = try space.pin(
      address..<(address + MemoryMap.pageSize), [.write, .peerToPeer])
    hold(pins[0], &worker)
    worker.cover(Item.pin)
    pins.release()
  }

  /// Writes a frame and looks whether it stays. Context: it is pinned, or the driver's.
  private func hold(_ frame: UInt, _ worker: inout Worker) {
    guard let memory = unsafe cfolio_frame_word(frame) else {
      return settings.log.require(
        settings.faultRate > 0, "refused", frame: frame, "a frame without memory")
    }
    unsafe settings.write(word(worker), to: memory, frame: frame, &worker)
  }

  private func drive(_ worker: inout Worker) throws(MemoryError) {
    let memory = try current.allocate(pages: 1 + worker.pick(4))
    for frame in memory.frames { hold(frame, &worker) }
    worker.cover(Item.driver)
    _ = consume memory
  }

  private func remove(_ worker: inout Worker) {
    guard isGoing.tryLock() else { return }
    defer { isGoing.unlock() }
    let old = current
    worker.enter("until a pool is removed", frame: old.map.frames.lowerBound)
    var isRemoved = false
    while !isRemoved {
      do throws(PageMapError) {
        try old.remove()
        isRemoved = true
      } catch {
        // Strict rules: somebody still has a pin.
        settings.log.require(
          error.code == .busy, "CI32", frame: error.frame, "a pool was not removed: \(error)")
        guard error.code == .busy else { break }
        cfolio_yield()
      }
    }
    let free = old.freePages
    settings.log.require(
      free == Self.pages, "CI27", "a removed pool has \(free) of \(Self.pages) pages")
    worker.cover(Item.remove)
    while true {
      do throws(PageMapError) {
        let new = try PeerMemoryPool(pages: Self.pages, rules: settings.rules)
        Self.audit(new, settings)
        pool.withLock { $0 = new }
        return
      } catch {
        guard settings.faultRate > 0 && error.code == .outOfMemory else {
          settings.log.add("CI31", "a pool was refused: \(error)")
          return
        }
      }
    }
  }

  package func settle() {
    let pool = current
    settings.log.add(pool.map.audit(mappedBy: spaces))
    for space in spaces { settings.empty(space) }
    let free = pool.freePages
    settings.log.require(
      free == Self.pages, "CI27", "\(free) of \(Self.pages) pages came home")
    leaks.check(settings.log)
  }

  package func close() throws(PageMapError) { try current.remove() }
}
