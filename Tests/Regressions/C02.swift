// SPDX-License-Identifier: MIT

// C02: try_get that adds whatever R is.
//
//   1. T1 reads the head of a page: H, R is 1.
//   2. T2 drops that reference. R is 0; T2 runs the free path and may split the folio.
//   3. T1 adds 1. R is 1 again, on a folio that is being freed.
//   4. T1's put frees it a second time.
//
// Guard: add_unless(0) in folio_ref_try_add() and its kin. Step 2 runs at T1's first access to H,
// and at its first write. Run time: none to speak of. A failure shows a reference taken, or R other
// than 0.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C02: no reference is taken from 0, whether free, frozen or dying")
  func c02() throws {
    let freed = Counter()
    let map = try PageMap(.pciP2PDMA, pages: 512, .init(onFree: { _ in freed.add() }))
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe page_folio(page)
    let attempts: [(String, () -> Bool)] = [
      ("try_get_folio", { unsafe try_get_folio(page, 1) != nil }),
      ("folio_try_get", { unsafe folio_try_get(folio) }),
      ("folio_ref_try_add", { unsafe folio_ref_try_add(folio, 3) }),
      ("get_page_unless_zero", { unsafe get_page_unless_zero(page) }),
      ("folio_get_nontail_page", { unsafe folio_get_nontail_page(page) != nil }),
    ]
    for (name, attempt) in attempts {
      #expect(!attempt(), "\(name) on a free page")
      #expect(unsafe page_ref_count(page) == 0)

      // Dying: the last put comes between the look at the head, or at R, and the add.
      for trigger in [FaultPoint.Trigger.access, .write] {
        unsafe set_page_count(page, 1)
        var got = true
        let frees = freed.value
        let reached = unsafe FaultPoint.run(at: page, on: trigger) {
          unsafe folio_put(folio)
        } body: {
          got = attempt()
        }
        #expect(reached && !got, "\(name) on a dying page, \(trigger)")
        #expect(unsafe page_ref_count(page) == 0)
        #expect(freed.value == frees + 1)
      }

      unsafe set_page_count(page, 2)
      let frozen = unsafe page_ref_freeze(page, 2)
      #expect(frozen)
      #expect(!attempt(), "\(name) on a frozen page")
      #expect(unsafe page_ref_count(page) == 0)
    }
  }
}
