// SPDX-License-Identifier: MIT

// Litmus shape T7, also the race behind C06: two threads drop the last two references of a page
// whose free path is a callback of its driver.

import CFolio
import FolioCore

/// T7. A: put. B: put. R begins at 2; the free path is the driver's callback.
@safe
package final class TwoPutters: LitmusShape {
  package enum Outcome: String, LitmusOutcome {
    case first = "A frees"
    case second = "B frees"
    case neither = "neither frees"
    case both = "both free"
    package var verdict: LitmusVerdict {
      switch self {
      case .first, .second: .required
      case .neither, .both: .forbidden
      }
    }
  }

  /// What the callback writes; it exists before the map that calls it.
  private final class Frees: Sendable {
    let count = PlainWords(1024)
    let thread = PlainWords(1024)
    let base = PlainWords(1)
  }

  package let count = 1024
  private let pages: RacePages
  private let frees: Frees
  private let threads = PlainWords(2)

  package init() throws {
    let frees = Frees()
    pages = try RacePages(
      .pciP2PDMA, runs: count,
      .init(onFree: { frame in
        let index = Int(frame) - frees.base[0]
        frees.count[index] += 1
        frees.thread[index] = Int(unsafe folio_this_thread().pointee.id)
      }))
    frees.base[0] = Int(pages.frame(0))
    self.frees = frees
  }

  package func prepare(_ index: Int) {
    (frees.count[index], frees.thread[index]) = (0, 0)
    // As the driver hands a page out: the free path gives the map's reference back.
    unsafe percpu_ref_get(&pages.map.pgmap.pointee.ref)
    unsafe set_page_count(pages.page(index), 2)
  }

  package func first(_ index: Int) {
    threads[0] = Int(unsafe folio_this_thread().pointee.id)
    unsafe folio_put(pages.folio(index))
  }

  package func second(_ index: Int) {
    unsafe folio_put(pages.folio(index))
  }

  package func outcome(_ index: Int) -> Outcome {
    switch frees.count[index] {
    case 0: .neither
    case 1: frees.thread[index] == threads[0] ? .first : .second
    default: .both
    }
  }
}
