// SPDX-License-Identifier: MIT

// Get and put storms: every get path and every put path on a few pages that never become idle. At
// the end each page has exactly the references that it began with (CI1-CI3). Puts that may be the
// last are in LastPutRound.swift.

import CFolio
package import FolioCore

package final class StormRound: StressRound {
  package static let scenario = StressScenario(
    "storm", "every get path against every put path on live pages"
  ) { try StormRound($0) }

  package let maps: [PageMap]
  package let coverage = [
    CoverageItem("references taken"), CoverageItem("more taken by a holder"),
    CoverageItem("references given back"),
  ]
  private enum Item: Int { case take, add, give }
  private let settings: RoundSettings
  /// Frames that the threads work on, and R of each at the beginning.
  private let targets: [(frame: UInt, count: Int)]

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    let small = try settings.makeMap(.fsdax, pages: 512)
    let generic = try settings.makeMap(.generic, pages: 512)
    let large = try settings.makeMap(.generic, pages: 512) { $0.compoundOrder = 4 }
    maps = [small, generic, large]
    for frame in small.frames.prefix(8) { unsafe folio_ref_inc(small.folio(frame)) }
    let frames =
      Array(small.frames.prefix(8)) + generic.frames.prefix(4)
      + stride(from: large.frames.lowerBound, to: large.frames.lowerBound + 64, by: 16)
    targets = frames.map { frame in (frame, unsafe Int(page_count(pfn_to_page(frame)))) }
  }

  /// References that this thread holds: frame of the head, how many.
  private typealias Held = (frame: UInt, count: Int)

  package func work(_ worker: inout Worker) {
    var held: [Held] = []
    while worker.isRunning {
      if held.count > 24 || (!held.isEmpty && worker.pick(2) == 0) {
        putSome(&held, &worker)
      } else {
        get(&held, &worker)
      }
      worker.did()
    }
    while !held.isEmpty { putSome(&held, &worker) }
  }

  private func get(_ held: inout [Held], _ worker: inout Worker) {
    if !held.isEmpty && worker.pick(3) == 0 {
      addToHeld(&held, &worker)
      worker.cover(Item.add)
      return
    }
    let before = held.count
    defer { if held.count > before { worker.cover(Item.take) } }
    let target = targets[worker.pick(targets.count)].frame
    let count = 1 + worker.pick(4)
    let page = unsafe pfn_to_page(target)
    switch worker.pick(5) {
    case 0:
      guard let reference = FolioReference(tryGet: target) else {
        settings.log.add("CI38", frame: target, "a live page refused a reference")
        return
      }
      _ = unsafe reference.leak()
      held.append((target, 1))
    case 1:
      // Tails too: the reference is the head's.
      let order = unsafe folio_order(page_folio(page))
      let tail = target + UInt(worker.pick(1 << Int(order)))
      guard let folio = unsafe try_get_folio(pfn_to_page(tail), Int32(count)) else {
        settings.log.add("CI38", frame: target, "a live page refused \(count) references")
        return
      }
      settings.log.require(
        unsafe folio_pfn(folio) == target, "CI37", frame: tail, "reference to another folio")
      held.append((target, count))
    case 2:
      if unsafe folio_try_get(page_folio(page)) { held.append((target, 1)) }
    case 3:
      if unsafe get_page_unless_zero(page) { held.append((target, 1)) }
    default:
      if unsafe folio_ref_try_add(page_folio(page), Int32(count)) { held.append((target, count)) }
    }
  }

  /// Paths that need a reference.
  private func addToHeld(_ held: inout [Held], _ worker: inout Worker) {
    let index = worker.pick(held.count)
    let page = unsafe pfn_to_page(held[index].frame)
    let folio = unsafe page_folio(page)
    switch worker.pick(6) {
    case 0: unsafe folio_get(folio)
    case 1: unsafe get_page(page)
    case 2:
      guard unsafe try_get_page(page) else {
        settings.log.add("CI38", frame: held[index].frame, "try_get_page of a held page failed")
        return
      }
    case 3: _ = unsafe folio_ref_inc_return(folio)
    case 4: unsafe page_ref_inc(page)
    default:
      unsafe folio_ref_add(folio, 3)
      held[index].count += 2
    }
    held[index].count += 1
  }

  private func putSome(_ held: inout [Held], _ worker: inout Worker) {
    let index = worker.pick(held.count)
    let all = held[index].count
    let count = 1 + worker.pick(all)
    let folio = unsafe page_folio(pfn_to_page(held[index].frame))
    // The base reference keeps every put here from being the last.
    if count < all && worker.pick(4) == 0 {
      unsafe folio_ref_sub(folio, Int32(count))
    } else if worker.pick(8) == 0 {
      settings.log.require(
        unsafe folio_ref_sub_return(folio, Int32(count)) > 0, "CI21",
        frame: held[index].frame, "a put took the last reference of a live page")
    } else {
      unsafe PutPath.random(&worker, hooked: settings.rules == .legacy && count == all).put(
        folio, count)
    }
    worker.cover(Item.give)
    held[index].count -= count
    if held[index].count == 0 { held.remove(at: index) }
  }

  package func settle() {
    for (frame, count) in targets {
      let now = unsafe Int(page_count(pfn_to_page(frame)))
      settings.log.require(
        now == count, settings.rules == .legacy ? "CI3" : "CI1", frame: frame,
        "R is \(now), began with \(count) and every reference was given back")
    }
  }

  package func close() throws(PageMapError) {
    for frame in maps[0].frames.prefix(8) { unsafe put_page(maps[0].page(frame)) }
    for map in maps { try map.unmap() }
  }
}
