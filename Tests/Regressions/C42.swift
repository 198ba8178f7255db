// SPDX-License-Identifier: MIT

// C42 (legacy rules): dropping a reference of a DAX page by a path without the 2->1 hook.
//
//   1. T1 waits for the page to become idle: R == 1.
//   2. T2 drops its reference by a path that does not run the hook: R goes from 2 to 1, no wake.
//   3. T1 sleeps for ever. One more such put would free a page that is never freed.
//
// Guard: put_page(), batches, release_pages() and the undo of try_get_folio() ask
// put_devmap_managed_folio_refs() first. folio_put() never did, in those kernels: it is the hazard,
// and stays. Run time: none to speak of. A failure shows a waiter that was not resumed (CI23).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C42: each legacy path with the hook wakes at 1; folio_put does not")
  func c42() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe page_folio(page)
    let paths: [(String, Bool, () -> Void)] = [
      ("put_page", true, { unsafe put_page(page) }),
      (
        "folios_put_refs", true,
        {
          var batch = folio_batch()
          unsafe _ = folio_batch_add(&batch, folio)
          unsafe folios_put_refs(&batch, nil)
        }
      ),
      (
        "release_pages", true,
        {
          var words = unsafe [encode_page(page, 0)]
          unsafe release_pages(&words, 1)
        }
      ),
      ("folio_put", false, { unsafe folio_put(folio) }),
      ("folio_put_refs", false, { unsafe folio_put_refs(folio, 1) }),
    ]
    for (name, hooked, put) in paths {
      unsafe get_page(page)
      let waiter = IdleWaiter()
      #expect(unsafe !waiter.begin(folio, FOLIO_IDLE))
      put()
      #expect(unsafe page_ref_count(page) == 1)
      #expect(waiter.isResumed == hooked, "\(name)")
    }
  }

  @Test(
    "C42: what try_get_folio gives back under legacy rules goes through the hook",
    .enabled(if: FaultPoint.isSupported))
  func c42Undo() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
    let head = unsafe map.page(map.frames.lowerBound)
    let page = unsafe map.page(map.frames.lowerBound + 100)
    let folio = unsafe page_folio(head)
    let waiter = IdleWaiter()
    // The page looks like a tail of the head until the head is looked at.
    let word = unsafe page_head_word(page)
    unsafe _ = shared_xchg(&page.pointee.compound_head, UInt(bitPattern: head) + 1)
    unsafe get_page(head)
    var got: UnsafeMutablePointer<folio>?
    let reached = unsafe FaultPoint.run(at: head) {
      unsafe _ = shared_xchg(&page.pointee.compound_head, word)
      unsafe waiter.begin(folio, FOLIO_IDLE)
      // Another holder drops meanwhile, so that the undo is what makes the page idle.
      unsafe folio_ref_sub(folio, 1)
    } body: {
      unsafe got = try_get_folio(page, 1)
    }
    #expect(reached)
    #expect(unsafe got == page_folio(page))
    #expect(waiter.isResumed)
    unsafe put_page(page)
    #expect(unsafe page_ref_count(head) == 1 && page_ref_count(page) == 1)
  }
}
