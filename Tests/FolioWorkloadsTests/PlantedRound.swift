// SPDX-License-Identifier: MIT

// Scenarios made for tests of the stress runner: what their threads and their end do is given as
// closures, on one page of a file-system DAX map that is referenced twice, or on no map.

import CFolio
import FolioCore
import FolioWorkloads

final class PlantedRound: StressRound {
  enum Item: Int { case first }

  let maps: [PageMap]
  let coverage: [CoverageItem]
  private let step: @Sendable (inout Worker) -> Void
  private let end: @Sendable (PlantedRound) -> Void
  /// Nil without a map.
  let frame: UInt?
  let log: FindingLog?

  /// Without a map.
  init(coverage: [CoverageItem] = [], step: @escaping @Sendable (inout Worker) -> Void) {
    self.coverage = coverage
    self.step = step
    end = { _ in }
    (maps, frame, log) = ([], nil, nil)
  }

  /// With a map; `end` is what `settle()` does.
  init(
    _ settings: RoundSettings,
    step: @escaping @Sendable (inout Worker) -> Void = { worker in
      worker.did()
      cfolio_yield()
    },
    end: @escaping @Sendable (PlantedRound) -> Void
  ) throws {
    coverage = []
    self.step = step
    self.end = end
    let map = try settings.makeMap(.fsdax, pages: 512)
    (maps, frame, log) = ([map], map.frames.lowerBound, settings.log)
    unsafe folio_ref_add(map.folio(map.frames.lowerBound), 2)
  }

  func work(_ worker: inout Worker) {
    while worker.isRunning { step(&worker) }
  }

  func settle() { end(self) }

  /// Loses a reference, and says so.
  func loseReference() {
    guard let frame, let log else { return }
    let folio = unsafe maps[0].folio(frame)
    unsafe folio_ref_dec(folio)
    let count = unsafe folio_ref_count(folio)
    log.require(count == 2, "CI1", frame: frame, "R is \(count), expected 2")
  }

  /// Turns the ring of the thread over before the map goes: events are not found here any more.
  func close() throws(PageMapError) {
    guard let frame else { return }
    let folio = unsafe maps[0].folio(frame)
    for _ in 0..<TRACE_RING_RECORDS {
      unsafe folio_ref_inc(folio)
      unsafe folio_ref_dec(folio)
    }
    while unsafe folio_ref_count(folio) > (maps[0].rules == .legacy ? 1 : 0) {
      unsafe put_page(maps[0].page(frame))
    }
    try maps[0].unmap()
  }
}
