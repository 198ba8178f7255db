// SPDX-License-Identifier: MIT

// Batched puts against single ones (spec: core.md section 4, CI56): whatever the mix, a page loses
// exactly the references that were given back, and its free path runs once when the last one goes.

import CFolio
package import FolioCore

package final class BatchRound: StressRound {
  package static let scenario = StressScenario(
    "batch", "folios_put_refs and release_pages against single puts"
  ) { try BatchRound($0) }

  private static let pages = 48

  package let maps: [PageMap]
  package let coverage = [
    CoverageItem("a batch of folios put"), CoverageItem("an encoded array put"),
    CoverageItem("single puts"), CoverageItem("references kept"),
  ]
  private enum Item: Int { case batch, array, single, keep }
  private let settings: RoundSettings
  /// Per page of the DAX map: references that threads took and did not give back.
  private let kept = (0..<pages).map { _ in SharedCount() }
  /// References that a thread keeps, at most.
  private static let keepLimit = 32
  /// Runs of the free path per page of the driver's map.
  private let frees: Frees

  private final class Frees: Sendable {
    let first = SharedCount()
    let counts = (0..<BatchRound.pages).map { _ in SharedCount() }
  }

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    let frees = Frees()
    self.frees = frees
    let dax = try settings.makeMap(.fsdax, pages: 512)
    let driver = try settings.makeMap(.deviceCoherent, pages: 512) {
      $0.onFree = { frees.counts[Int($0) - frees.first.value].add() }
    }
    frees.first.set(Int(driver.frames.lowerBound))
    maps = [dax, driver]
    for frame in dax.frames.prefix(Self.pages) { unsafe folio_ref_inc(dax.folio(frame)) }
    for frame in driver.frames.prefix(Self.pages) {
      unsafe zone_device_page_init(driver.page(frame))
      unsafe folio_unlock(driver.folio(frame))
    }
  }

  package func work(_ worker: inout Worker) {
    var keeps = 0
    while worker.isRunning {
      let map = maps[worker.pick(2)]
      let isCounted = map === maps[0]
      var parts: [Part] = []
      for _ in 0..<(1 + worker.pick(Int(PAGEVEC_SIZE))) {
        let index = worker.pick(Self.pages)
        var part = Part(frame: map.frames.lowerBound + UInt(index), count: 1 + worker.pick(3))
        guard unsafe try_get_folio(pfn_to_page(part.frame), Int32(part.count)) != nil else {
          settings.log.add("CI38", frame: part.frame, "a live page refused a reference")
          continue
        }
        if isCounted && part.count > 1 && keeps < Self.keepLimit && worker.pick(8) == 0 {
          part.count -= 1
          kept[index].add()
          keeps += 1
          worker.cover(Item.keep)
        }
        parts.append(part)
      }
      give(parts, &worker)
      worker.did(parts.count)
    }
  }

  /// References to one small folio.
  private struct Part {
    let frame: UInt
    var count: Int
    var folio: UnsafeMutablePointer<folio> { unsafe page_folio(pfn_to_page(frame)) }
  }

  private func give(_ parts: [Part], _ worker: inout Worker) {
    let choice = worker.pick(3)
    worker.cover(choice == 0 ? Item.batch : choice == 1 ? .array : .single)
    switch choice {
    case 0:
      var batch = folio_batch()
      unsafe folio_batch_init(&batch)
      for part in parts { _ = unsafe folio_batch_add(&batch, part.folio) }
      let counts = parts.map { UInt32($0.count) }
      unsafe counts.withUnsafeBufferPointer { unsafe folios_put_refs(&batch, $0.baseAddress) }
    case 1:
      var words: [OpaquePointer] = unsafe []
      for part in parts {
        let mark = part.count > 1 ? UInt(ENCODED_PAGE_BIT_NR_PAGES_NEXT) : 0
        unsafe words.append(encode_page(pfn_to_page(part.frame), mark))
        if part.count > 1 { unsafe words.append(encode_nr_pages(UInt(part.count))) }
      }
      let length = unsafe Int32(words.count)
      unsafe words.withUnsafeMutableBufferPointer {
        if let start = $0.baseAddress { unsafe release_pages(start, length) }
      }
    default:
      for part in parts {
        unsafe PutPath.random(&worker, hooked: settings.rules == .legacy)
          .put(part.folio, part.count)
      }
    }
  }

  package func settle() {
    for index in 0..<Self.pages {
      let frame = maps[0].frames.lowerBound + UInt(index)
      let count = unsafe Int(page_ref_count(maps[0].page(frame)))
      let expected = settings.idleCount + 1 + kept[index].value
      settings.log.require(
        count == expected, "CI56", frame: frame,
        "R is \(count), expected \(expected): the round's and \(kept[index].value) kept ones")
    }
    // The last references, in batches: the free path runs once for each page.
    for start in stride(from: 0, to: Self.pages, by: Int(PAGEVEC_SIZE)) {
      var batch = folio_batch()
      unsafe folio_batch_init(&batch)
      for index in start..<min(start + Int(PAGEVEC_SIZE), Self.pages) {
        _ = unsafe folio_batch_add(&batch, maps[1].folio(maps[1].frames.lowerBound + UInt(index)))
      }
      unsafe folios_put(&batch)
    }
    for index in 0..<Self.pages {
      settings.log.require(
        frees.counts[index].value == 1, "CI22", frame: maps[1].frames.lowerBound + UInt(index),
        "the free path ran \(frees.counts[index].value) times")
    }
  }

  package func close() throws(PageMapError) {
    for (frame, kept) in zip(maps[0].frames, kept) {
      if kept.value > 0 { unsafe folio_put_refs(maps[0].folio(frame), Int32(kept.value)) }
      unsafe put_page(maps[0].page(frame))
    }
    for map in maps { try map.unmap() }
  }
}
