// SPDX-License-Identifier: MIT

// What every scenario on address spaces asks: which refusals it accepts, what pages hold, and whether
// all is given back at the end.

import CFolio
import FolioCore

/// RAM and pins as a round finds them, to be compared at its end.
struct MemoryLeaks: Sendable {
  private let freePages = SystemMemory.shared.freePages
  private let pins = PinStatistics.current

  /// Context: quiescent, and the round's private memory and pins are gone.
  func check(_ log: FindingLog) {
    let free = SystemMemory.shared.freePages
    log.require(free == freePages, "CI1", "RAM has \(free) free pages, began with \(freePages)")
    let now = PinStatistics.current
    log.require(
      now.acquired - now.released == pins.acquired - pins.released, "CI45",
      "\(now.acquired - pins.acquired) pins taken, \(now.released - pins.released) given back")
  }
}

/// What pages hold in scenarios: whose they are above, anything below; never 0.
enum PageWord {
  static func of(_ page: Int, _ value: Int) -> UInt {
    UInt(page + 1) << 32 | UInt(value & 0xffff_ffff)
  }

  /// Whose word it is; -1: nobody's.
  static func page(of word: UInt) -> Int { Int(word >> 32) - 1 }
}

extension RoundSettings {
  /// Notes an error that is not want of memory under fault injection, and not among those accepted.
  func note(_ error: MemoryError, _ step: String, accepting codes: [MemoryError.Code] = []) {
    if codes.contains(error.code) || isInjected(error) { return }
    log.add("refused", "\(step): \(error)")
  }

  /// Want of memory under fault injection.
  private func isInjected(_ error: any Error) -> Bool {
    faultRate > 0
      && ((error as? MemoryError)?.code == .outOfMemory
        || (error as? PageMapError)?.code == .outOfMemory)
  }

  /// Does a step; again, for as long as injected faults refuse it. nil: refused otherwise, and noted.
  @discardableResult
  func insist<Result>(
    _ step: String, _ invariant: String = "refused", _ body: () throws -> Result
  ) -> Result? {
    while true {
      do {
        return try body()
      } catch {
        guard !isInjected(error) else { continue }
        log.add(invariant, "\(step): \(error)")
        return nil
      }
    }
  }

  /// Takes a device's memory down; again, for as long as somebody uses it.
  func takeDown(
    _ map: PageMap, _ worker: inout Worker, _ step: () throws(PageMapError) -> Void
  ) {
    worker.enter("until a device's memory is idle", frame: map.frames.lowerBound)
    while true {
      do throws(PageMapError) {
        return try step()
      } catch {
        guard error.code == .busy else {
          return log.add("CI32", frame: error.frame, "a device was not taken down: \(error)")
        }
        cfolio_yield()
      }
    }
  }

  /// An address space with small tables, so that leaves and ends of tables are everywhere.
  func makeSpace(tableShift: Int) throws(MemoryError) -> MemoryMap {
    var options = MemoryMap.Options(rules: rules)
    options.tableShift = tableShift
    options.depositsTables = seed / 2 % 2 == 0
    return try MemoryMap(options)
  }

  /// Unmaps a range; again, for as long as injected faults refuse it.
  func unmap(_ range: Range<UInt>, of space: MemoryMap) {
    insist("an unmap") { try space.unmap(range) }
  }

  /// Writes what a frame holds past all tables, and looks whether it stays. Context: the frame is
  /// pinned, or its driver's.
  func write(
    _ word: UInt, to memory: UnsafeMutablePointer<shared_t>, frame: UInt, _ worker: inout Worker
  ) {
    unsafe shared_set(memory, word)
    if worker.pick(2) == 0 { cfolio_yield() }
    let kept = unsafe shared_read(memory)
    log.require(
      kept == word, "CI40", frame: frame,
      "memory in use was written by somebody else: \(String(kept, radix: 16))")
  }

  /// Looks whether a folio is mapped, when all its entries are gone and no new ones come. Who has just
  /// removed one may still be about to count it.
  func requireUnmapped(_ map: PageMap, _ frame: UInt, _ invariant: String, _ when: String) {
    let limit = cfolio_clock_ns() + 5_000_000_000
    let folio = unsafe map.folio(frame)
    while unsafe folio_mapcount(folio) != 0 && cfolio_clock_ns() < limit { cfolio_yield() }
    let mappings = unsafe folio_mapcount(folio)
    log.require(mappings == 0, invariant, frame: frame, "mapped \(mappings) times \(when)")
  }

  /// The end of a round: the entries of these address spaces are all that map the devices; without
  /// them all is given back. Context: quiescent.
  func finish(_ maps: [PageMap], mappedBy spaces: [MemoryMap], _ leaks: MemoryLeaks) {
    for map in maps { log.add(map.audit(mappedBy: spaces)) }
    for space in spaces { empty(space) }
    for map in maps {
      let busy = map.firstBusyFrame
      log.require(busy == nil, "CI1", frame: busy, "busy after everything was unmapped")
    }
    leaks.check(log)
  }

  /// Takes all areas of an address space away and looks what is left.
  func empty(_ space: MemoryMap) {
    unmap(0..<space.end, of: space)
    let counters = space.counters
    log.require(
      counters.filePages == 0 && counters.anonymousPages == 0 && counters.sharedMemoryPages == 0,
      "CI52", "counters of an empty address space: \(counters)")
  }
}
