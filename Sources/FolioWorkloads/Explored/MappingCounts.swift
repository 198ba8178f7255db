// SPDX-License-Identifier: MIT

// Counting mappings of a large folio from two address spaces, with and without owner slots (spec:
// core.md 4, CI12, CI13, CI59, C53-C55), and what has to do with who watches: event rings and the
// ledger.

import CFolio
import FolioCore
import Synchronization

enum MappingCounts {
  static let scenarios = [
    owners, unslotted, entire, scan, scanUnslotted, scanRise, rings, ledger,
  ]

  /// A map with one large folio, idle.
  @safe
  private struct Large {
    let map: PageMap
    let folio: UnsafeMutablePointer<folio>

    init(order: Int, slots: Bool = true) throws {
      map = try PageMap(
        .fsdax, pages: max(1 << order, 1),
        .init(compoundOrder: order, ownerTracking: slots))
      unsafe folio = unsafe map.folio(map.frames.lowerBound)
    }

    func page(_ index: UInt) -> UnsafeMutablePointer<page> {
      unsafe map.page(map.frames.lowerBound + index)
    }
    var mapcount: Int32 { unsafe folio_large_mapcount(folio) }
    var pagesMapped: Int32 { unsafe atomic_read(&folio.pointee._nr_pages_mapped) }

    /// L > 0 means that some page is counted, and the other way round at rest.
    func checkStep() {
      require(mapcount == 0 || pagesMapped != 0, "CI12", "mapped, and no page is counted")
    }

    func close() {
      // Executions undo what they map.
      try! map.unmap()
    }
  }

  private static func mapAndUnmap(_ large: Large, page: UInt, _ mm: mm_id_t) {
    unsafe folio_add_file_rmap_pte(large.folio, large.page(page), mm)
    unsafe folio_remove_rmap_pte(large.folio, large.page(page), mm)
  }

  private static let owners = Scenario(
    "rmap-owners",
    "two address spaces map and unmap pages of a large folio: slots, L and pages agree",
    rules: [.strict], obligations: ["shared for a while", "never shared"]
  ) { settings in
    let large = try Large(order: 2)
    let shared = try SharedWord("shared")
    let obligations = settings.obligations
    let slots = { unsafe folio_mm_slots(large.folio) }
    return ProgramWorld(
      [
        (name: "first mm", body: { mapAndUnmap(large, page: 1, 11) }),
        (
          name: "second mm",
          body: {
            unsafe folio_add_file_rmap_pte(large.folio, large.page(2), 22)
            shared.store(slots().shared ? 1 : 0)
          }
        ),
      ], check: { large.checkStep() },
      conclude: {
        obligations.reach(shared.load() == 1 ? 0 : 1)
        let left = slots()
        require(large.mapcount == 1 && large.pagesMapped == 1, "CI12", "a mapping is lost")
        require(
          (left.id0 == 22 && left.count0 == 0) != (left.id1 == 22 && left.count1 == 0), "CI15",
          "the slots do not name the one owner")
        require(left.id0 == 0 || left.id1 == 0, "CI15", "a slot names an owner that is gone")
        require(!left.shared && !left.locked, "CI15", "one owner, and marked as shared or locked")
      },
      tearDown: {
        shared.free()
        large.close()
      })
  }

  private static let unslotted = Scenario(
    "rmap-unslotted",
    "the same without owner slots: L is atomic, and falls before the pages' counts",
    rules: [.strict], obligations: ["both mapped at once", "one after the other"]
  ) { settings in
    let large = try Large(order: 2, slots: false)
    let most = try SharedWord("most")
    let obligations = settings.obligations
    let body: (UInt, mm_id_t) -> Void = { page, mm in
      unsafe folio_add_file_rmap_pte(large.folio, large.page(page), mm)
      let now = large.mapcount
      if now == 2 { most.store(2) }
      unsafe folio_remove_rmap_pte(large.folio, large.page(page), mm)
    }
    return ProgramWorld(
      [
        (name: "first mm", body: { body(1, 11) }), (name: "second mm", body: { body(2, 22) }),
      ], check: { large.checkStep() },
      conclude: {
        obligations.reach(most.load() == 2 ? 0 : 1)
        require(large.mapcount == 0 && large.pagesMapped == 0, "CI12", "a mapping is left over")
      },
      tearDown: {
        most.free()
        large.close()
      })
  }

