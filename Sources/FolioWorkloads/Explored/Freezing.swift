// SPDX-License-Identifier: MIT

// Freezing (spec: core.md section 3 rows 15-17, T9, CI38, CI39): a folio whose R was taken to 0 at
// the expected count has no other holder, and gets none until it is unfrozen.

import CFolio
import FolioCore

/// T9: freeze against a getter and against a holder that takes and drops another reference.
@safe
final class FreezeGet: LedgerWorld<RAMPages> {
  static let scenario = Scenario(
    "freeze-get", "freeze against get and put: while frozen nobody holds the page",
    rules: [.strict],
    obligations: [
      "frozen", "the freeze is refused", "a getter is refused while frozen", "a getter succeeds",
    ]
  ) { try FreezeGet($0) }

  private enum Obligation: Int { case frozen, refused, locked, got }

  /// 1 between freeze and unfreeze.
  private let frozen: SharedWord

  init(_ settings: Scenario.Settings) throws {
    let pages = try RAMPages(1)
    frozen = try SharedWord("frozen")
    unsafe set_page_count(pages.page(0), 2)
    super.init(settings, .apart("freezer", "getter", "holder"), pages, [2])
  }

  private func reach(_ obligation: Obligation) { reach(obligation.rawValue) }

  override func run(_ thread: Int) {
    let folio = unsafe pages.folio(0)
    switch thread {
    case 0: unsafe freeze(folio)
    case 1: unsafe get(folio)
    default:
      ledger.take(0) { unsafe folio_get(folio) }
      for _ in 0..<2 { ledger.drop(0) { unsafe folio_put(folio) } }
    }
  }

  private func freeze(_ folio: UnsafeMutablePointer<folio>) {
    if ledger.freeze(0, 1, { unsafe folio_ref_freeze(folio, 1) }) {
      reach(.frozen)
      frozen.store(1)
      frozen.store(0)
      ledger.take(0) { unsafe folio_ref_unfreeze(folio, 1) }
    } else {
      reach(.refused)
    }
    ledger.drop(0) { unsafe folio_put(folio) }
  }

  private func get(_ folio: UnsafeMutablePointer<folio>) {
    guard ledger.tryTake(0, 1, { unsafe folio_try_get(folio) }) else {
      if frozen.load() != 0 { reach(.locked) }
      return
    }
    reach(.got)
    if frozen.load() != 0 {
      unsafe cfolio_violation_text("CI39", 0, "a folio was frozen under a reference")
    }
    ledger.drop(0) { unsafe folio_put(folio) }
  }

  override func conclude() {
    super.conclude()
    pages.requireFree(0)
  }

  override func tearDown() {
    super.tearDown()
    frozen.free()
  }
}

/// C09: a folio of the page cache is split; a reader looks an index up, takes what it finds and
/// looks again.
@safe
final class CacheSplit: LedgerWorld<RAMPages> {
  static let scenario = Scenario(
    "cache-split", "split of a cached folio against lookups: what is found contains the index",
    rules: [.strict],
    obligations: [
      "the split is refused", "the folio is found whole", "a piece is found",
      "a lookup has to give back",
    ]
  ) { try CacheSplit($0) }

  private enum Obligation: Int { case refused, whole, piece, givenBack }

  private static let order = 1
  private static let count = 1 << order
  /// The cache: which page's folio holds index 1.
  private let slot: SharedWord

  init(_ settings: Scenario.Settings) throws {
    let pages = try RAMPages(Self.count)
    slot = try SharedWord("slot")
    unsafe prep_compound_page(pages.page(0), UInt32(Self.order))
    unsafe folio_set_flag(pages.folio(0), Int32(PG_locked.rawValue))
    // The splitter's own reference, and the cache's: one per page.
    unsafe set_page_count(pages.page(0), Int32(1 + Self.count))
    super.init(
      settings, .apart("splitter", "reader"), pages, [Int32(1 + Self.count), 0])
  }

  private func reach(_ obligation: Obligation) { reach(obligation.rawValue) }

  override func run(_ thread: Int) {
    if thread == 0 { split() } else { read() }
  }

