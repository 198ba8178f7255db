// SPDX-License-Identifier: MIT

// Many references at once (spec: core.md section 4, CI56, CI20, CI25): batches and encoded arrays
// against single gets and puts, and a block of RAM that is parted into single pages.

import CFolio
import FolioCore

/// A batch with counts, an encoded array and a getter with a reused batch, over two pages; the huge
/// zero folio is in one of the batches.
@safe
final class BatchPut: LedgerWorld<RAMPages> {
  static let scenario = Scenario(
    "batch-put", "batches against single puts: each page loses what was given back, no more",
    rules: [.strict],
    obligations: ["a getter meets a page that is gone", "a batch is used twice"]
  ) { try BatchPut($0) }

  private let counts: UnsafeMutablePointer<UInt32>
  private let words: UnsafeMutablePointer<OpaquePointer>
  private static let zeroReferences: Int32 = 5

  init(_ settings: Scenario.Settings) throws {
    // Pages 0 and 1 are put; page 2 stands for the huge zero folio.
    let pages = try RAMPages(4)
    unsafe set_page_count(pages.page(0), 3)
    unsafe set_page_count(pages.page(1), 3)
    unsafe set_page_count(pages.page(2), Self.zeroReferences)
    unsafe cfolio_set_zero_folios(nil, pages.folio(2))
    unsafe counts = .allocate(capacity: 3)
    for (index, count) in [UInt32(2), 1, 1].enumerated() { unsafe counts[index] = count }
    unsafe words = .allocate(capacity: 3)
    let counted = UInt(ENCODED_PAGE_BIT_NR_PAGES_NEXT)
    unsafe words[0] = encode_page(pages.page(1), counted)
    unsafe words[1] = encode_nr_pages(2)
    unsafe words[2] = encode_page(pages.page(0), 0)
    super.init(
      settings, .apart("batch", "array", "getter"), pages, [3, 3, Self.zeroReferences])
  }

  override func run(_ thread: Int) {
    switch thread {
    case 0:
      var batch = folio_batch()
      unsafe folio_batch_init(&batch)
      for index in [0, 2, 1] { _ = unsafe folio_batch_add(&batch, pages.folio(index)) }
      ledger.drop(0, 2) { ledger.drop(1) { unsafe folios_put_refs(&batch, counts) } }
    case 1: ledger.drop(0) { ledger.drop(1, 2) { unsafe release_pages(words, 3) } }
    default: get()
    }
  }

  /// Takes each page and gives it back through one batch, used again.
  private func get() {
    var batch = folio_batch()
    unsafe folio_batch_init(&batch)
    var used = 0
    for index in 0..<2 {
      guard ledger.tryTake(index, 1, { unsafe folio_try_get(pages.folio(index)) }) else {
        reach(0)
        continue
      }
      _ = unsafe folio_batch_add(&batch, pages.folio(index))
      ledger.drop(index) { unsafe folios_put(&batch) }
      used += 1
    }
    if used == 2 { reach(1) }
  }

  override func conclude() {
    super.conclude()
    pages.requireFree(0)
    pages.requireFree(1)
    if unsafe page_ref_count(pages.page(2)) != Self.zeroReferences {
      unsafe cfolio_violation_text("CI20", 2, "R of the huge zero folio changed")
    }
  }

  override func tearDown() {
    cfolio_set_zero_folios(nil, nil)
    super.tearDown()
    unsafe counts.deallocate()
    unsafe words.deallocate()
  }
}

/// A device-dax page is got and put by frame, one by one and in arrays; its base reference stays.
@safe
final class GenericBase: LedgerWorld<DevicePages> {
  static let scenario = Scenario(
    "generic-base", "gets and puts of a device-dax page: its base reference is nobody's to drop",
    obligations: ["two users at once", "nobody but the base"]
  ) { try GenericBase($0) }

  private let words: UnsafeMutablePointer<OpaquePointer>

  init(_ settings: Scenario.Settings) throws {
    let pages = try DevicePages(.generic, settings.rules)
    unsafe words = .allocate(capacity: 2)
    unsafe words[0] = encode_page(pages.page(0), UInt(ENCODED_PAGE_BIT_NR_PAGES_NEXT))
    unsafe words[1] = encode_nr_pages(2)
    super.init(settings, .apart("single", "array"), pages, [1])
  }

