// SPDX-License-Identifier: MIT

// Peer-to-peer memory that is mapped, pinned and handed to drivers while its provider goes (spec: core.md
// 14.3, CI27, CI31, CI40). Each thread has an address space; the pool is removed and another made all the
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
    pool = SharedValue(try Self.make(settings))
    coverage = [
      CoverageItem("memory mapped and written"), CoverageItem("mapped memory pinned"),
      CoverageItem("memory of a driver written"), CoverageItem("a pool removed"),
      CoverageItem("an area that lost its memory", isRequired: settings.threads > 1),
    ]
  }

  /// Kernel rules keep what no round gets through: a warning of each page that is mapped (C70), and
  /// references of an insertion that failed, for which a removal waits for ever (C69). Pools have strict
  /// rules then, but for their teardown.
  private static func make(_ settings: RoundSettings) throws(PageMapError) -> PeerMemoryPool {
    let pool = try PeerMemoryPool(
      pages: pages, rules: settings.rules == .kernel ? .strict : settings.rules,
      strictTeardown: settings.rules == .strict)
    if settings.isAudited { try pool.map.startAuditing() }
    return pool
  }

  private var current: PeerMemoryPool { pool.withLock { $0 } }

  package func work(_ worker: inout Worker) {
    // One thread gives back what it has before it takes more; others may have all.
    let scarce: [MemoryError.Code] = settings.threads > 1 ? [.outOfMemory] : []
    while worker.isRunning {
      let pool = current
      do throws(MemoryError) {
        switch worker.pick(32) {
        case 0: remove(&worker)
        case 1...8: try drive(pool, &worker)
        default: try map(pool, &worker)
        }
      } catch {
        settings.note(
          error, "an operation on peer-to-peer memory",
          accepting: isGone(pool) ? scarce + [.noDevice] : scarce)
      }
      worker.did()
    }
  }

  /// The pool is going, or has gone. Asked in this order: who has removed one has put another in its
  /// place before it stops going.
  private func isGone(_ pool: PeerMemoryPool) -> Bool {
    isGoing.value != 0 || current !== pool
  }

  /// A word of this thread's.
  private func word(_ worker: borrowing Worker) -> UInt {
    PageWord.of(worker.index, serial.add())
  }

  private func map(_ pool: PeerMemoryPool, _ worker: inout Worker) throws(MemoryError) {
    let space = spaces[worker.index]
    let area = try space.map(
      pool.object, pages: 1 + worker.pick(4), [.read, .write], .shared)
    do throws(MemoryError) {
      for page in 0..<area.pages { try write(space, area.address(ofPage: page), &worker) }
      worker.cover(Item.map)
      if worker.pick(2) == 0 {
        try space.discard(area.addresses(ofPages: 0..<(1 + worker.pick(area.pages))))
      }
    } catch {
      // The pool took its memory out of the area.
      let isLost = error.code == .fault && isGone(pool)
      if isLost { worker.cover(Item.lost) }
      settings.note(
        error, "an access to peer-to-peer memory", accepting: isLost ? [.fault] : [])
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

  private func drive(_ pool: PeerMemoryPool, _ worker: inout Worker) throws(MemoryError) {
    let memory = try pool.allocate(pages: 1 + worker.pick(4))
    for frame in memory.frames { hold(frame, &worker) }
    worker.cover(Item.driver)
    _ = consume memory
  }

  private func remove(_ worker: inout Worker) {
    guard isGoing.tryLock() else { return }
    defer { isGoing.unlock() }
    let old = current
    settings.takeDown(old.map, &worker) { () throws(PageMapError) in try old.remove() }
    let free = old.freePages
    settings.log.require(
      free == Self.pages, "CI27", "a removed pool has \(free) of \(Self.pages) pages")
    worker.cover(Item.remove)
    let new = settings.insist("a pool", "CI31") { try Self.make(settings) }
    if let new { pool.withLock { $0 = new } }
  }

  package func settle() {
    settings.finish([current.map], mappedBy: spaces, leaks)
    let free = current.freePages
    settings.log.require(
      free == Self.pages, "CI27", "\(free) of \(Self.pages) pages came home")
  }

  package func close() throws(PageMapError) { try current.remove() }
}
