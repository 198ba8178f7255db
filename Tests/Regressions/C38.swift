// SPDX-License-Identifier: MIT

// C38: a wake on another key than the one that is waited on.
//
//   1. T1 waits for a page to become idle. Its key is the head's struct page; under legacy rules
//      the address of the refcount.
//   2. T2 drops the last reference and wakes - the other address.
//   3. T1 sleeps for ever.
//
// Guard: cfolio_idle_key() on the waiter's side, wake_idle_waiters() and the legacy hook on the
// other. Run time: none to speak of. A failure shows a waiter that was not resumed (CI46), or one
// of another page that was (CI49).

import CFolio
import FolioCore
import Testing

extension Regressions {
  @Test(
    "C38: the put that makes a page idle resumes its waiters and no others",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func c38(rules: PageMap.Rules) throws {
    let map = try PageMap(.fsdax, pages: 4096, .init(rules: rules))
    let page = unsafe map.page(map.frames.lowerBound)
    let value = unsafe map.pgmap.pointee.rules
    func queue(_ page: UnsafeMutablePointer<page>) -> UnsafeMutablePointer<wait_queue_head> {
      unsafe __var_waitqueue(cfolio_idle_key(page_folio(page), value))
    }
    // A page whose waiters share the bucket: only the key tells them apart.
    let other = try unsafe map.page(
      #require(map.frames.dropFirst().first { unsafe queue(map.page($0)) == queue(page) }))
    unsafe get_page(page)
    unsafe get_page(other)
    let (waiter, stranger) = (IdleWaiter(), IdleWaiter())
    #expect(unsafe !waiter.begin(page_folio(page), pgmap_idle_condition(map.pgmap)))
    #expect(unsafe !stranger.begin(page_folio(other), pgmap_idle_condition(map.pgmap)))
    unsafe put_page(page)
    #expect(waiter.isResumed)
    #expect(!stranger.isResumed)
    unsafe put_page(other)
    #expect(stranger.isResumed)
  }

  @Test("C38: a waiter on any page of a large folio is resumed by a put through any other")
  func c38Large() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_ref_inc(folio)
    let waiter = IdleWaiter()
    #expect(unsafe !waiter.begin(page_folio(map.page(map.frames.lowerBound + 300)), FOLIO_IDLE))
    unsafe put_page(map.page(map.frames.lowerBound + 17))
    #expect(waiter.isResumed)
  }
}
