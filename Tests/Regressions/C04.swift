// SPDX-License-Identifier: MIT

// C04: a reference on a page whose struct page was remapped read-only meanwhile.
//
//   1. T1 wants a reference on page P and looks at R: 1.
//   2. T2 freezes P (R is 0), waits for readers, remaps the memory of P's struct page so that it
//      only looks like a head, and unfreezes.
//   3. T1, with a stale idea of what P is, writes R: into read-only memory.
//
// Guards, in __page_ref_add_unless() while the vmemmap key is on: the read section around look and
// write, which step 2 waits for; the read of R, acquiring, before the look at the head; the look.
// Step 2 runs at T1's first access to P. The order of the two looks alone shows only on a weakly
// ordered CPU or in the lab. Run time: none to speak of. A failure shows no read section, or a
// reference taken on a false head.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C04: a page that became a false head before R was read gets no reference",
    .enabled(if: FaultPoint.isSupported))
  func c04() throws {
    let map = try PageMap(.fsdax, pages: 512)
    // Only a struct page that begins 4 KiB of the array can be remapped.
    let page = unsafe map.page(map.frames.lowerBound + 64)
    let flag = Int32(FOLIO_EVENT_VMEMMAP.rawValue)
    cfolio_events_enable(flag)
    defer { cfolio_events_disable(flag) }
    unsafe set_page_count(page, 1)

    var (got, inSection, frozen) = (true, false, false)
    let reached = unsafe FaultPoint.run(at: page) {
      inSection = rcu_read_lock_held()
      frozen = unsafe page_ref_freeze(page, 1)
      unsafe folio_set_flag(page_folio(page), Int32(PG_head.rawValue))
      unsafe prep_compound_tail(page.advanced(by: -1), 2)
      unsafe page_ref_unfreeze(page, 1)
    } body: {
      got = unsafe page_ref_add_unless(page, 1, 0)
    }
    #expect(reached && frozen)
    #expect(inSection, "the remapper could not wait for this reader")
    #expect(!got)
    #expect(unsafe page_ref_count(page) == 1)
    unsafe __init_zone_device_page(page, map.pgmap)
    unsafe set_page_count(page, 1)
    inSection = false
    let written = unsafe FaultPoint.run(at: page, on: .write) {
      inSection = rcu_read_lock_held()
    } body: {
      got = unsafe page_ref_add_unless(page, 1, 0)
    }
    #expect(written && got)
    #expect(inSection, "the section ended between look and write")
    unsafe set_page_count(page, 0)
    unsafe __init_zone_device_page(page.advanced(by: 1), map.pgmap)
  }
}
