// SPDX-License-Identifier: MIT

// The end of a page's life against the beginning of the next (folio_raise() in memremap.h): the free
// path may still be on its way when the owner, woken by it, shapes the page anew.

import CFolio
import FolioCore
import Testing

@Suite("Free paths that end late")
struct LateFreeTests {
  // The story. Page 1 of a pair is raised and dropped. 1. The putter brings R to 0 and sends the
  // wake. 2. The waiter, which owns the pair, forms a folio of both pages; page 1's memcg_data word
  // is the folio's _nr_pages now. 3. The putter goes on and takes back the note of folio_raise() in
  // that word. Symptom: a folio of order 1 with one page.
  @Test("a waiter that forms a folio at once is not disturbed by the free path that woke it")
  func formedByTheWaiter() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let head = unsafe map.page(map.frames.lowerBound)
    let second = unsafe map.folio(map.frames.lowerBound + 1)
    unsafe folio_raise(second)
    let callback = UnsafeMutablePointer<wait_callback>.allocate(capacity: 1)
    defer { unsafe callback.deallocate() }
    unsafe wait_callback_begin(
      callback, cfolio_idle_key(second, FOLIO_RULES_STRICT),
      { callback in
        let head = unsafe callback.pointee.context!.assumingMemoryBound(to: page.self)
        unsafe prep_compound_page(head, 1)
      }, head)
    unsafe folio_put(second)
    let folio = unsafe page_folio(head)
    #expect(unsafe folio_order(folio) == 1)
    #expect(unsafe folio_nr_pages(folio) == 2)
    #expect(map.audit().isEmpty)
    unsafe folio_split_to_order_0(folio)
    try map.unmap()
  }

  @Test(
    "a page that was raised twice and dropped twice gives its place back",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func raisedTwice(rules: PageMap.Rules) throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
    let frames = map.frames
    let owner = try map.claim(frame: frames.lowerBound)
    let first = try owner.raise()
    try owner.raise().releasePage()
    first.releasePage()
    try map.unmap()
    let again = try PageMap(
      .fsdax, pages: 512, .init(rules: rules, firstFrame: frames.lowerBound))
    try again.unmap()
  }

  // The story. 1. The last putter of a page that its driver handed out brings R to 0. 2. The owner
  // looks at R and raises the page. 3. The putter's free path goes on: it stops over a page in use,
  // or clears its mapping. Found by the lab (scenario raise-late).
  @Test(
    "a page that is on its way home is not handed out",
    arguments: [PageMap.Kind.devicePrivate, .deviceCoherent, .pciP2PDMA],
    [PageMap.Rules.strict, .kernel, .legacy])
  func raisedOnItsWayHome(kind: PageMap.Kind, rules: PageMap.Rules) throws {
    let map = try PageMap(kind, pages: 512, .init(rules: rules))
    let owner = try map.claim(frame: map.frames.lowerBound)
    let folio = unsafe try owner.raise().leak()
    #expect(throws: PageMapError.self, "it is out") { _ = try owner.raise().frame }
    // The put as far as its decrement, then the rest.
    let left = unsafe folio_ref_sub_return(folio, 1)
    #expect(left == 0)
    #expect(throws: PageMapError.self, "it is on its way") { _ = try owner.raise().frame }
    unsafe free_zone_device_folio(folio)
    try owner.raise().release()
    #expect(map.audit().isEmpty)
  }
}