  private func split() {
    let folio = unsafe pages.folio(0)
    let all = Int32(1 + Self.count)
    // The pieces keep the splitter's reference and the cache's, each page its own.
    let failed = ledger.change(0, by: -all...0) {
      ledger.change(1, by: 0...2) {
        let failed = unsafe folio_split(
          folio, 0, Int32(Self.count),
          { world, _, _ in
            // Index 1 is page 1's from here on.
            unsafe Unmanaged<CacheSplit>.fromOpaque(world!).takeUnretainedValue().slot.store(1)
          }, Unmanaged.passUnretained(self).toOpaque())
        unsafe folio_unlock(folio)
        return failed
      } net: {
        $0 == 0 ? 2 : 0
      }
    } net: {
      $0 == 0 ? 2 - all : 0
    }
    if failed != 0 {
      reach(.refused)
      ledger.drop(0, all) { unsafe folio_put_refs(folio, all) }
      return
    }
    for index in 0..<Self.count {
      ledger.drop(index, 2) { unsafe folio_put_refs(pages.folio(index), 2) }
    }
  }

  private func read() {
    let found = slot.load()
    let folio = unsafe pages.folio(Int(found))
    guard ledger.tryTake(Int(found), 1, { unsafe folio_try_get(folio) }) else { return }
    guard slot.load() == found else {
      reach(.givenBack)
      ledger.drop(Int(found)) { unsafe folio_put(folio) }
      return
    }
    reach(found == 0 ? .whole : .piece)
    if unsafe Int(found) + folio_nr_pages(folio) <= 1 {
      unsafe cfolio_violation_text("CI40", 0, "the folio found for index 1 does not contain it")
    }
    ledger.drop(Int(found)) { unsafe folio_put(folio) }
  }

  override func conclude() {
    super.conclude()
    pages.requireFree(0)
    if slot.load() != 0 { pages.requireFree(1) }
  }

  override func tearDown() {
    super.tearDown()
    slot.free()
  }
}

/// C04's protocol: the struct page is remapped read-only while it is frozen, after readers are gone.
@safe
final class RemapStructPage: ScenarioWorld {
  static let scenario = Scenario(
    "vmemmap-remap", "a struct page goes read-only against try_get: no write comes late",
    rules: [.strict],
    obligations: [
      "the page is remapped", "a getter keeps the page from it", "a getter meets the remapped page",
    ]
  ) { try RemapStructPage($0) }

  private enum Obligation: Int { case remapped, kept, met }

  let threads: [ScenarioThread] = .apart("remapper", "getter")
  private let pages: DevicePages
  /// The first of a page of the array: only such can be remapped to look like a head.
  private let page: UnsafeMutablePointer<page>
  private let remapped: SharedWord
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    pages = try DevicePages(.fsdax, settings.rules)
    unsafe page = unsafe pages.page(64)
    remapped = try SharedWord("remapped")
    unsafe set_page_count(page, 1)
    cfolio_events_enable(Int32(FOLIO_EVENT_VMEMMAP.rawValue))
  }

  private func reach(_ obligation: Obligation) { obligations.reach(obligation.rawValue) }

  func run(_ thread: Int) {
    if thread == 0 { remap() } else { get() }
  }

  private func remap() {
    guard unsafe page_ref_freeze(page, 1) else {
      reach(.kept)
      return
    }
    synchronize_rcu()
    // From here on the memory shows what another page says: a head whose next page is no tail of it.
    unsafe folio_set_flag(page_folio(page), Int32(PG_head.rawValue))
    unsafe prep_compound_tail(page - 1, 2)
    remapped.store(1)
    unsafe page_ref_unfreeze(page, 1)
    reach(.remapped)
  }

  private func get() {
    guard unsafe page_ref_add_unless(page, 1, 0) else {
      if remapped.load() != 0 { reach(.met) }
      return
    }
    // The remapper goes on at R == 1 only, so the reference was taken from remapped memory.
    if remapped.load() != 0 {
      unsafe cfolio_violation_text("CI39", pages.frame(64), "R of a read-only page was written")
    }
    unsafe folio_put(page_folio(page))
  }

  func conclude() { pages.require(64, references: 1) }

  func tearDown() {
    cfolio_events_disable(Int32(FOLIO_EVENT_VMEMMAP.rawValue))
    pages.tearDown()
    remapped.free()
  }
}
