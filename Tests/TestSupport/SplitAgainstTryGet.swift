// SPDX-License-Identifier: MIT

// Litmus shape T10, also the race behind C01, C02 and C03: a folio is dropped, split and its pages
// are used again while somebody takes references by a tail page's number.

import CFolio

/// R of a large folio begins at 1. A: put; at zero split, then use head and tail as small folios
/// with R == 1. B: try_get_folio(tail, n).
@safe
package final class SplitAgainstTryGet: LitmusShape {
  package enum Outcome: String, LitmusOutcome {
    case before = "B holds the large folio, A does not split"
    case refused = "A splits, B is refused"
    case after = "A splits, B holds the tail's own folio"
    case stranger = "A splits, B holds the folio that the tail has left"
    case counts = "references are left over or missing"
    package var verdict: LitmusVerdict {
      switch self {
      case .before, .after: .required
      case .refused: .allowed
      case .stranger, .counts: .forbidden
      }
    }
  }

  package let count = 512
  private let references: Int32
  private let pages: RacePages
  private let split = PlainWords(512)
  /// 0: refused; 1: the large folio's head; 2: the tail.
  private let got = PlainWords(512)

  package init(references: Int32) throws {
    self.references = references
    pages = try RacePages(runs: count, order: 2)
  }

  package func prepare(_ index: Int) {
    (split[index], got[index]) = (0, 0)
    unsafe prep_compound_page(pages.page(index), 2)
    unsafe set_page_count(pages.page(index), 1)
  }

  package func first(_ index: Int) {
    let folio = unsafe pages.folio(index)
    guard unsafe folio_put_testzero(folio) else { return }
    split[index] = 1
    unsafe folio_split_to_order_0(folio)
    unsafe set_page_count(pages.page(index), 1)
    unsafe set_page_count(pages.page(index, 3), 1)
  }

  package func second(_ index: Int) {
    guard let folio = unsafe try_get_folio(pages.page(index, 3), references) else { return }
    got[index] = unsafe folio == pages.folio(index) ? 1 : 2
  }

  package func outcome(_ index: Int) -> Outcome {
    let head = unsafe page_ref_count(pages.page(index))
    let tail = unsafe page_ref_count(pages.page(index, 3))
    unsafe set_page_count(pages.page(index), 0)
    unsafe set_page_count(pages.page(index, 3), 0)
    if split[index] == 0 {
      unsafe folio_split_to_order_0(pages.folio(index))
      return got[index] == 1 && head == references && tail == 0 ? .before : .counts
    }
    switch got[index] {
    case 0: return head == 1 && tail == 1 ? .refused : .counts
    case 1: return .stranger
    default: return head == 1 && tail == 1 + references ? .after : .counts
    }
  }
}
