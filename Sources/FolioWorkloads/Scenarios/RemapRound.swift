// SPDX-License-Identifier: MIT

// memremap and memunmap against lookups by frame number (spec: core.md 6.3-6.5, T11, T12). Mappers
// make a map at a fixed place, use it and take it down; readers look the place up all the time,
// with and without a reference. Every making may fail for want of memory. Now and then a mapper keeps
// readers away from its place, lets those inside finish, and audits the live map (CI1, CI22, CI23).

import CFolio
package import FolioCore

package final class RemapRound: StressRound {
  package static let scenario = StressScenario(
    "remap", "memremap and memunmap against lookups"
  ) { try RemapRound($0) }

  private static let slots = 3
  private static let slotFrames: UInt = 1024
  private static let first: UInt = 1 << 29
  /// How long a place may be kept by references to its last map, ns.
  private static let patience: Int64 = 5_000_000_000

  /// Made, audited and unmade by the threads, so none is left for the audit at the end.
  package let maps: [PageMap] = []
  package let coverage: [CoverageItem]
  private enum Item: Int { case unmap, audit, follow, lookUp, busy }
  private let settings: RoundSettings
  /// Per place: 1 while a mapper works on it.
  private let owners = (0..<slots).map { _ in SharedCount() }
  /// Per place: 1 while readers stay away; they look in the read section of their lookup.
  private let isQuiet = (0..<slots).map { _ in SharedCount() }
  /// Per thread: 1 + the place that it has a reference of; 0: none.
  private let visits: [SharedCount]

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    visits = (0..<settings.threads).map { _ in SharedCount() }
    let isShared = settings.threads > 1
    coverage = [
      CoverageItem("a map taken down"), CoverageItem("a live map audited with its ledger"),
      CoverageItem("a page followed", isRequired: isShared),
      CoverageItem("a map referenced", isRequired: isShared),
      CoverageItem("a map found busy", isRequired: false),
    ]
    // The places must be free of the round before, whatever outlived it there.
    for slot in 0..<Self.slots {
      try make(.fsdax, Self.first + UInt(slot) * Self.slotFrames)?.unmap()
    }
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      if worker.pick(4) == 0 { remap(worker.pick(Self.slots), &worker) }
      for _ in 0..<32 { look(&worker) }
      worker.did(32)
    }
  }

  // MARK: mappers

  private func remap(_ slot: Int, _ worker: inout Worker) {
    guard owners[slot].tryLock() else { return }
    defer { owners[slot].unlock() }
    let first = Self.first + UInt(slot) * Self.slotFrames
    let kind: PageMap.Kind = worker.pick(3) == 0 ? .generic : .fsdax
    guard let map = make(kind, first) else { return }
    let isAudited = settings.isAudited && worker.pick(2) == 0 && startLedger(map, slot, &worker)
    settings.log.require(
      unsafe registered(first) == map.pgmap, "CI31", frame: first,
      "a new map is not in the registry")
    if kind == .fsdax { use(map, &worker) }
    if isAudited {
      quiet(slot, &worker) { settings.log.add(map.audit()) }
      worker.cover(Item.audit)
    }
    takeDown(map, &worker)
    worker.did()
  }

  /// False for want of memory. A ledger begins with an idle map: readers may follow legacy pages from
  /// the first moment on.
  private func startLedger(_ map: PageMap, _ slot: Int, _ worker: inout Worker) -> Bool {
    var isStarted = false
    quiet(slot, &worker) {
      do throws(PageMapError) {
        try map.startAuditing()
        isStarted = true
      } catch {
        settings.log.require(
          error.code == .outOfMemory && settings.faultRate > 0, "CI1", frame: error.frame,
          "the ledger of an idle map was refused: \(error)")
      }
    }
    return isStarted
  }

  /// Runs `body` while no reader has, or can get, a reference of the place. Context: owner of it.
  private func quiet(_ slot: Int, _ worker: inout Worker, _ body: () -> Void) {
    isQuiet[slot].set(1)
    // Who has looked before this is out of its read section after it, and says what it holds.
    synchronize_rcu()
    worker.enter("until readers have left a place", frame: Self.first)
    for visit in visits {
      while visit.value == slot + 1 { cfolio_yield() }
    }
    body()
    isQuiet[slot].set(0)
  }

  /// A map at the place, or nil for want of memory.
  private func make(_ kind: PageMap.Kind, _ first: UInt) -> PageMap? {
    let limit = cfolio_clock_ns() + Self.patience
    while true {
      do throws(PageMapError) {
        return try PageMap(kind, pages: 512, .init(rules: settings.rules, firstFrame: first))
      } catch {
        if error.code == .outOfMemory && settings.faultRate > 0 { return nil }
        // A page of the map before that somebody still holds, or is just putting, keeps the place.
        guard error.code == .overlap, cfolio_clock_ns() < limit else {
          settings.log.add("CI31", frame: first, "memremap was refused: \(error)")
          return nil
        }
        cfolio_yield()
      }
    }
  }

  private func use(_ map: PageMap, _ worker: inout Worker) {
    var raised: [UInt] = []
    for _ in 0..<(1 + worker.pick(4)) {
      let frame = map.frames.lowerBound + UInt(worker.pick(8))
      guard !raised.contains(frame) else { continue }
      // Noted, so that the struct page outlives the last put; legacy pages have no free path.
      if settings.rules == .legacy {
        unsafe folio_ref_inc(map.folio(frame))
      } else {
        unsafe folio_raise(map.folio(frame))
      }
      raised.append(frame)
    }
    for _ in 0..<worker.pick(4) { cfolio_yield() }
    for frame in raised { unsafe put_page(map.page(frame)) }
    worker.enter("until the pages of a map are idle", frame: map.frames.lowerBound)
    if settings.rules == .strict || worker.pick(2) == 0 {
      for frame in raised { waitIdle(map, frame) }
    }
  }

  /// Sleeps until idle; a page of a legacy map may be followed by readers for ever, so with a
  /// limit.
  private func waitIdle(_ map: PageMap, _ frame: UInt) {
    do throws(PageMapError) {
      try map.waitUntilIdle(
        frame: frame, .idle, timeout: settings.rules == .strict ? nil : .milliseconds(2))
    } catch {
      settings.log.require(error.code == .timedOut, "CI48", frame: frame, "a wait ended: \(error)")
    }
  }

  private func takeDown(_ map: PageMap, _ worker: inout Worker) {
    worker.enter("memunmap_pages", frame: map.frames.lowerBound)
    let first = map.frames.lowerBound
    let limit = cfolio_clock_ns() + Self.patience
    while true {
      do throws(PageMapError) {
        try map.unmap()
        break
      } catch {
        // A reader has one of the pages just then, and lets go of it.
        guard error.code == .busy, cfolio_clock_ns() < limit else {
          settings.log.add("CI32", frame: error.frame, "an idle map was not taken down: \(error)")
          return
        }
        worker.cover(Item.busy)
        cfolio_yield()
      }
    }
    settings.log.require(
      unsafe registered(first) == nil, "CI31", frame: first,
      "the registry still has a frame of a map that is gone")
    settings.log.add(map.audit())
    worker.cover(Item.unmap)
  }

  // MARK: readers

  private func look(_ worker: inout Worker) {
    let slot = worker.pick(Self.slots)
    let frame = Self.first + UInt(slot) * Self.slotFrames + UInt(worker.pick(8))
    switch worker.pick(3) {
    case 0: lookUpMap(frame, slot, &worker)
    case 1: follow(frame, slot, &worker)
    default:
      withReadScope { scope in
        guard let view = scope.folio(at: frame) else { return }
        _ = view.referenceCount + view.mappingCount + view.order
      }
    }
  }

  /// A reference on the map: it cannot be taken down while it is held.
  private func lookUpMap(_ frame: UInt, _ slot: Int, _ worker: inout Worker) {
    rcu_read_lock()
    let map = unsafe isQuiet[slot].value == 0 ? get_dev_pagemap(frame) : nil
    if unsafe map != nil { visits[worker.index].set(slot + 1) }
    rcu_read_unlock()
    guard let map = unsafe map else { return }
    defer { visits[worker.index].set(0) }
    worker.cover(Item.lookUp)
    if worker.pick(8) == 0 { cfolio_yield() }
    settings.log.require(
      unsafe pgmap_pfn_valid(map, frame), "CI31", frame: frame, "the map does not have the frame")
    settings.log.require(
      unsafe atomic_read(&map.pointee.releases) == 0, "CI30", frame: frame,
      "a referenced map was released")
    unsafe put_dev_pagemap(map)
  }

  /// A reference on the page, of the type that it is looked up for. A device-dax page can always be
  /// followed, also while its map goes: a strict teardown then finds it busy and is tried again.
  private func follow(_ frame: UInt, _ slot: Int, _ worker: inout Worker) {
    let found = TypedLookup.tryGet(
      frame, of: worker.pick(3) == 0 ? .generic : .fsdax, unless: { isQuiet[slot].value != 0 },
      then: { visits[worker.index].set(slot + 1) })
    guard let reference = found else { return }
    defer { visits[worker.index].set(0) }
    worker.cover(Item.follow)
    if worker.pick(8) == 0 { cfolio_yield() }
    settings.log.require(
      reference.frame == frame, "CI37", frame: frame, "reference to another folio")
    // The map may be unmapped the moment after: the struct page must outlive this put.
    reference.releasePage()
  }

  package func settle() {
    rcu_barrier()
    for slot in 0..<Self.slots {
      let first = Self.first + UInt(slot) * Self.slotFrames
      settings.log.require(
        unsafe registered(first) == nil, "CI31", frame: first,
        "a map is left in the registry")
    }
  }

  package func close() throws(PageMapError) {}
}

/// The map of a frame, looked up in a read section of its own: for comparing, not for following.
private func registered(_ frame: UInt) -> UnsafeMutablePointer<dev_pagemap>? {
  rcu_read_lock()
  defer { rcu_read_unlock() }
  return unsafe cfolio_pgmap_lookup(frame)
}
