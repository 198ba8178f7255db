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
  @Test("C02: no reference is taken from a free or frozen page")
  func c02() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let page = unsafe map.page(map.frames.lowerBound)
    for (name, attempt) in unsafe attempts(on: page) {
      #expect(!attempt(), "\(name) on a free page")
      #expect(unsafe page_ref_count(page) == 0)
      unsafe set_page_count(page, 2)
      let frozen = unsafe page_ref_freeze(page, 2)
      #expect(frozen)
      #expect(!attempt(), "\(name) on a frozen page")
      #expect(unsafe page_ref_count(page) == 0)
    }
  }

  @Test(
    "C02: no reference is taken from a page whose last put came after the look at it",
    .enabled(if: FaultPoint.isSupported))
  func c02Dying() throws {
    let freed = Counter()
    let map = try PageMap(.pciP2PDMA, pages: 512, .init(onFree: { _ in freed.add() }))
    let page = unsafe map.page(map.frames.lowerBound)
    for (name, attempt) in unsafe attempts(on: page) {
      for trigger in [FaultPoint.Trigger.access, .write] {
        // As the driver hands a page out: the free path gives the map's reference back.
        unsafe percpu_ref_get(&map.pgmap.pointee.ref)
        unsafe set_page_count(page, 1)
        var got = true
        let frees = freed.value
        let reached = unsafe FaultPoint.run(at: page, on: trigger) {
          unsafe folio_put(page_folio(page))
        } body: {
          got = attempt()
        }
        #expect(reached && !got, "\(name), \(trigger)")
        #expect(unsafe page_ref_count(page) == 0)
        #expect(freed.value == frees + 1)
      }
    }
  }

  private func attempts(on page: UnsafeMutablePointer<page>) -> [(String, () -> Bool)] {
    let folio = unsafe page_folio(page)
    return [
      ("try_get_folio", { unsafe try_get_folio(page, 1) != nil }),
      ("folio_try_get", { unsafe folio_try_get(folio) }),
      ("folio_ref_try_add", { unsafe folio_ref_try_add(folio, 3) }),
      ("get_page_unless_zero", { unsafe get_page_unless_zero(page) }),
      ("folio_get_nontail_page", { unsafe folio_get_nontail_page(page) != nil }),
    ]
  }
}
