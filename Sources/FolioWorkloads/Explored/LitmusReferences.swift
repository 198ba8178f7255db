// SPDX-License-Identifier: MIT

// Litmus shapes of get, put, freeze and unfreeze (spec: core.md 15.2 T1, T2, T7, T8, T9, T10, T15): what
// was written under a reference is seen by whoever has the page after it.

import CFolio

/// T1: two holders write, each its own payload, and put; who frees the page reads both.
@safe
final class LitmusLastPut: LitmusPage {
  static let scenario = Scenario(
    "litmus-last-put", "T1: the last put sees what the other holder wrote before its put",
    obligations: ["the first holder frees", "the second holder frees"]
  ) { try LitmusLastPut($0) }

  private let payload: (PlainWord, PlainWord)

  init(_ settings: Scenario.Settings) throws {
    let payload = (
      try PlainWord("the first holder's page"), try PlainWord("the second holder's page")
    )
    self.payload = payload
    try super.init(settings, ["first", "second"], references: 2) {
      payload.0.free()
      payload.1.free()
    }
  }

  override func run(_ thread: Int) {
    if thread == 0 { payload.0.write(1) } else { payload.1.write(1) }
    unsafe folio_put(folio)
  }

  override func freed() {
    let thread = unsafe Int(folio_this_thread().pointee.id) - 1
    reach(thread)
    if payload.0.read() != 1 || payload.1.read() != 1 { forbid("the last put misses a write") }
  }
}

/// T2: the owner of a frozen page writes and unfreezes it; whoever gets a reference reads.
@safe
final class LitmusUnfreeze: LitmusPage {
  static let scenario = Scenario(
    "litmus-unfreeze",
    "T2: whoever gets a reference after an unfreeze sees what was written before",
    obligations: ["a reference", "a refusal"]
  ) { try LitmusUnfreeze($0) }

  private let payload: PlainWord

  init(_ settings: Scenario.Settings) throws {
    payload = try PlainWord("what the owner wrote")
    try super.init(settings, ["owner", "walker"], references: 0, tearDown: payload.free)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      payload.write(1)
      unsafe page_ref_unfreeze(page, 1)
    } else if unsafe folio_try_get(folio) {
      reach(0)
      if payload.read() != 1 { forbid("a reference without what the owner wrote") }
      unsafe folio_put(folio)
    } else {
      reach(1)
    }
  }
}

/// T7: of two putters exactly one frees.
@safe
final class LitmusTwoPutters: LitmusPage {
  static let scenario = Scenario(
    "litmus-two-putters", "T7: of two putters exactly one frees the page",
    obligations: ["the first frees", "the second frees"]
  ) { try LitmusTwoPutters($0) }

  private let frees: SharedWord

  init(_ settings: Scenario.Settings) throws {
    frees = try SharedWord("frees")
    try super.init(settings, ["first", "second"], references: 2, tearDown: frees.free)
  }

  override func run(_ thread: Int) { unsafe folio_put(folio) }

  override func freed() {
    reach(unsafe Int(folio_this_thread().pointee.id) - 1)
    _ = frees.add(1)
  }

  override func conclude() {
    if frees.load() != 1 { forbid("the page was freed twice or not at all") }
  }
}

/// T8: a reference is taken, or the last put frees: never both. Who got one writes under it.
@safe
final class LitmusTryGet: LitmusPage {
  static let scenario = Scenario(
    "litmus-try-get", "T8: a reference is taken or the last put frees, never both",
    obligations: ["taken", "refused"]
  ) { try LitmusTryGet($0) }

  private let payload: PlainWord

  init(_ settings: Scenario.Settings) throws {
    payload = try PlainWord("the page")
    try super.init(settings, ["holder", "walker"], references: 1, tearDown: payload.free)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      unsafe folio_put(folio)
    } else if unsafe folio_try_get(folio) {
      reach(0)
      payload.write(1)
      unsafe folio_put(folio)
    } else {
      reach(1)
    }
  }

  override func freed() { payload.write(2) }

  override func conclude() {
    if unsafe page_ref_count(page) != 0 { forbid("R is not 0 when everybody has put") }
  }
}

/// T9: the owner freezes once the other reference is gone, and sees its holder's writes.
@safe
final class LitmusFreeze: LitmusPage {
  static let scenario = Scenario(
    "litmus-freeze",
    "T9: freeze succeeds only when the other reference is gone, and sees its writes",
    obligations: ["frozen", "refused"]
  ) { try LitmusFreeze($0) }

  private let payload: PlainWord

  init(_ settings: Scenario.Settings) throws {
    payload = try PlainWord("the other holder's page")
    try super.init(settings, ["owner", "holder"], references: 2, tearDown: payload.free)
  }

  override func run(_ thread: Int) {
    if thread == 1 {
      payload.write(1)
      unsafe folio_put(folio)
    } else if unsafe page_ref_freeze(page, 1) {
      reach(0)
      if payload.read() != 1 { forbid("frozen and the other holder's write is not there") }
      unsafe page_ref_unfreeze(page, 1)
    } else {
      reach(1)
    }
  }
}

/// T10: the owner takes a folio apart and publishes its first page alone; a walker that comes from the
/// second page must not end with a reference to the first.
@safe
final class LitmusSplit: LitmusPage {
  static let scenario = Scenario(
    "litmus-split", "T10: a reference by page never ends on a folio that the page has left",
    obligations: outcomes
  ) { try LitmusSplit($0, unfreezes: true) }

  static let setting = Scenario(
    "litmus-split-set", "T10 with set_page_count(), which begins a life by a store without a check",
    obligations: outcomes
  ) { try LitmusSplit($0, unfreezes: false) }

  private static let outcomes = ["refused by R", "refused by the recheck"]

  /// How R leaves 0.
  private let unfreezes: Bool

  init(_ settings: Scenario.Settings, unfreezes: Bool) throws {
    self.unfreezes = unfreezes
    try super.init(settings, ["owner", "walker"], references: 0, pages: 2)
    unsafe prep_compound_tail(page, 1)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      _ = unsafe free_tail_page_prepare(page, 1)
      if unfreezes { unsafe page_ref_unfreeze(page, 1) } else { unsafe set_page_count(page, 1) }
      return
    }
    let walked = unsafe page + 1
    let stale = unsafe page_folio(walked) == folio
    guard let got = unsafe try_get_folio(walked, 1) else {
      let isThere = unsafe page_ref_count(page) != 0
      reach(stale && isThere ? 1 : 0)
      return
    }
    if unsafe got == folio { forbid("a reference on a folio that the page has left") }
    unsafe folio_put(got)
  }
}

/// T15: a flag set before a put is seen by the free path.
@safe
final class LitmusDirty: LitmusPage {
  static let scenario = Scenario(
    "litmus-dirty", "T15: who frees a page sees it dirtied before the last unpin",
    obligations: ["the writer frees", "the other frees"]
  ) { try LitmusDirty($0) }

  init(_ settings: Scenario.Settings) throws {
    try super.init(settings, ["writer", "other"], references: 2)
  }

  override func run(_ thread: Int) {
    if thread == 0 { unsafe folio_set_flag(folio, Int32(PG_dirty.rawValue)) }
    unsafe folio_put(folio)
  }

  override func freed() {
    reach(unsafe Int(folio_this_thread().pointee.id) - 1)
    if unsafe !folio_test_flag(folio, Int32(PG_dirty.rawValue)) {
      forbid("a dirty page freed clean")
    }
  }
}
