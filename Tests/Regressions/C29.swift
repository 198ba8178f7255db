// SPDX-License-Identifier: MIT

// C29: the type of a device page read without a reference, while its folio is split.
//
//   1. T1 holds no reference. It computes the head of a page, to ask for its map.
//   2. T2 splits the folio (idle): it clears each page's head word, then stores the map there.
//   3. T1 reads the word between the two stores: no map, or the odd word of a tail.
//   4. T1 follows it.
//
// Guards: folio_is_fsdax() and its kin ask the registry instead of following such a word, and name
// the hazard when the audited map keeps kernel rules; under strict rules the split stores the word
// once, so there is nothing to read in between. Run time: 0.3 s for the race. A failure is a crash
// on a wild pointer, a hazard without a name, or a word that is neither head nor map.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C29: a page caught in the middle of a split tells its type; kernel rules name the hazard")
  func c29() throws {
    for (rules, named) in [(PageMap.Rules.kernel, true), (.strict, false)] {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
      try map.startAuditing()
      let page = unsafe map.page(map.frames.lowerBound + 5)
      let folio = unsafe page_folio(page)
      // Cleared and not yet stored; and a tail whose head was computed before it became one.
      for word in unsafe [UInt(0), UInt(bitPattern: map.page(map.frames.lowerBound)) + 1] {
        let mapWord = unsafe shared_xchg(&page.pointee.compound_head, word)
        #expect(unsafe folio_is_fsdax(folio))
        #expect(unsafe !folio_is_pci_p2pdma(folio))
        #expect(unsafe !folio_is_device_coherent(folio))
        unsafe _ = shared_xchg(&page.pointee.compound_head, mapWord)
        let seen = Violation.takeRecorded(in: map.frames).map(\.invariant)
        #expect(seen == (named ? ["C29", "C29", "C29"] : []), "rules \(rules), word \(word)")
      }
    }
  }

  @Test(
    "C29: under strict rules no instruction of a split leaves another head word than head or map",
    .enabled(if: SingleStep.isSupported))
  func c29Stepped() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe page_folio(page)
    unsafe prep_compound_page(page, 2)
    let words = unsafe (UInt(bitPattern: page) + 1, UInt(bitPattern: map.pgmap))
    var (seen, other) = ((0, 0), 0)
    SingleStep.run(
      visit: { _ in
        let word = unsafe page_head_word(page + 3)
        switch word {
        case words.0: seen.0 += 1
        case words.1: seen.1 += 1
        default: other += 1
        }
        return true
      }, body: { unsafe folio_split_to_order_0(folio) })
    #expect(seen.0 > 0 && seen.1 > 0)
    #expect(other == 0, "a reader without a reference could follow that word")
  }

  @Test("C29: the same as a race of two threads")
  func c29Race() async throws {
    await expectRace("c29Race", try SplitAgainstReader())
  }
}

/// A: splits an idle folio. B: reads the head words of its tails.
@safe
private final class SplitAgainstReader: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case before = "B sees a tail"
    case after = "B sees small pages"
    case during = "B sees both"
    case neither = "B sees a word that is neither head nor map"
    var verdict: LitmusVerdict {
      switch self {
      // Which of the two wins is the machine's choice: on a busy one B may never come late. The
      // stepped test above proves each place; this one looks for words nobody thought of.
      case .before, .after, .during: .allowed
      case .neither: .forbidden
      }
    }
  }

  let count = 64
  private let pages: RacePages
  private let seen = PlainWords(64)
  private static let order = 4

  init() throws { pages = try RacePages(runs: 64, order: Self.order) }

  func prepare(_ index: Int) {
    seen[index] = 0
    unsafe prep_compound_page(pages.page(index), UInt32(Self.order))
  }

  func first(_ index: Int) {
    unsafe folio_split_to_order_0(pages.folio(index))
  }

  func second(_ index: Int) {
    let tail = UInt(bitPattern: unsafe pages.page(index)) + 1
    let map = UInt(bitPattern: unsafe pages.map.pgmap)
    var kinds = 0
    for page in 1..<(1 << Self.order) {
      for _ in 0..<4 {
        let word = unsafe page_head_word(pages.page(index, page))
        kinds |= word == tail ? 1 : word == map ? 2 : 4
      }
    }
    seen[index] = kinds
  }

  func outcome(_ index: Int) -> Outcome {
    switch seen[index] {
    case 1: .before
    case 2: .after
    case 3: .during
    default: .neither
    }
  }
}
