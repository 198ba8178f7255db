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
      worker.did()
    }
  }

  private func switchLog(_ worker: inout Worker) {
    var isOn = false
    while worker.isRunning {
      isOn.toggle()
      ReferenceTrace.setEnabled(isOn)
      if worker.pick(4) == 0 { check(ReferenceTrace.events()) }
      if worker.pick(4) == 0 {
        // A map's ledger is the other user of the word.
        let map = try? PageMap(.fsdax, pages: 512, .init(rules: settings.rules))
        try? map?.startAuditing()
        map?.stopAuditing()
      }
      worker.did()
      cfolio_sleep_ns(Int64(worker.pick(200_000)))
    }
    if isOn { ReferenceTrace.setEnabled(false) }
  }

  /// What a whole record may say. Our pages only: other maps count too.
  private func check(_ events: [ReferenceEvent]) {
    var times: [Int: Int64] = [:]
    for event in events {
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
