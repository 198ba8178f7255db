// SPDX-License-Identifier: MIT

// Raw reference-count operations (spec: core.md section 3; rows 1-17, 26, 38, 120).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Raw reference counts")
@safe
struct PageRefTests {
  let map: PageMap
  let page: UnsafeMutablePointer<page>
  let folio: UnsafeMutablePointer<folio>

  init() throws {
    map = try PageMap(.fsdax, pages: 512)
    unsafe page = map.page(map.frames.lowerBound)
    unsafe folio = map.folio(map.frames.lowerBound)
  }

  @Test("set, add, sub, inc and dec change R by what they say, in both forms")
  func plainChanges() {
    unsafe set_page_count(page, 5)
    #expect(unsafe page_ref_count(page) == 5)
    unsafe page_ref_add(page, 3)
    unsafe folio_ref_add(folio, 2)
    #expect(unsafe folio_ref_count(folio) == 10)
    unsafe page_ref_sub(page, 4)
    unsafe folio_ref_sub(folio, 1)
    #expect(unsafe page_count(page) == 5)
    unsafe page_ref_inc(page)
    unsafe folio_ref_inc(folio)
    unsafe page_ref_dec(page)
    unsafe folio_ref_dec(folio)
    #expect(unsafe page_ref_count(page) == 5)
    unsafe folio_set_count(folio, 0)
    unsafe init_page_count(page)
    #expect(unsafe page_ref_count(page) == 1)
    unsafe set_page_count(page, 0)
  }

  @Test("value-returning operations return the new R")
  func returning() {
    unsafe set_page_count(page, 4)
    #expect(unsafe folio_ref_sub_return(folio, 3) == 1)
    #expect(unsafe page_ref_inc_return(page) == 2)
    #expect(unsafe folio_ref_inc_return(folio) == 3)
    #expect(unsafe page_ref_dec_return(page) == 2)
    #expect(unsafe folio_ref_dec_return(folio) == 1)
    unsafe set_page_count(page, 0)
  }

  @Test("a test for zero is true exactly when R becomes 0")
  func andTest() {
    unsafe set_page_count(page, 6)
    #expect(unsafe !page_ref_sub_and_test(page, 2))
    #expect(unsafe !folio_ref_sub_and_test(folio, 2))
    #expect(unsafe !page_ref_dec_and_test(page))
    #expect(unsafe folio_ref_dec_and_test(folio))
    #expect(unsafe page_ref_count(page) == 0)
  }

  @Test("add_unless adds except at the forbidden value; try_get never leaves 0")
  func addUnless() {
    #expect(unsafe !folio_try_get(folio))
    #expect(unsafe !folio_ref_try_add(folio, 7))
    #expect(unsafe !get_page_unless_zero(page))
    #expect(unsafe page_ref_count(page) == 0)
    #expect(unsafe page_ref_add_unless(page, 2, 9))
    #expect(unsafe !page_ref_add_unless(page, 2, 2))
    #expect(unsafe folio_try_get(folio))
    #expect(unsafe folio_ref_try_add(folio, 7))
    #expect(unsafe page_ref_count(page) == 10)
    unsafe set_page_count(page, 0)
  }

  @Test("with the vmemmap key on, add_unless refuses what only looks like a head")
  func vmemmapKey() throws {
    // The first page whose struct page begins a 4 KiB block of the array.
    let frame = map.frames.first { unsafe UInt(bitPattern: map.page($0)) % 4096 == 0 }!
    let start = unsafe map.page(frame)
    cfolio_events_enable(Int32(FOLIO_EVENT_VMEMMAP.rawValue))
    defer { cfolio_events_disable(Int32(FOLIO_EVENT_VMEMMAP.rawValue)) }
    unsafe set_page_count(start, 1)
    #expect(unsafe page_ref_add_unless(start, 1, 0))
    // A head whose next page names another head is a remapped tail: read-only memory.
    unsafe folio_set_flag(page_folio(start), Int32(PG_head.rawValue))
    unsafe prep_compound_tail(start.advanced(by: -1), 2)
    #expect(unsafe !page_ref_add_unless(start, 1, 0))
    // The same flag with a next page that names this one is a real head.
    unsafe prep_compound_tail(start, 1)
    #expect(unsafe page_ref_add_unless(start, 1, 0))
    #expect(unsafe page_ref_count(start) == 3)
    unsafe __init_zone_device_page(start, map.pgmap)
    unsafe __init_zone_device_page(start.advanced(by: 1), map.pgmap)
  }

  @Test("freeze succeeds only at the expected count and keeps getters out until unfreeze")
  func freeze() {
    unsafe set_page_count(page, 3)
    #expect(unsafe !page_ref_freeze(page, 2))
    #expect(unsafe page_ref_count(page) == 3)
    #expect(unsafe folio_ref_freeze(folio, 3))
    #expect(unsafe page_ref_count(page) == 0)
    #expect(unsafe !folio_try_get(folio))
    unsafe folio_ref_unfreeze(folio, 2)
    #expect(unsafe folio_try_get(folio))
    #expect(unsafe page_ref_count(page) == 3)
    unsafe set_page_count(page, 0)
  }

  @Test("the overflow window is R in -127...0, read as unsigned")
  func overflowWindow() {
    for (count, inside) in [
      (Int32(-128), false), (-127, true), (-1, true), (0, true), (1, false), (Int32.max, false),
    ] {
      unsafe set_page_count(page, count)
      #expect(unsafe folio_ref_zero_or_close_to_overflow(folio) == inside, "R = \(count)")
    }
    unsafe set_page_count(page, 0)
  }

  @Test("the event log holds exactly the seven kinds, with page, change and result")
  func events() async {
    // The log is the process's, and stress rounds of other tests clear it.
    await #expect(processExitsWith: .success) { try Self.traceAllKinds() }
  }

  private static func traceAllKinds() throws {
    let map = try PageMap(.generic, pages: 1)
    let frame = map.frames.lowerBound
    let (page, folio) = unsafe (map.page(frame), map.folio(frame))
    ReferenceTrace.setEnabled(true)
    unsafe set_page_count(page, 2)
    unsafe page_ref_add(page, 3)
    _ = unsafe page_ref_sub_and_test(page, 1)
    _ = unsafe page_ref_inc_return(page)
    _ = unsafe folio_try_get(folio)
    _ = unsafe page_ref_freeze(page, 6)
    unsafe page_ref_unfreeze(page, 1)
    _ = unsafe page_ref_freeze(page, 9)
    ReferenceTrace.setEnabled(false)
    let seen = ReferenceTrace.lastEvents(of: frame, limit: 8)
    precondition(
      seen.map(\.kind) == [
        .set, .mod, .modAndTest, .modAndReturn, .modUnless, .freeze, .unfreeze, .freeze,
      ], "\(seen)")
    precondition(seen.map(\.delta) == [2, 3, -1, 1, 1, 6, 1, 9], "\(seen)")
    precondition(seen.map(\.result) == [2, 5, 0, 5, 1, 1, 1, 0], "\(seen)")
    precondition(Set(ReferenceEvent.Kind.allCases).isSuperset(of: seen.map(\.kind)))
    let json = ReferenceTrace.perfettoJSON(seen)
    precondition(json.contains("\"name\":\"page_ref_freeze\""), json)
    precondition(ReferenceTrace.jsonLines(seen).split(separator: "\n").count == 8)
  }
}
