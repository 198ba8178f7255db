// SPDX-License-Identifier: MIT

// T2, T10, T13: what is written while nobody may hold the folio, or under its bit lock, against
// those who look at any time.

import CFolio
import FolioCore
import TestSupport
import Testing

extension LitmusTests {
  @Test("T2: whoever gets a reference after an unfreeze sees what was written while frozen")
  func t2() async throws { await expectLitmus("t2", try UnfreezePublish()) }

  @Test("T10: a reference by page never ends on a folio that the page has left")
  func t10() async throws { await expectLitmus("t10", try SplitAgainstTryGet(references: 1)) }

  @Test("T13: two mappings counted at once are two")
  func t13() async throws { await expectLitmus("t13", try BitLock()) }
}

/// T2. R == 0, frozen. A: f = 1; unfreeze(1). B: try_get; when it succeeds r = f.
@safe
final class UnfreezePublish: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case early = "B is refused"
    case published = "B gets it and sees f"
    case stale = "B gets it and misses f"
    var verdict: LitmusVerdict {
      switch self {
      case .early, .published: .required
      case .stale: .forbidden
      }
    }
  }

  let count = 1024
  private let pages: RacePages
  private let f = PlainWords(1024)
  private let got = PlainWords(1024)
  private let r = PlainWords(1024)

  init() throws { pages = try RacePages(runs: count) }

  func prepare(_ index: Int) {
    (f[index], got[index], r[index]) = (0, 0, 0)
    unsafe set_page_count(pages.page(index), 1)
    let frozen = unsafe page_ref_freeze(pages.page(index), 1)
    precondition(frozen)
  }

  func first(_ index: Int) {
    f[index] = 1
    unsafe page_ref_unfreeze(pages.page(index), 1)
  }

  func second(_ index: Int) {
    guard unsafe folio_try_get(pages.folio(index)) else { return }
    got[index] = 1
    r[index] = f[index]
  }

  func outcome(_ index: Int) -> Outcome {
    unsafe set_page_count(pages.page(index), 0)
    if got[index] == 0 { return .early }
    return r[index] == 1 ? .published : .stale
  }
}

/// T13. A and B each count one mapping of a large folio, for different address spaces.
@safe
final class BitLock: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case first = "A counts 1, B counts 2"
    case second = "B counts 1, A counts 2"
    case lost = "L rose by 1 only"
    case slots = "L is 2 and the owner slots disagree"
    var verdict: LitmusVerdict {
      switch self {
      case .first, .second: .required
      case .lost, .slots: .forbidden
      }
    }
  }

  let count = 512
  private let pages: RacePages
  private let counted = (PlainWords(512), PlainWords(512))

  init() throws {
    pages = try RacePages(runs: count, order: 2, .init(compoundOrder: 2))
  }

  func prepare(_ index: Int) {}

  func first(_ index: Int) {
    counted.0[index] = Int(unsafe folio_add_large_mapcount(pages.folio(index), 1, 101))
  }

  func second(_ index: Int) {
    counted.1[index] = Int(unsafe folio_add_large_mapcount(pages.folio(index), 1, 202))
  }

  func outcome(_ index: Int) -> Outcome {
    let folio = unsafe pages.folio(index)
    let large = unsafe folio_large_mapcount(folio)
    let slots = unsafe folio_mm_slots(folio)
    // As prep leaves it: a damaged folio must not spoil the next batch.
    unsafe prep_compound_head(pages.page(index), 2)
    let results = (counted.0[index], counted.1[index])
    guard large == 2, results == (1, 2) || results == (2, 1) else { return .lost }
    let owners = Set([slots.id0, slots.id1])
    guard owners == [101, 202], slots.count0 == 0, slots.count1 == 0, slots.shared, !slots.locked
    else { return .slots }
    return results == (1, 2) ? .first : .second
  }
}
