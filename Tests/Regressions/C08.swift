// SPDX-License-Identifier: MIT

// C08: an unfreeze that does not publish.
//
//   1. T1 has frozen a folio and rewrites what only the freezer may: mapping, index, its payload.
//   2. T1 unfreezes: R is 1.
//   3. T2's try_get succeeds; it reads mapping and index as they were before step 1.
//
// Guard: the release store in page_ref_unfreeze(), with the acquire of a successful try_get. x86
// stores are ordered and hide the mistake; ThreadSanitizer reports it through the plain word. Run
// time: 0.3 s. A failure shows a reference together with an old word (CI40).

import CFolio
import TestSupport
import Testing

extension Regressions {
  @Test("C08: a reference taken after an unfreeze comes with all that was written before it")
  func c08() async throws {
    await expectRace("c08", try RewriteWhileFrozen())
  }
}

/// R == 0, frozen. A: mapping, share and a plain word := new; unfreeze(2). B: try_get; reads them.
@safe
private final class RewriteWhileFrozen: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case refused = "B is refused"
    case new = "B gets it and sees every new word"
    case stale = "B gets it and sees an old word"
    var verdict: LitmusVerdict { self == .stale ? .forbidden : .required }
  }

  let count = 1024
  private let pages: RacePages
  private let payload = PlainWords(1024)
  private let got = PlainWords(1024)
  private let old = PlainWords(1024)

  init() throws { pages = try RacePages(runs: count) }

  func prepare(_ index: Int) {
    (payload[index], got[index], old[index]) = (0, 0, 0)
    unsafe folio_set_mapping_word(pages.folio(index), 0)
    unsafe folio_set_share(pages.folio(index), 7)
    unsafe set_page_count(pages.page(index), 1)
    let frozen = unsafe page_ref_freeze(pages.page(index), 1)
    precondition(frozen)
  }

  func first(_ index: Int) {
    payload[index] = 1
    unsafe folio_set_mapping_word(pages.folio(index), 0x1000)
    unsafe folio_set_share(pages.folio(index), 0)
    unsafe page_ref_unfreeze(pages.page(index), 2)
  }

  func second(_ index: Int) {
    let folio = unsafe pages.folio(index)
    guard unsafe folio_try_get(folio) else { return }
    got[index] = 1
    let words = unsafe (folio_mapping_word(folio), folio_share(folio))
    if words != (0x1000, 0) || payload[index] != 1 { old[index] = 1 }
  }

  func outcome(_ index: Int) -> Outcome {
    unsafe folio_set_mapping_word(pages.folio(index), 0)
    unsafe folio_set_share(pages.folio(index), 0)
    unsafe set_page_count(pages.page(index), 0)
    if got[index] == 0 { return .refused }
    return old[index] == 1 ? .stale : .new
  }
}
