// SPDX-License-Identifier: MIT

// The last put (spec: core.md section 4, T7, T8): who frees, and what a pin of many references sees.

import CFolio
import FolioCore

/// T7: `size` threads drop the references of a page. One of them frees it.
@safe
final class TwoPuts: LedgerWorld<RAMPages> {
  static let scenario = Scenario(
    "two-puts", "the last references are dropped at once: exactly one putter frees",
    rules: [.strict], size: 2, sizes: 2...4,
    obligations: ["the first putter frees", "another putter frees"]
  ) { try TwoPuts($0) }

  init(_ settings: Scenario.Settings) throws {
    let pages = try RAMPages(1)
    unsafe set_page_count(pages.page(0), Int32(settings.size))
    super.init(
      settings, .alike("putter", settings.size), pages, [Int32(settings.size)])
  }

  override func run(_ thread: Int) {
    ledger.drop(0) { unsafe folio_put(pages.folio(0)) }
    if pages.wasFreedHere { reach(min(thread, 1)) }
  }

  override func conclude() {
    super.conclude()
    pages.requireFree(0)
  }
}

/// A pin as GUP-fast takes it on a small folio, 1024 references at once, against the unmap of the
/// only entry and the put of another holder.
@safe
final class PinBias: LedgerWorld<RAMPages> {
  static let scenario = Scenario(
    "pin-bias", "a pin of 1024 references against unmap and last put: it is seen while it lasts",
    rules: [.strict],
    obligations: [
      "the page is gone before the pin", "a pin that was given back", "a pin that was kept",
      "a pin that is all there is", "the last put by the pinner",
    ]
  ) { try PinBias($0) }

  private enum Obligation: Int { case refused, givenBack, kept, alone, last }

  private let entry: SharedWord

  init(_ settings: Scenario.Settings) throws {
    let pages = try RAMPages(1)
    entry = try SharedWord("entry", 1)
    unsafe set_page_count(pages.page(0), 2)
    super.init(settings, .apart("pinner", "unmapper", "holder"), pages, [2])
  }

  override func run(_ thread: Int) {
    let folio = unsafe pages.folio(0)
    switch thread {
    case 0: unsafe pin(folio)
    case 1:
      if entry.exchange(0) != 0 { ledger.drop(0) { unsafe folio_put(folio) } }
    default: ledger.drop(0) { unsafe folio_put(folio) }
    }
  }

  private func reach(_ obligation: Obligation) { reach(obligation.rawValue) }

  private func pin(_ folio: UnsafeMutablePointer<folio>) {
    let bias = Int32(GUP_PIN_COUNTING_BIAS)
    guard entry.load() != 0 else { return }
    guard ledger.tryTake(0, bias, { unsafe folio_ref_try_add(folio, bias) }) else {
      reach(.refused)
      return
    }
    guard entry.load() != 0 else {
      reach(.givenBack)
      ledger.drop(0, bias) { unsafe folio_put_refs(folio, bias) }
      return
    }
    reach(.kept)
    if unsafe !folio_maybe_dma_pinned(folio) {
      unsafe cfolio_violation_text("CI58", 0, "a pinned page does not look pinned")
    }
    if pages.isFree(0) { unsafe cfolio_violation_text("CI22", 0, "a pinned page was freed") }
    if unsafe folio_ref_count(folio) == bias { reach(.alone) }
    ledger.drop(0, bias) { unsafe folio_put_refs(folio, bias) }
    if pages.wasFreedHere { reach(.last) }
  }

  override func conclude() {
    super.conclude()
    pages.requireFree(0)
  }

  override func tearDown() {
    super.tearDown()
    entry.free()
  }
}
