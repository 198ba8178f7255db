// SPDX-License-Identifier: MIT

// Forming folios and every way back (spec: core.md section 7; rows 39-45, CI7-CI11, CI33-CI35).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Compound pages")
struct CompoundTests {
  @Test("a formed folio has every word of the table, for each order", arguments: [1, 2, 3, 9])
  func form(order: Int) throws {
    let map = try PageMap(.fsdax, pages: 1024)
    try map.startAuditing()
    let first = map.frames.lowerBound + 512
    var owner = try map.claim(frame: first, order: order)
    try owner.form()
    let folio = unsafe map.folio(first)
    #expect(unsafe folio_test_large(folio))
    #expect(unsafe folio_order(folio) == UInt32(order))
    #expect(unsafe folio_nr_pages(folio) == 1 << order)
    #expect(unsafe folio_large_mapcount(folio) == 0)
    #expect(unsafe folio_entire_mapcount(folio) == 0)
    #expect(unsafe folio_has_pincount(folio))
    #expect(unsafe !folio_maybe_dma_pinned(folio))
    for index in UInt(1)..<UInt(1 << order) {
      let tail = unsafe map.page(first + index)
      #expect(unsafe PageTail(tail) && compound_head(tail) == map.page(first))
      #expect(unsafe page_folio(tail) == folio && folio_page(folio, index) == tail)
      #expect(unsafe page_ref_count(tail) == 0)
      if index >= 3 { #expect(unsafe page_mapping_word(tail) == cfolio_tail_mapping()) }
    }
    #expect(map.audit().isEmpty)
    try owner.split()
    for frame in first..<(first + UInt(1 << order)) {
      let page = unsafe map.page(frame)
      #expect(unsafe !PageTail(page) && !PageHead(page) && page_pgmap(page) == map.pgmap)
      #expect(unsafe folio_share(page_folio(page)) == 0)
    }
    #expect(map.audit().isEmpty)
  }

  @Test("an owner cannot form or split what is in use, and nothing changes")
  func busy() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let first = map.frames.lowerBound
    func code(_ body: () throws(PageMapError) -> Void) -> PageMapError.Code? {
      do throws(PageMapError) { try body() } catch { return error.code }
      return nil
    }
    var owner = try map.claim(frame: first, order: 2)
    #expect(code { () throws(PageMapError) in _ = try map.claim(frame: first + 2).frame } == .busy)
    #expect(
      code { () throws(PageMapError) in _ = try map.claim(frame: first + 1, order: 1).frame }
        == .misaligned)
    #expect(
      code { () throws(PageMapError) in _ = try map.claim(frame: first + 512).frame } == .outOfRange
    )
    #expect(
      code { () throws(PageMapError) in _ = try map.claim(frame: first, order: 19).frame }
        == .invalidOrder)
    #expect(code { () throws(PageMapError) in try owner.split() } == .invalidOrder)
    unsafe set_page_count(map.page(first + 3), 1)
    #expect(code { () throws(PageMapError) in try owner.form() } == .busy)
    unsafe set_page_count(map.page(first + 3), 0)
    try owner.form()
    #expect(code { () throws(PageMapError) in try owner.form() } == .busy)
    let held = try owner.raise()
    #expect(code { () throws(PageMapError) in try owner.split() } == .busy)
    let order = held.order
    #expect(order == 2)
    held.release()
    unsafe folio_add_file_rmap_pte(map.folio(first), map.page(first + 1), 7)
    #expect(code { () throws(PageMapError) in try owner.split() } == .busy)
    unsafe folio_remove_rmap_pte(map.folio(first), map.page(first + 1), 7)
    try owner.split()
    #expect(map.firstBusyFrame == nil && map.audit().isEmpty)
  }

  @Test("set and reset of the order warn about small folios")
  func orderWords() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let folio = unsafe map.folio(map.frames.lowerBound)
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let before = cfolio_warning_count()
    unsafe folio_set_order(folio, 3)
    unsafe folio_reset_order(folio)
    #expect(cfolio_warning_count() >= before + 2)
    #expect(unsafe folio_order(folio) == 0)
  }

  @Test("split_page gives each page of a plain block its own reference")
  func splitPage() throws {
    let block = try SystemMemory.shared.allocate(order: 3, compound: false)
    let first = block.frame
    unsafe split_page(pfn_to_page(first), 3)
    for frame in first..<(first + 8) {
      #expect(unsafe page_ref_count(pfn_to_page(frame)) == 1)
    }
    for frame in (first + 1)..<(first + 8) { unsafe put_page(pfn_to_page(frame)) }
    block.release()
  }

  @Test("a RAM folio splits under freeze; the count must be as expected", arguments: [0, 2])
  func ramSplit(newOrder: UInt32) throws {
    let held = try SystemMemory.shared.allocate(order: 4)
    let first = held.frame
    let folio = unsafe held.folio
    unsafe folio_ref_add(folio, 16)  // the page cache's, one per page
    #expect(unsafe folio_trylock(folio))
    #expect(unsafe folio_split(folio, newOrder, 15, nil, nil) == -11, "EAGAIN: one reference more")
    #expect(unsafe folio_ref_count(folio) == 17)
    let moved = Counter()
    let context = unsafe Unmanaged.passUnretained(moved).toOpaque()
    let result = unsafe folio_split(
      folio, newOrder, 16,
      { context, original, _ in
        // While slots move, nobody can take the original (C09).
        let taken = unsafe folio_try_get(original)
        unsafe Unmanaged<Counter>.fromOpaque(context!).takeUnretainedValue().add(taken ? 1000 : 1)
      }, context)
    #expect(result == 0)
    let step = UInt(1) << UInt(newOrder)
    #expect(moved.value == Int(16 / step) - 1)
    for frame in stride(from: first, to: first + 16, by: Int(step)) {
      let part = unsafe page_folio(pfn_to_page(frame))
      #expect(unsafe folio_pfn(part) == frame && folio_order(part) == newOrder)
      #expect(unsafe folio_ref_count(part) == Int32(step) + 1)
    }
    unsafe folio_unlock(folio)
    for frame in stride(from: first, to: first + 16, by: Int(step)) {
      unsafe folio_put_refs(page_folio(pfn_to_page(frame)), Int32(step))
      if frame != first { unsafe put_page(pfn_to_page(frame)) }
    }
    held.release()
  }

  @Test("freeing RAM checks the tails and gives every frame back")
  func freeTails() throws {
    let before = SystemMemory.shared.freePages
    let held = try SystemMemory.shared.allocate(order: 5)
    let recorded = cfolio_violation_count()
    held.release()
    #expect(cfolio_violation_count() == recorded)
    #expect(SystemMemory.shared.freePages <= before)
    // A tail that was written to is counted as bad.
    let broken = try SystemMemory.shared.allocate(order: 2)
    let page = unsafe pfn_to_page(broken.frame)
    unsafe folio_set_mapping_word(
      UnsafeMutableRawPointer(page.advanced(by: 3)).assumingMemoryBound(to: folio.self), 0)
    #expect(unsafe free_tail_page_prepare(page, 3) == 1)
    unsafe prep_compound_tail(page, 3)
    unsafe atomic_set(&broken.folio.pointee._pincount, 1)
    #expect(unsafe free_tail_page_prepare(page, 1) >= 1)
    unsafe prep_compound_tail(page, 1)
    unsafe prep_compound_head(page, 2)
    broken.release()
  }
}
