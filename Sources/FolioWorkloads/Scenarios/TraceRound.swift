// SPDX-License-Identifier: MIT

// The event log, switched on and off and read while threads count (spec: core.md section 3):
// records are whole, of pages that exist, in the order of their thread. The ledger runs in audited
// rounds beside it, so both switches of the event word change under way.

import CFolio
package import FolioCore

package final class TraceRound: StressRound {
  package static let scenario = StressScenario(
    "trace", "the event log switched and read while threads count"
  ) { try TraceRound($0) }

  package let helpers = 1
  package let maps: [PageMap]
  package let coverage = [
    CoverageItem("references taken and given back"), CoverageItem("the log switched on"),
    CoverageItem("records checked"), CoverageItem("another ledger begun and ended"),
  ]
  private enum Item: Int { case count, switchOn, check, ledger }
  private let settings: RoundSettings
  /// Monotonic clock, ns: older records are of rounds before.
  private let begin: Int64

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    let map = try settings.makeMap(.fsdax, pages: 512)
    maps = [map]
    for frame in map.frames.prefix(4) { unsafe folio_ref_inc(map.folio(frame)) }
    begin = cfolio_clock_ns()
  }

  package func work(_ worker: inout Worker) {
    if worker.index < settings.threads { count(&worker) } else { switchLog(&worker) }
  }

  private func count(_ worker: inout Worker) {
    while worker.isRunning {
      let frame = maps[0].frames.lowerBound + UInt(worker.pick(4))
      guard let folio = unsafe try_get_folio(pfn_to_page(frame), 2) else {
        settings.log.add("CI38", frame: frame, "a live page refused a reference")
        return
      }
      unsafe folio_get(folio)
      unsafe folio_put_refs(folio, 2)
      unsafe PutPath.random(&worker, hooked: settings.rules == .legacy).put(folio)
      worker.cover(Item.count)
      worker.did()
    }
  }

  private func switchLog(_ worker: inout Worker) {
    var isOn = false
    while worker.isRunning {
      isOn.toggle()
      ReferenceTrace.setEnabled(isOn)
      if isOn { worker.cover(Item.switchOn) }
      if worker.pick(4) == 0 { check(&worker) }
      if worker.pick(4) == 0 { runLedger(&worker) }
      worker.did()
      cfolio_sleep_ns(Int64(worker.pick(200_000)))
    }
    if isOn { ReferenceTrace.setEnabled(false) }
  }

  /// A map's ledger is the other user of the event word.
  private func runLedger(_ worker: inout Worker) {
    do throws(PageMapError) {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: settings.rules))
      try map.startAuditing()
      map.stopAuditing()
      try map.unmap()
      worker.cover(Item.ledger)
    } catch {
      settings.log.require(
        error.code == .outOfMemory && settings.faultRate > 0, "CI31", frame: error.frame,
        "a map beside was refused: \(error)")
    }
  }

  /// Rings as they are, unsorted: a record that was overwritten while it was copied is newer than
  /// those behind it, or is not what our threads make. Other threads' and maps' records only have to
  /// be in order.
  private func check(_ worker: inout Worker) {
    var times: [Int: Int64] = [:]
    for event in PageEvent.unsorted(where: { _ in true }) {
      settings.log.require(
        event.time >= times[event.thread] ?? 0, "trace", frame: event.frame,
        "thread \(event.thread) goes back in time")
      times[event.thread] = event.time
      guard event.time > begin, maps[0].frames.contains(event.frame) else { continue }
      let isWhole =
        switch event.kind {
        case .modUnless: (1...2).contains(event.delta) && (0...1).contains(event.result)
        case .mod: event.delta == 1 && event.result > 0
        case .modAndTest: (-2 ... -1).contains(event.delta) && event.result == 0
        case .modAndReturn: (-2 ... -1).contains(event.delta) && event.result >= 0
        case .set, .freeze, .unfreeze: false
        }
      settings.log.require(
        isWhole, "trace", frame: event.frame, "a record that nobody made: \(event)")
      worker.cover(Item.check)
    }
  }

  package func settle() {
    let expected = Int32(settings.idleCount + 1)
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
