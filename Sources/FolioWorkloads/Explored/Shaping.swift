// SPDX-License-Identifier: MIT

// Folios formed and split by their owner against getters that go from page to folio without a
// reference (spec: core.md section 7, T10, C01-C03, C29, CI33-CI37).

import CFolio
import FolioCore

/// T10: a DAX folio is dropped, split and its pages are used again; getters want page 3.
@safe
final class SplitTryGet: LedgerWorld<DevicePages> {
  static let scenario = Scenario(
    "split-try-get", "split and reuse against try_get_folio: the folio returned holds the page",
    rules: [.strict, .kernel], size: 1, sizes: 1...2,
    obligations: [
      "a getter keeps the folio whole", "a getter is refused", "a getter holds the small page",
    ]
  ) { try SplitTryGet($0) }

  private enum Obligation: Int { case whole, refused, small }
  /// References that a getter takes at once.
  private static let many: Int32 = 3

  init(_ settings: Scenario.Settings) throws {
    let pages = try DevicePages(.fsdax, settings.rules)
    unsafe prep_compound_page(pages.page(0), 2)
    unsafe set_page_count(pages.page(0), 1)
    super.init(
      settings, .one("owner", against: "getter", settings.size), pages, [1, nil, nil, 0])
  }

  override func run(_ thread: Int) {
    if thread == 0 { split() } else { get() }
  }

  private func split() {
    let folio = unsafe pages.folio(0)
    ledger.drop(0) { unsafe folio_put(folio) }
    guard unsafe folio_ref_count(folio) == 0 else { return }
    unsafe folio_split_to_order_0(folio)
    for index in [0, 3] { ledger.take(index) { unsafe folio_ref_inc(pages.folio(index)) } }
  }

  private func get() {
    guard let index = ledger.tryTakeFolio(of: 3, in: pages, Self.many) else {
      reach(Obligation.refused.rawValue)
      return
    }
    if unsafe page_folio(pages.page(3)) != pages.folio(index) {
      unsafe cfolio_violation_text("CI37", pages.frame(3), "a folio that the page is not in")
    }
    reach((index == 0 ? Obligation.whole : .small).rawValue)
    ledger.drop(index, Self.many) { unsafe folio_put_refs(pages.folio(index), Self.many) }
  }

  override func conclude() {
    super.conclude()
    let references: Int32 = unsafe PageHead(pages.page(0)) ? 0 : 1
    pages.require(0, references: references)
    pages.require(3, references: references)
  }
}

/// The other way: small pages are dropped, formed into a folio and raised; a getter wants page 3.
@safe
final class FormTryGet: LedgerWorld<DevicePages> {
  static let scenario = Scenario(
    "form-try-get", "forming a folio against try_get_folio: what is found is small or complete",
    rules: [.strict, .kernel],
    obligations: [
      "a getter is refused", "a getter holds the small page", "a getter holds the new folio",
      "a getter keeps the folio from being formed",
    ]
  ) { try FormTryGet($0) }

  private enum Obligation: Int { case refused, small, large, kept }

  init(_ settings: Scenario.Settings) throws {
    let pages = try DevicePages(.fsdax, settings.rules)
    unsafe set_page_count(pages.page(3), 1)
    super.init(settings, .apart("owner", "getter"), pages, [0, nil, nil, 1])
  }

  private func reach(_ obligation: Obligation) { reach(obligation.rawValue) }

  override func run(_ thread: Int) {
    if thread == 0 { form() } else { get() }
  }

  private func form() {
    ledger.drop(3) { unsafe folio_put(pages.folio(3)) }
    guard unsafe page_ref_count(pages.page(3)) == 0 else {
      reach(.kept)
      return
    }
    unsafe prep_compound_page(pages.page(0), 2)
    ledger.take(0) { unsafe folio_ref_inc(pages.folio(0)) }
  }

  private func get() {
    guard let index = ledger.tryTakeFolio(of: 3, in: pages, 1) else {
      reach(.refused)
      return
    }
    if index == 3 {
      reach(.small)
    } else {
      reach(.large)
      requireFresh()
    }
    ledger.drop(index) { unsafe folio_put(pages.folio(index)) }
  }

  /// CI8, CI9, CI35: what prep leaves behind.
  private func requireFresh() {
    let (folio, head) = unsafe (pages.folio(0), UInt(bitPattern: pages.page(0)) + 1)
    if unsafe folio_order(folio) != 2 || folio_nr_pages(folio) != 4 {
      unsafe cfolio_violation_text(
        "CI8", pages.frame(0), "\(folio_nr_pages(folio)) pages of order \(folio_order(folio))")
    }
    for index in 1..<4 where unsafe page_head_word(pages.page(index)) != head {
      unsafe cfolio_violation_text("CI9", pages.frame(index), "a tail that names no head")
    }
    let counts = unsafe (
      folio_large_mapcount(folio), folio_entire_mapcount(folio),
      atomic_read(&folio.pointee._pincount)
    )
    if counts != (0, 0, 0) {
      unsafe cfolio_violation_text("CI35", pages.frame(0), "a fresh folio is mapped or pinned")
    }
  }

  override func conclude() {
    super.conclude()
    let isFormed = unsafe PageHead(pages.page(0))
    if isFormed { requireFresh() }
    pages.require(0, references: isFormed ? 1 : 0)
    pages.require(3, references: 0)
  }
}

/// C34: the owner drops its reference and splits, `PageOwner.split()`; a getter may hold the folio.
@safe
final class OwnerSplit: LedgerWorld<DevicePages> {
  static let scenario = Scenario(
    "owner-split", "an owner splits while others may hold the folio: never under a reference",
    rules: [.strict, .kernel], size: 1, sizes: 1...2,
    obligations: ["the split is refused", "the folio is split", "a getter holds the folio"]
  ) { try OwnerSplit($0) }

