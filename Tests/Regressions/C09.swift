// SPDX-License-Identifier: MIT

// C09: a split that unfreezes the original folio before the cache slots of its tails are replaced.
//
//   1. T1 freezes a folio of four pages and begins to split it.
//   2. T1 unfreezes the original folio, now small.
//   3. T2 looks up the slot of page 2, which still names the original, and takes a reference on it.
//   4. T2 uses page 0 as if it were page 2.
//
// Guard: folio_split() unfreezes the original last. The callback that replaces a slot plays T2.
// Run time: none to speak of. A failure shows a reference taken through a slot not yet replaced.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C09: while a slot still names the original folio, nobody can take it")
  func c09() throws {
    let order: UInt32 = 2
    let folio = try unsafe SystemMemory.shared.allocate(order: Int(order)).leak()
    let head = unsafe pfn_to_page(folio_pfn(folio))
    // One reference per page for the cache.
    unsafe folio_ref_add(folio, 4)
    let locked = unsafe folio_trylock(folio)
    #expect(locked)

    // Words: slots replaced so far; references that T2 got on the original; on a page whose
    // replacement has not begun.
    let seen = PlainWords(3)
    let result = unsafe folio_split(
      folio, 0, 4,
      { context, folio, new in
        let seen = unsafe Unmanaged<PlainWords>.fromOpaque(context!).takeUnretainedValue()
        seen[0] += 1
        if unsafe folio_try_get(folio) { seen[1] += 1 }
        if unsafe get_page_unless_zero(new) { seen[2] += 1 }
      }, Unmanaged.passUnretained(seen).toOpaque())
    #expect(result == 0)
    #expect(seen[0] == 3)
    #expect(seen[1] == 0, "the original was taken through a slot that names it for another index")
    #expect(seen[2] == 0, "a new folio was taken before its slot was replaced")
    unsafe folio_unlock(folio)
    for index in 0..<4 {
      let page = unsafe head + index
      #expect(unsafe page_ref_count(page) == 2)
      unsafe folio_put_refs(page_folio(page), 2)
    }
  }
}