  private static let entire = Scenario(
    "rmap-entire", "two address spaces map a whole folio: it is marked so once (CI13)",
    rules: [.strict], obligations: ["mapped by both", "mapped by one"]
  ) { settings in
    let large = try Large(order: 9)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "first mm", body: { unsafe folio_add_file_rmap_pmd(large.folio, 11) }),
        (
          name: "second mm",
          body: {
            unsafe folio_add_file_rmap_pmd(large.folio, 22)
            obligations.reach(large.mapcount == 2 ? 0 : 1)
          }
        ),
      ],
      conclude: {
        require(large.mapcount == 2, "CI12", "a mapping is lost")
        require(
          large.pagesMapped == ENTIRELY_MAPPED, "CI13", "marked more than once, or not at all")
        require(unsafe folio_entire_mapcount(large.folio) == 2, "CI13", "an entire mapping is lost")
      }, tearDown: { large.close() })
  }

  /// A folio with a pin and a mapping, and the busy scan, which may not take the pin for a mapping.
  private static func pinned(_ large: Large) {
    unsafe folio_ref_add(large.folio, 2)
    unsafe folio_add_file_rmap_pte(large.folio, large.page(1), 11)
  }

  private static func scanForPins(_ large: Large) {
    let idle = unsafe folio_is_idle(large.folio, FOLIO_UNPINNED)
    require(!idle, "CI59", "a pinned folio looks unpinned")
  }

  private static func unmap(_ large: Large) {
    unsafe folio_remove_rmap_pte(large.folio, large.page(1), 11)
    unsafe folio_put(large.folio)
  }

  private static func closePinned(_ large: Large) {
    unsafe folio_remove_rmap_pte(large.folio, large.page(1), 11)
    unsafe folio_ref_sub(large.folio, 2)
    large.close()
  }

  private static func scan(slots: Bool, _ settings: Scenario.Settings) throws -> ProgramWorld {
    let large = try Large(order: 2, slots: slots)
    pinned(large)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "scanner",
          body: {
            obligations.reach(large.mapcount > 0 ? 0 : 1)
            scanForPins(large)
          }
        ),
        (name: "unmapper", body: { unmap(large) }),
      ], conclude: {}, tearDown: { closePinned(large) })
  }

  private static let scan = Scenario(
    "rmap-scan",
    "the busy scan against an unmap, with a pin open all the time: never unpinned (CI59)",
    rules: [.strict], obligations: ["scanned while mapped", "scanned behind the unmap"]
  ) { try scan(slots: true, $0) }

  private static let scanUnslotted = Scenario(
    "rmap-scan-unslotted",
    "the same without owner slots: L and the count of its falls are read-modify-writes",
    rules: [.strict], obligations: ["scanned while mapped", "scanned behind the unmap"]
  ) { try scan(slots: false, $0) }

  /// The scan may see a mapping in L without its reference in R, when one mm stored L last and
  /// another mapped: two entries, or the reference that the first gives back would make up for it.
  private static let scanRise = Scenario(
    "rmap-scan-rise",
    "the busy scan against one mm that maps and one that unmaps, with a pin open (CI59)",
    rules: [.strict],
    obligations: ["mapped before the unmap", "mapped behind the unmap"]
  ) { settings in
    let large = try Large(order: 2)
    pinned(large)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "scanner", body: { scanForPins(large) }),
        (
          name: "mapper",
          body: {
            unsafe folio_ref_add(large.folio, 2)
            unsafe folio_add_file_rmap_ptes(large.folio, large.page(2), 2, 22)
            obligations.reach(large.mapcount == 3 ? 0 : 1)
          }
        ),
        (name: "unmapper", body: { unmap(large) }),
      ],
      conclude: {
        require(large.mapcount == 2, "CI12", "a mapping is lost")
        require(unsafe folio_ref_count(large.folio) == 3, "CI1", "a reference is lost")
      }, tearDown: { closePinned(large) })
  }

  /// Which ring the calling thread writes to, as a number.
  private static func ringOfThread() -> Int32 {
    unsafe Int32(truncatingIfNeeded: Int(bitPattern: folio_this_thread().pointee.ring))
  }

  private static let hasLeft = Atomic(0)

  /// A native thread records an event and ends, so there is a ring that nobody writes to. Its
  /// memory is no world's: rings are for ever.
  static func leaveRing() {
    let before = hasLeft.load(ordering: .acquiring)
    let isRunning = unsafe cfolio_run_detached(
      { _ in
        var page = CFolio.page()
        unsafe cfolio_trace_emit(PAGE_REF_MOD, &page, 0, 0)
        unsafe cfolio_trace_thread_exit(folio_this_thread())
        MappingCounts.hasLeft.add(1, ordering: .releasing)
      }, nil)
    while isRunning && hasLeft.load(ordering: .acquiring) == before { cfolio_sleep_ns(100_000) }
  }

  private static let rings = Scenario(
    "trace-rings", "two threads record their first event, one ends: each ring has one writer",
    rules: [.strict], obligations: ["two rings", "a ring was taken over"]
  ) { settings in
    let (first, second) = (try SharedWord("first ring"), try SharedWord("second ring"))
    leaveRing()
    let large = try Large(order: 0)
    let obligations = settings.obligations
    let page = unsafe large.page(0)
    let before = cfolio_trace_available()
    return ProgramWorld(
      [
        (
          name: "one that ends",
          body: {
            unsafe cfolio_trace_emit(PAGE_REF_MOD, page, 1, 1)
            first.store(ringOfThread())
            unsafe cfolio_trace_thread_exit(folio_this_thread())
          }
        ),
        (
          name: "other",
          body: {
            unsafe cfolio_trace_emit(PAGE_REF_MOD, page, 2, 2)
            second.store(ringOfThread())
          }
        ),
      ],
      conclude: {
        // A record that the second writer of a ring wrote over is lost.
        require(
          cfolio_trace_available() == before + 2, "TRACE", "not every record is in a ring")
        var records = Array(repeating: trace_record(), count: 8)
        let count = unsafe records.withUnsafeMutableBufferPointer {
          unsafe cfolio_trace_copy($0.baseAddress!, 8)
        }
        let deltas = records.prefix(count).map(\.delta).sorted()
        require(deltas.suffix(2) == [1, 2], "TRACE", "a record is torn")
        obligations.reach(first.load() == second.load() ? 1 : 0)
      },
      tearDown: {
        first.free()
        second.free()
        large.close()
      })
  }

  private static let ledger = Scenario(
    "ledger-stop",
    "the ledger of a map ends while references change: nobody writes into freed memory",
    rules: [.strict], obligations: ["counted by the ledger", "not counted any more"]
  ) { settings in
    let large = try Large(order: 0)
    unsafe folio_ref_inc(large.folio)
    let started = unsafe cfolio_ledger_start(large.map.pgmap)
    guard started == 0 else { throw ScenarioMemoryError() }
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "auditor", body: { unsafe cfolio_ledger_stop(large.map.pgmap) }),
        (
          name: "user",
          body: {
            unsafe folio_get(large.folio)
            let isCounted = unsafe cfolio_ledger_frozen(large.page(0)) >= 0
            obligations.reach(isCounted ? 0 : 1)
            unsafe folio_put(large.folio)
          }
        ),
      ],
      conclude: {
        require(unsafe folio_ref_count(large.folio) == 1, "CI1", "R is off")
      },
      tearDown: {
        unsafe cfolio_ledger_stop(large.map.pgmap)
        unsafe folio_ref_dec(large.folio)
        large.close()
      })
  }
}