  private enum Obligation: Int { case refused, split, held }

  private let owner: ScenarioOwner

  init(_ settings: Scenario.Settings) throws {
    let pages = try DevicePages(.fsdax, settings.rules)
    owner = try ScenarioOwner(of: pages, order: 2)
    try owner.form()
    _ = unsafe try owner.raise().leak()
    super.init(
      settings, .one("owner", against: "getter", settings.size), pages, [1, nil, nil, 0])
  }

  private func reach(_ obligation: Obligation) { reach(obligation.rawValue) }

  override func run(_ thread: Int) {
    if thread == 0 { split() } else { get() }
  }

  private func split() {
    ledger.drop(0) { unsafe folio_put(pages.folio(0)) }
    do throws(PageMapError) {
      try owner.split()
      reach(.split)
    } catch {
      reach(.refused)
    }
  }

  private func get() {
    guard let index = ledger.tryTakeFolio(of: 3, in: pages, 1) else { return }
    reach(.held)
    if unsafe page_folio(pages.page(3)) != pages.folio(index) {
      unsafe cfolio_violation_text("CI33", pages.frame(3), "the folio was split under a reference")
    }
    ledger.drop(index) { unsafe folio_put(pages.folio(index)) }
  }

  override func conclude() {
    super.conclude()
    pages.require(0, references: 0)
    if unsafe !PageHead(pages.page(0)) {
      for index in 0..<4 { pages.requireSmall(index) }
    }
  }

  override func tearDown() {
    owner.free()
    super.tearDown()
  }
}

/// A folio that lived - mapped, given a mapping word - is split, and one of its tails is used as a
/// small page; a getter that finds it looks at what the former life may have left.
@safe
final class SplitReuse: LedgerWorld<DevicePages> {
  static let scenario = Scenario(
    "split-reuse", "a tail's next life after a split: nothing of the large folio is left in it",
    rules: [.strict, .kernel],
    obligations: ["a getter holds the folio", "a getter holds the small page"]
  ) { try SplitReuse($0) }

  init(_ settings: Scenario.Settings) throws {
    let pages = try DevicePages(.fsdax, settings.rules)
    let (head, folio) = unsafe (pages.page(0), pages.folio(0))
    unsafe prep_compound_page(head, 2)
    unsafe set_page_count(head, 2)
    unsafe folio_set_mapping_word(folio, 0x1000)
    unsafe folio_add_file_rmap_pte(folio, pages.page(1), 11)
    unsafe folio_remove_rmap_pte(folio, pages.page(1), 11)
    unsafe set_page_count(head, 1)
    super.init(settings, .apart("owner", "getter"), pages, [1, 0])
  }

  override func run(_ thread: Int) {
    if thread == 0 { split() } else { get() }
  }

  private func split() {
    let folio = unsafe pages.folio(0)
    ledger.drop(0) { unsafe folio_put(folio) }
    guard unsafe folio_ref_count(folio) == 0 else { return }
    unsafe folio_split_to_order_0(folio)
    for index in 0..<4 { pages.requireSmall(index) }
    ledger.take(1) { unsafe folio_ref_inc(pages.folio(1)) }
  }

  private func get() {
    guard let index = ledger.tryTakeFolio(of: 1, in: pages, 1) else { return }
    let (folio, isLarge) = unsafe (pages.folio(index), index == 0)
    reach(isLarge ? 0 : 1)
    if unsafe !folio_is_fsdax(folio) {
      unsafe cfolio_violation_text("CI11", pages.frame(1), "a DAX page that is none by its words")
    }
    if !isLarge { pages.requireSmall(1) }
    ledger.drop(index) { unsafe folio_put(folio) }
  }

  override func conclude() {
    super.conclude()
    let isSplit = unsafe page_ref_count(pages.page(1)) != 0
    pages.require(0, references: 0)
    pages.require(1, references: isSplit ? 1 : 0)
  }
}

/// C29: an idle folio is split; readers without a reference ask for the head and the map of a tail.
@safe
final class HeadWord: ScenarioWorld {
  static let scenario = Scenario(
    "head-word", "a split against readers of the head word: it names the head or the map",
    rules: [.strict], size: 1, sizes: 1...2,
    obligations: ["a reader sees the tail", "a reader sees the small page"]
  ) { try HeadWord($0) }

  let threads: [ScenarioThread]
  let hasOnlyWords = true
  private let pages: DevicePages
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    threads = .one("owner", against: "reader", settings.size)
    pages = try DevicePages(.fsdax, settings.rules)
    unsafe prep_compound_page(pages.page(0), 1)
  }

  func run(_ thread: Int) {
    if thread == 0 {
      unsafe folio_split_to_order_0(pages.folio(0))
    } else {
      for _ in 0..<2 { read() }
      if unsafe !folio_is_fsdax(page_folio(pages.page(1))) {
        unsafe cfolio_violation_text("C29", pages.frame(1), "a DAX page of another type")
      }
    }
  }

  private func read() {
    let word = unsafe page_head_word(pages.page(1))
    if word == UInt(bitPattern: unsafe pages.page(0)) + 1 {
      obligations.reach(0)
    } else if word == pages.mapWord {
      obligations.reach(1)
    } else {
      unsafe cfolio_violation_text("CI11", pages.frame(1), "a word that is neither head nor map")
    }
  }

  func conclude() {
    for index in 0..<2 { pages.requireSmall(index) }
  }

  func tearDown() { pages.tearDown() }
}
