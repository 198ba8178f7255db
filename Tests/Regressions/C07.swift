// SPDX-License-Identifier: MIT

// C07: a put that orders nothing.
//
//   1. T1 writes to the page and puts: R goes from 2 to 1.
//   2. T2 puts: 0. Its free path reads the page, or hands it out again.
//   3. Without order between the two decrements T2 reads what was there before T1's write.
//
// Guard: the decrement is a release, and an acquire for the zero winner. x86 decrements are locked
// and hide the mistake; ThreadSanitizer reports it, because the payload is plain memory, and so
// does a weakly ordered CPU. Run time: 0.3 s. A failure shows a stale payload in the free path.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C07: the free path sees everything that any holder wrote before its put")
  func c07() async throws {
    await expectRace("c07", try PayloadBeforePut())
  }
}

/// A: x = 1; folio_put. B: y = 1; folio_put. The driver's callback reads both.
@safe
private final class PayloadBeforePut: LitmusShape {
  enum Outcome: String, LitmusOutcome {
    case first = "A frees and sees both words"
    case second = "B frees and sees both words"
    case stale = "the free path misses a word"
    var verdict: LitmusVerdict { self == .stale ? .forbidden : .required }
  }

  private final class Words: Sendable {
    let base = PlainWords(1)
    let (x, y) = (PlainWords(1024), PlainWords(1024))
    let (seen, thread) = (PlainWords(1024), PlainWords(1024))
  }

  let count = 1024
  private let pages: RacePages
  private let words: Words
  private let threads = PlainWords(1)

  init() throws {
    let words = Words()
    pages = try RacePages(
      .pciP2PDMA, runs: count,
      .init(onFree: { frame in
        let index = Int(frame) - words.base[0]
        words.seen[index] = words.x[index] + words.y[index]
        words.thread[index] = Int(unsafe folio_this_thread().pointee.id)
      }))
    words.base[0] = Int(pages.frame(0))
    self.words = words
  }

  func prepare(_ index: Int) {
    (words.x[index], words.y[index], words.seen[index]) = (0, 0, 0)
    // As the driver hands a page out: the free path gives the map's reference back.
    unsafe percpu_ref_get(&pages.map.pgmap.pointee.ref)
    unsafe set_page_count(pages.page(index), 2)
  }

  func first(_ index: Int) {
    threads[0] = Int(unsafe folio_this_thread().pointee.id)
    words.x[index] = 1
    unsafe folio_put(pages.folio(index))
  }

  func second(_ index: Int) {
    words.y[index] = 1
    unsafe folio_put(pages.folio(index))
  }

  func outcome(_ index: Int) -> Outcome {
    if words.seen[index] != 2 { return .stale }
    return words.thread[index] == threads[0] ? .first : .second
  }
}
