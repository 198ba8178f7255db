// SPDX-License-Identifier: MIT

// C41: waiting for R == 0 while the busy scan asks for R == M.
//
//   1. T1 finds a page pinned, drops its locks and waits: R must become 0.
//   2. T2 faults the page in again: one mapping, R is 2.
//   3. T3 unpins: R is 1, which is no transition to 0, so no wake. T1 sleeps although nothing but
//      a mapping - which T1 would remove - is left.
//
// Guard, under strict rules: waits are for R == M, every put that leaves R > 0 looks for waiters,
// and so does every new mapping, whose reference came before it. Kernel rules keep the hang: the
// wait ends when the mapping goes. Run time: none to speak of. A failure shows a waiter of a strict
// map that was not resumed (CI46).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test("C41: strict: the last unpin wakes although a mapping came back; kernel: it does not")
  func c41() throws {
    for rules in [PageMap.Rules.strict, .kernel] {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
      let page = unsafe map.page(map.frames.lowerBound)
      let folio = unsafe page_folio(page)
      let pin = Int32(GUP_PIN_COUNTING_BIAS)
      unsafe folio_ref_add(folio, pin)
      let waiter = IdleWaiter()
      let condition = unsafe pgmap_idle_condition(map.pgmap)
      #expect(unsafe !waiter.begin(folio, condition))
      unsafe folio_ref_inc(folio)
      unsafe folio_add_file_rmap_pte(folio, page, 11)
      #expect(unsafe !waiter.stopsWaiting(folio, condition), "still pinned")
      unsafe folio_put_refs(folio, pin)
      #expect(unsafe waiter.stopsWaiting(folio, condition) == (rules == .strict), "\(rules)")
      unsafe folio_remove_rmap_pte(folio, page, 11)
      unsafe folio_put(folio)
      #expect(unsafe waiter.stopsWaiting(folio, condition))
    }
  }

  @Test("C41: strict: a waiter that met an insertion half way is woken when the mapping is counted")
  func c41Insertion() throws {
    for order in [0, 2] {
      let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: order))
      let page = unsafe map.page(map.frames.lowerBound)
      let folio = unsafe page_folio(page)
      // The reference of a new entry comes before its mapping: until then it looks like a pin.
      unsafe folio_ref_inc(folio)
      let waiter = IdleWaiter()
      #expect(unsafe !waiter.begin(folio, FOLIO_UNPINNED))
      unsafe folio_add_file_rmap_pte(folio, page, 11)
      #expect(waiter.isResumed)
      unsafe folio_remove_rmap_pte(folio, page, 11)
      unsafe folio_put(folio)
    }
  }
}