  override func run(_ thread: Int) {
    let page = unsafe pages.page(0)
    if thread == 0 {
      ledger.take(0) { unsafe get_page(page) }
      ledger.drop(0) { unsafe put_page(page) }
    } else if ledger.tryTake(0, 2, { unsafe try_get_folio(page, 2) != nil }) {
      ledger.drop(0, 2) { unsafe release_pages(words, 2) }
    } else {
      unsafe cfolio_violation_text("CI25", pages.frame(0), "a device-dax page without references")
    }
  }

  override func checkStep() {
    let references = unsafe page_ref_count(pages.page(0))
    if references == 4 { reach(0) }
    if references == 1 { reach(1) }
    if references < 1 {
      unsafe cfolio_violation_text("CI25", pages.frame(0), "R is \(references)")
    }
  }

  override func conclude() {
    super.conclude()
    pages.require(0, references: 1)
  }

  override func tearDown() {
    super.tearDown()
    unsafe words.deallocate()
  }
}

/// `split_page` of a block of RAM against walkers over frame numbers.
@safe
final class SplitPage: LedgerWorld<RAMPages> {
  static let scenario = Scenario(
    "split-page", "a block of RAM is parted against walkers: each page has its own references",
    rules: [.strict],
    obligations: [
      "a walker holds the first page", "a walker holds the second page",
      "a walker finds the second page free",
    ]
  ) { try SplitPage($0) }

  private enum Obligation: Int { case first, second, free }

  init(_ settings: Scenario.Settings) throws {
    let pages = try RAMPages(2)
    unsafe set_page_count(pages.page(0), 1)
    super.init(settings, .apart("owner", "walker"), pages, [1, 0])
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      ledger.take(1) { unsafe split_page(pages.page(0), 1) }
      for index in 0..<2 { ledger.drop(index) { unsafe folio_put(pages.folio(index)) } }
      return
    }
    if ledger.tryTake(0, 1, { unsafe folio_get_nontail_page(pages.page(0)) != nil }) {
      reach(Obligation.first.rawValue)
      ledger.drop(0) { unsafe folio_put(pages.folio(0)) }
    }
    if ledger.tryTake(1, 1, { unsafe folio_get_nontail_page(pages.page(1)) != nil }) {
      reach(Obligation.second.rawValue)
      ledger.drop(1) { unsafe folio_put(pages.folio(1)) }
    } else {
      reach(Obligation.free.rawValue)
    }
  }

  override func conclude() {
    super.conclude()
    pages.requireFree(0)
    pages.requireFree(1)
  }
}

/// C42: a waiter for idleness under the rules of v6.14, where only puts with the hook wake at 1.
@safe
final class LegacyWake: LedgerWorld<DevicePages> {
  static let scenario = Scenario(
    "legacy-wake", "puts with the 2->1 hook against a waiter: whoever leaves R at 1 wakes it",
    rules: [.legacy],
    obligations: ["the waiter finds the page in use", "the waiter finds the page idle"]
  ) { try LegacyWake($0) }

  override var hasOnlyWords: Bool { false }

  init(_ settings: Scenario.Settings) throws {
    let pages = try DevicePages(.fsdax, settings.rules)
    unsafe set_page_count(pages.page(0), 3)
    super.init(settings, .apart("waiter", "put_page", "batch"), pages, [3])
  }

  override func run(_ thread: Int) {
    let folio = unsafe pages.folio(0)
    switch thread {
    case 0:
      reach(unsafe folio_is_idle(folio, FOLIO_IDLE) ? 1 : 0)
      var options = unsafe wait_options(exclusive: false)
      _ = unsafe folio_wait_idle(folio, FOLIO_IDLE, &options)
      if unsafe folio_ref_count(folio) != 1 {
        unsafe cfolio_violation_text("CI47", pages.frame(0), "the wait ended before idleness")
      }
    case 1: ledger.drop(0) { unsafe put_page(pages.page(0)) }
    default:
      var batch = folio_batch()
      unsafe folio_batch_init(&batch)
      _ = unsafe folio_batch_add(&batch, folio)
      ledger.drop(0) { unsafe folios_put(&batch) }
    }
  }

  override func conclude() {
    super.conclude()
    pages.require(0, references: 1)
  }
}
