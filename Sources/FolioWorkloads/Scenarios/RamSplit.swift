// SPDX-License-Identifier: MIT

// Splitting of RAM folios under frozen counts against speculative getters (spec: core.md 7.2, C09).
// Each thread splits folios of its own; getters walk the frames of everybody's.

import CFolio
import FolioCore

/// The RAM half of the shape scenario.
final class RamSplit: Sendable {
  private let settings: RoundSettings
  /// Frames that some thread has allocated lately; stale entries are the point.
  private let recent = (0..<8).map { _ in SharedCount(-1) }
  private let freeBefore: Int

  /// What `step` counts, behind the three items of the scenario.
  static func coverage(_ settings: RoundSettings) -> [CoverageItem] {
    [
      CoverageItem("a RAM folio split"),
      CoverageItem("a RAM folio followed", isRequired: settings.threads > 1),
    ]
  }
  private enum Item: Int { case split = 3, follow }

  init(_ settings: RoundSettings) {
    self.settings = settings
    freeBefore = SystemMemory.shared.freePages
  }

  func step(_ worker: inout Worker) {
    if worker.pick(3) == 0 { split(&worker) } else { follow(&worker) }
  }

  private func split(_ worker: inout Worker) {
    let order = 2 + worker.pick(4)
    let newOrder = worker.pick(2) == 0 ? 0 : 2
    guard newOrder < order else { return }
    let reference: FolioReference
    do throws(PageMapError) {
      reference = try SystemMemory.shared.allocate(order: order)
    } catch {
      return
    }
    let folio = unsafe reference.leak()
    let head = unsafe folio_pfn(folio)
    recent[worker.pick(recent.count)].set(Int(head))
    guard unsafe folio_trylock(folio) else {
      settings.log.add("CI39", frame: head, "a fresh folio is locked")
      return
    }
    // Getters hold it now and then: the split backs out, and is tried again.
    var result: Int32 = -11
    for _ in 0..<64 where result != 0 {
      result = unsafe folio_split(folio, UInt32(newOrder), 0, nil, nil)
      if result != 0 { cfolio_yield() }
    }
    unsafe folio_unlock(folio)
    guard result == 0 else {
      unsafe folio_put(folio)
      return
    }
    worker.cover(Item.split)
    for frame in stride(from: head, to: head + (UInt(1) << UInt(order)), by: 1 << newOrder) {
      let piece = unsafe page_folio(pfn_to_page(frame))
      settings.log.require(
        unsafe folio_pfn(piece) == frame && folio_order(piece) == UInt32(newOrder), "CI8",
        frame: frame, "a piece of a split folio has another shape")
      // Flags of the split folio go to its pieces, the lock among them.
      if frame != head && (unsafe folio_test_flag(piece, Int32(PG_locked.rawValue))) {
        unsafe folio_unlock(piece)
      }
      unsafe PutPath.random(&worker, hooked: false).put(piece)
    }
  }

  private func follow(_ worker: inout Worker) {
    let head = recent[worker.pick(recent.count)].value
    guard head >= 0 else { return }
    let frame = UInt(head + worker.pick(32))
    guard let folio = unsafe try_get_folio(pfn_to_page(frame), 1) else { return }
    worker.cover(Item.follow)
    let order = unsafe folio_order(folio)
    settings.log.require(
      unsafe page_folio(pfn_to_page(frame)) == folio, "CI37", frame: frame,
      "reference to a folio of order \(order) that the page is not in")
    if worker.pick(4) == 0 { cfolio_yield() }
    settings.log.require(
      unsafe folio_ref_count(folio) > 0, "CI21", frame: frame, "R is 0 under a reference")
    unsafe PutPath.random(&worker, hooked: false).put(folio)
  }

  func settle() {
    let free = SystemMemory.shared.freePages
    settings.log.require(
      free == freeBefore, "CI1", "RAM has \(free) free pages, began with \(freeBefore)")
  }
}
