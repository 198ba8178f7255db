// SPDX-License-Identifier: MIT

// T1, T7, T8, T9, T15: drops of references against each other, against try_get and freeze.

import CFolio
import TestSupport
import Testing

extension LitmusTests {
  @Test("T1: the last put sees what the other holder wrote before its put")
  func t1() async throws { await expectLitmus("t1", try LastPutPublish()) }

  @Test("T7: of two putters exactly one frees the page")
  func t7() async throws { await expectLitmus("t7", try TwoPutters()) }

  @Test("T8: a reference is taken or the last put frees, never both")
  func t8() async throws { await expectLitmus("t8", try TryGetAgainstLastPut()) }

  @Test("T9: freeze succeeds only when the other reference is gone, and sees its holder's writes")
  func t9() async throws { await expectLitmus("t9", try FreezeAgainstPut()) }

  @Test("T15: who frees a page sees it dirtied before the last unpin")
  func t15() async throws { await expectLitmus("t15", try DirtyBeforePut()) }
}

/// T1. A: x = 1; put. B: put; at zero r = x. Both hold one reference, so R begins at 2.
@safe
final class LastPutPublish: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case firstLast = "A frees"
    case published = "B frees and sees x"
    case stale = "B frees and misses x"
    case lost = "neither or both free"
    var verdict: LitmusVerdict {
      switch self {
      case .firstLast, .published: .required
      case .stale, .lost: .forbidden
      }
    }
  }

  let count = 1024
  private let pages: RacePages
  private let x = PlainWords(1024)
  private let freed = (PlainWords(1024), PlainWords(1024))
  private let r = PlainWords(1024)

  init() throws { pages = try RacePages(runs: count) }

  func prepare(_ index: Int) {
    (x[index], r[index], freed.0[index], freed.1[index]) = (0, 0, 0, 0)
    unsafe set_page_count(pages.page(index), 2)
  }

  func first(_ index: Int) {
    x[index] = 1
    if unsafe folio_put_testzero(pages.folio(index)) { freed.0[index] = 1 }
  }

  func second(_ index: Int) {
    guard unsafe folio_put_testzero(pages.folio(index)) else { return }
    freed.1[index] = 1
    r[index] = x[index]
  }

  func outcome(_ index: Int) -> Outcome {
    if freed.0[index] + freed.1[index] != 1 { return .lost }
    if freed.0[index] == 1 { return .firstLast }
    return r[index] == 1 ? .published : .stale
  }
}

/// T8. A: put to zero. B: try_get. R begins at 1.
@safe
final class TryGetAgainstLastPut: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case refused = "A frees, B is refused"
    case taken = "B has a reference, A does not free"
    case both = "B has a reference to a page that A frees"
    case neither = "nobody frees, B is refused"
    var verdict: LitmusVerdict {
      switch self {
      case .refused, .taken: .required
      case .both, .neither: .forbidden
      }
    }
  }

  let count = 1024
  private let pages: RacePages
  private let freed = PlainWords(1024)
  private let got = PlainWords(1024)

  init() throws { pages = try RacePages(runs: count) }

  func prepare(_ index: Int) {
    (freed[index], got[index]) = (0, 0)
    unsafe set_page_count(pages.page(index), 1)
  }

  func first(_ index: Int) {
    if unsafe folio_put_testzero(pages.folio(index)) { freed[index] = 1 }
  }

  func second(_ index: Int) {
    if unsafe folio_try_get(pages.folio(index)) { got[index] = 1 }
  }

  func outcome(_ index: Int) -> Outcome {
    let left = unsafe page_ref_count(pages.page(index))
    unsafe set_page_count(pages.page(index), 0)
    switch (freed[index] == 1, got[index] == 1) {
    case (true, false): return left == 0 ? .refused : .both
    case (false, true): return left == 1 ? .taken : .neither
    case (true, true): return .both
    case (false, false): return .neither
    }
  }
}

/// T9. R begins at 2. A owns one reference and freezes at 1. B: x = 1; put.
@safe
final class FreezeAgainstPut: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case failed = "freeze fails before the put"
    case frozen = "freeze succeeds after the put and sees x"
    case stale = "freeze succeeds and misses x"
    case wrong = "freeze succeeds while R is 2"
    var verdict: LitmusVerdict {
      switch self {
      case .failed, .frozen: .required
      case .stale, .wrong: .forbidden
      }
    }
  }

  let count = 1024
  private let pages: RacePages
  private let x = PlainWords(1024)
  private let frozen = PlainWords(1024)
  private let r = PlainWords(1024)

  init() throws { pages = try RacePages(runs: count) }

  func prepare(_ index: Int) {
    (x[index], r[index], frozen[index]) = (0, 0, 0)
    unsafe set_page_count(pages.page(index), 2)
  }

  func first(_ index: Int) {
    guard unsafe page_ref_freeze(pages.page(index), 1) else { return }
    frozen[index] = 1
    r[index] = x[index]
  }

  func second(_ index: Int) {
    x[index] = 1
    // Not folio_put: R below 0 is to be counted here, not to stop the process.
    unsafe _ = page_ref_sub_and_test(pages.page(index), 1)
  }

  func outcome(_ index: Int) -> Outcome {
    let left = unsafe page_ref_count(pages.page(index))
    unsafe set_page_count(pages.page(index), 0)
    if frozen[index] == 0 { return left == 1 ? .failed : .wrong }
    if left != 0 { return .wrong }
    return r[index] == 1 ? .frozen : .stale
  }
}

/// T15. A holds a pin (1024 references of a small folio). A: dirty; unpin. B: put; at zero reads
/// dirty, both the flag and a plain word.
@safe
final class DirtyBeforePut: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case pinLast = "the unpin frees"
    case seen = "B frees and sees the page dirty"
    case clean = "B frees and finds the page clean"
    case lost = "neither or both free"
    var verdict: LitmusVerdict {
      switch self {
      case .pinLast, .seen: .required
      case .clean, .lost: .forbidden
      }
    }
  }

  let count = 1024
  private static let dirty = Int32(PG_dirty.rawValue)
  private let pages: RacePages
  private let written = PlainWords(1024)
  private let freed = (PlainWords(1024), PlainWords(1024))
  private let clean = PlainWords(1024)

  init() throws { pages = try RacePages(runs: count) }

  func prepare(_ index: Int) {
    (written[index], clean[index], freed.0[index], freed.1[index]) = (0, 0, 0, 0)
    unsafe folio_clear_flag(pages.folio(index), Self.dirty)
    unsafe set_page_count(pages.page(index), Int32(GUP_PIN_COUNTING_BIAS) + 1)
  }

  func first(_ index: Int) {
    written[index] = 1
    unsafe folio_set_flag(pages.folio(index), Self.dirty)
    if unsafe folio_ref_sub_and_test(pages.folio(index), Int32(GUP_PIN_COUNTING_BIAS)) {
      freed.0[index] = 1
    }
  }

  func second(_ index: Int) {
    guard unsafe folio_ref_sub_and_test(pages.folio(index), 1) else { return }
    freed.1[index] = 1
    let flagged = unsafe folio_test_flag(pages.folio(index), Self.dirty)
    if !flagged || written[index] == 0 { clean[index] = 1 }
  }

  func outcome(_ index: Int) -> Outcome {
    unsafe folio_clear_flag(pages.folio(index), Self.dirty)
    if freed.0[index] + freed.1[index] != 1 { return .lost }
    if freed.0[index] == 1 { return .pinLast }
    return clean[index] == 1 ? .clean : .seen
  }
}
