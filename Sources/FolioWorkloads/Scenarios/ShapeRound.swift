// SPDX-License-Identifier: MIT

// Prep and split against speculative getters (spec: core.md section 7, T10, C29). Owners form runs
// of pages into folios of order 0...9, raise them, drop them and split them; readers take
// references through any page of the run, and look at its map without one. Splitting of RAM folios
// is in RamSplit.swift.

import CFolio
package import FolioCore

package final class ShapeRound: StressRound {
  package static let scenario = StressScenario(
    "shape", "prep and split against speculative getters on tails"
  ) { try ShapeRound($0) }

  /// Frames of the run that is shaped: two of the largest order.
  private static let runPages: UInt = 1024

  package let maps: [PageMap]
  package let coverage: [CoverageItem]
  private enum Item: Int { case shape, follow, look }
  private let settings: RoundSettings
  /// One per 512 frames: 1 while a thread owns them.
  private let owners = [SharedCount(), SharedCount()]
  private let payload = Payload(count: 2)
  /// Per half: first frame and, in the low byte, order of what its owner works on.
  private let lastWork: [SharedCount]
  private let memory: RamSplit

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    let hasFolios = settings.rules != .legacy
    coverage =
      [
        CoverageItem("a folio formed and split", isRequired: hasFolios),
        CoverageItem("a folio followed", isRequired: hasFolios && settings.threads > 1),
        CoverageItem("a page looked at without a reference", isRequired: hasFolios),
      ] + RamSplit.coverage(settings)
    // Legacy maps have no folios of device pages: there only RAM is shaped.
    maps =
      settings.rules == .legacy
      ? [] : [try settings.makeMap(.fsdax, pages: Int(Self.runPages))]
    let first = maps.first.map { Int($0.frames.lowerBound) } ?? 0
    lastWork = [SharedCount(first << 8), SharedCount((first + 512) << 8)]
    memory = RamSplit(settings)
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      let choice = worker.pick(10)
      if maps.isEmpty || choice == 0 {
        memory.step(&worker)
      } else if choice < 4 {
        reshape(worker.pick(2), &worker)
      } else if choice < 8 {
        follow(&worker)
      } else {
        look(&worker)
      }
      worker.did()
    }
  }

  /// The owner of half the run: form, raise, drop, wait until idle, split.
  private func reshape(_ half: Int, _ worker: inout Worker) {
    guard owners[half].tryLock() else { return }
    defer { owners[half].unlock() }
    let order = worker.pick(10)
    let slot = UInt(worker.pick(512 >> order)) << UInt(order)
    let frame = maps[0].frames.lowerBound + UInt(half) * 512 + slot
    lastWork[half].set(Int(frame) << 8 | order)
    do throws(PageMapError) {
      var owner = try maps[0].claim(frame: frame, order: order)
      if order > 0 { try owner.form() }
      payload.write(half, UInt(truncatingIfNeeded: worker.random.next()))
      owners[half].set(2)
      let reference = try owner.raise()
      if worker.pick(2) == 0 { cfolio_yield() }
      settings.log.require(
        reference.order == order, "CI8", frame: frame, "order \(reference.order), formed \(order)")
      reference.release()
      worker.enter("until a dropped folio is idle", frame: frame)
      while !maps[0].isIdle(frame: frame, .idle) { cfolio_yield() }
      if order > 0 {
        try owner.split()
        worker.cover(Item.shape)
      }
    } catch {
      settings.log.add("CI33", frame: frame, "an owner was refused: \(error)")
    }
  }

  /// A getter through any page.
  private func follow(_ worker: inout Worker) {
    let frame = maps[0].frames.lowerBound + UInt(worker.pick(Int(Self.runPages)))
    let count = 1 + worker.pick(3)
    guard let folio = unsafe try_get_folio(pfn_to_page(frame), Int32(count)) else { return }
    worker.cover(Item.follow)
    let head = unsafe folio_pfn(folio)
    let order = unsafe folio_order(folio)
    settings.log.require(
      frame >= head && frame < head + (UInt(1) << UInt(order)), "CI37", frame: frame,
      "reference to the folio at \(head) of order \(order)")
    let half = Int(head - maps[0].frames.lowerBound) / 512
    // The payload first: `owners` is loaded ACQ, and would order what the count must order.
    let before = payload.read(half)
    let isPublished = owners[half].value == 2
    if worker.pick(4) == 0 { cfolio_yield() }
    settings.log.require(
      unsafe page_folio(pfn_to_page(frame)) == folio && folio_order(folio) == order
        && folio_nr_pages(folio) == 1 << Int(order), "CI37", frame: frame,
      "the folio at \(head) changed its shape under a reference")
    settings.log.require(
      isPublished && before != nil && payload.read(half) == before, "CI40", frame: frame,
      "payload changed under a reference")
    settings.log.require(
      unsafe page_pgmap(pfn_to_page(frame)) == maps[0].pgmap, "CI11", frame: frame,
      "a referenced page names another map")
    unsafe PutPath.random(&worker, hooked: false).put(folio, count)
  }

  /// A reader without a reference: every answer may be stale, none may be wild (C29). It looks where
  /// an owner is at work, because that is where the answers change.
  private func look(_ worker: inout Worker) {
    let work = UInt(lastWork[worker.pick(2)].value)
    worker.cover(Item.look)
    for turn in 0..<64 {
      // Kernel rules let steps report C29 for each look (spec: core.md section 18).
      if turn % 16 == 15 { settings.log.drain() }
      let frame = (work >> 8) + UInt(worker.pick(1 << Int(work & 0xff)))
      let page = unsafe pfn_to_page(frame)
      let map = unsafe page_pgmap(page)
      settings.log.require(
        unsafe map == maps[0].pgmap, "CI11", frame: frame, "a reader was led to another map")
      settings.log.require(
        unsafe folio_is_fsdax(page_folio(page)), "CI11", frame: frame,
        "a reader was told another type")
    }
    withReadScope { scope in
      if let view = scope.folio(at: work >> 8) { _ = view.referenceCount + view.order }
    }
  }

  package func settle() {
    for map in maps {
      for frame in map.frames {
        let order = unsafe folio_order(map.folio(frame))
        settings.log.require(
          order == 0, "CI34", frame: frame, "order \(order) after the last split")
      }
    }
    memory.settle()
  }

  package func close() throws(PageMapError) {
    for map in maps { try map.unmap() }
  }
}
