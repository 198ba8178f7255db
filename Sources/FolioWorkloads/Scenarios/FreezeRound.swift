// SPDX-License-Identifier: MIT

// Freeze against get (spec: core.md section 3, T2, T9). A freezer takes R from what it expects to
// 0, rewrites what holders may read and unfreezes; no reference may be taken meanwhile (CI38,
// CI39) and everybody who gets one later sees what was written (CI40).

import CFolio
package import FolioCore

package final class FreezeRound: StressRound {
  package static let scenario = StressScenario(
    "freeze", "freeze and unfreeze against getters"
  ) { try FreezeRound($0) }

  package let maps: [PageMap]
  package let coverage = [CoverageItem("a page frozen"), CoverageItem("a page followed")]
  private enum Item: Int { case freeze, follow }
  private let settings: RoundSettings
  private let payload = Payload(count: 4)
  /// Freezes that succeeded, per page; only written by a freezer that froze the page.
  private let freezes = (0..<4).map { _ in SharedCount() }
  /// R that a freezer expects: the base count and the round's own reference.
  private let expected: Int32

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    let map = try settings.makeMap(.fsdax, pages: 512)
    maps = [map]
    expected = Int32(settings.idleCount + 1)
    for frame in map.frames.prefix(4) { unsafe folio_ref_inc(map.folio(frame)) }
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      let index = worker.pick(4)
      let frame = maps[0].frames.lowerBound + UInt(index)
      if worker.pick(3) == 0 {
        freeze(index, frame, &worker)
      } else {
        read(index, frame, &worker)
      }
      worker.did()
    }
  }

  private func freeze(_ index: Int, _ frame: UInt, _ worker: inout Worker) {
    let folio = unsafe maps[0].folio(frame)
    guard unsafe folio_ref_freeze(folio, expected) else { return }
    worker.cover(Item.freeze)
    freezes[index].add()
    payload.write(index, UInt(truncatingIfNeeded: worker.random.next()))
    if worker.pick(16) == 0 { cfolio_yield() }
    let count = unsafe folio_ref_count(folio)
    settings.log.require(count == 0, "CI39", frame: frame, "R is \(count) while frozen")
    unsafe folio_ref_unfreeze(folio, expected)
  }

  private func read(_ index: Int, _ frame: UInt, _ worker: inout Worker) {
    guard let reference = FolioReference(tryGet: frame) else { return }
    worker.cover(Item.follow)
    let before = payload.read(index)
    let frozen = freezes[index].value
    settings.log.require(before != nil, "CI40", frame: frame, "payload torn under a reference")
    if worker.pick(8) == 0 { cfolio_yield() }
    let after = payload.read(index)
    settings.log.require(
      after == before && freezes[index].value == frozen, "CI38", frame: frame,
      "the page was frozen under a reference")
    if settings.rules == .legacy {
      unsafe put_page(pfn_to_page(folio_pfn(reference.leak())))
    } else {
      reference.release()
    }
  }

  package func settle() {
    for frame in maps[0].frames.prefix(4) {
      let count = unsafe page_ref_count(maps[0].page(frame))
      settings.log.require(
        count == expected, "CI1", frame: frame, "R is \(count), expected \(expected)")
    }
  }

  package func close() throws(PageMapError) {
    for frame in maps[0].frames.prefix(4) { unsafe put_page(maps[0].page(frame)) }
    try maps[0].unmap()
  }
}
