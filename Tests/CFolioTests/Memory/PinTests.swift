// SPDX-License-Identifier: MIT

// Pins and references by their primitives, and their way back (spec: core.md 12.4, rows 94-99; CI20, CI45,
// CI57, CI58).

import CFolio
import FolioCore
import FolioWorkloads
import TestSupport
import Testing

@Suite("Pins")
struct PinTests {
  private func map(order: Int = 0, _ kind: PageMap.Kind = .fsdax) throws -> PageMap {
    try PageMap(kind, pages: 512, .init(compoundOrder: order))
  }

  /// R and PC.
  private func counts(_ folio: UnsafeMutablePointer<folio>) -> [Int32] {
    let references = unsafe folio_ref_count(folio)
    guard unsafe folio_test_large(folio) else { return [references] }
    return [references, unsafe atomic_read(&folio.pointee._pincount)]
  }

  @Test("a pin of a small folio weighs 1024, of a large one a reference and a pin")
  func weights() throws {
    let (small, large) = (try map(), try map(order: 9))
    let one = unsafe small.folio(small.frames.lowerBound)
    let many = unsafe large.folio(large.frames.lowerBound)
    unsafe [one, many].forEach { folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe !folio_maybe_dma_pinned(folio))
      #expect(unsafe try_grab_folio(folio, 3, FOLL_PIN) == 0)
      #expect(unsafe folio_maybe_dma_pinned(folio))
    }
    #expect(unsafe counts(one) == [1 + 3 * 1024] && counts(many) == [4, 3])
    unsafe [one, many].forEach { folio in
      unsafe folio_add_pin(folio)
      #expect(unsafe folio_add_pins(folio, 2) == 0)
    }
    #expect(unsafe counts(one) == [1 + 6 * 1024] && counts(many) == [7, 6])
    unsafe [one, many].forEach { folio in
      unsafe gup_put_folio(folio, 6, FOLL_PIN)
      #expect(unsafe try_grab_folio(folio, 2, FOLL_GET) == 0)
      #expect(unsafe folio_ref_count(folio) == 3 && !folio_maybe_dma_pinned(folio))
      unsafe gup_put_folio(folio, 3, FOLL_GET)
    }
    count_foll_pins(0, 6)
    #expect(unsafe counts(one) == [0] && counts(many) == [0, 0])
  }

  @Test("the errors of the primitives, and nothing taken")
  func refusals() throws {
    let dax = try map()
    let folio = unsafe dax.folio(dax.frames.lowerBound)
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let warnings = cfolio_warning_count()
    #expect(unsafe try_grab_folio(folio, 1, FOLL_GET) == -12, "R is 0")
    #expect(cfolio_warning_count() >= warnings + 1)
    let peer = try PageMap(.pciP2PDMA, pages: 512)
    let page = unsafe peer.page(peer.frames.lowerBound)
    unsafe zone_device_page_init(page)
    #expect(unsafe try_grab_folio(page_folio(page), 1, FOLL_GET) == -121)
    #expect(unsafe try_grab_folio(page_folio(page), 1, FOLL_PIN | FOLL_PCI_P2PDMA) == 0)
    unsafe gup_put_folio(page_folio(page), 1, FOLL_PIN)
    // Outside a read section, and with neither flag: a warning and nothing.
    #expect(unsafe try_grab_folio_fast(page, 1, FOLL_GET | FOLL_PCI_P2PDMA) == nil)
    rcu_read_lock()
    #expect(unsafe try_grab_folio_fast(page, 1, FOLL_PCI_P2PDMA) == nil)
    #expect(unsafe try_grab_folio_fast(page, 1, FOLL_GET) == nil)
    rcu_read_unlock()
    #expect(cfolio_warning_count() >= warnings + 3)
    #expect(unsafe folio_ref_count(page_folio(page)) == 1)
    unsafe folio_unlock(page_folio(page))
    unsafe put_page(page)
  }

  @Test("the permanent pages are pinned and given back without a change (CI20)")
  func zeroPage() throws {
    let map = try map()
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_ref_inc(folio)
    unsafe ZeroFolios.with(page: map.page(map.frames.lowerBound)) {
      #expect(unsafe try_grab_folio(folio, 5, FOLL_PIN) == 0)
      unsafe folio_add_pin(folio)
      #expect(unsafe folio_add_pins(folio, 7) == 0)
      rcu_read_lock()
      #expect(unsafe try_grab_folio_fast(map.page(map.frames.lowerBound), 2, FOLL_PIN) == folio)
      rcu_read_unlock()
      #expect(unsafe folio_ref_count(folio) == 1)
      unsafe unpin_user_folio(folio, 15)
      #expect(unsafe folio_ref_count(folio) == 1)
    }
    unsafe folio_put(folio)
  }

  @Test("a pin on top of none is warned of")
  func addPin() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    for order in [0, 9] {
      let map = try map(order: order)
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe folio_ref_inc(folio)
      let warnings = cfolio_warning_count()
      unsafe folio_add_pin(folio)
      #expect(cfolio_warning_count() >= warnings + 1)
      unsafe unpin_folio(folio)
      unsafe folio_put(folio)
    }
  }

  @Test(
    "pins given back in runs are those given back one by one (CI57)", arguments: [0, 2],
    Seed.these([57, 58, 59]))
  func coalescing(_ order: Int, seed: Seed) throws {
    var random = SeededRandom(seed: seed.value)
    let map = try map(order: order)
    let frames = (0..<200).map { _ in
      map.frames.lowerBound + UInt(random.number(in: 0...31))
    }
    var pages: [UnsafeMutablePointer<page>?] = unsafe frames.map { unsafe map.page($0) }
    let folios = unsafe Set(frames.map { unsafe map.folio($0) })
    unsafe folios.forEach { folio in unsafe folio_ref_inc(folio) }
    let idle = unsafe folios.map { unsafe counts($0) }
    func pin() {
      unsafe pages.forEach { page in
        if let page = unsafe page { _ = unsafe try_grab_folio(page_folio(page), 1, FOLL_PIN) }
      }
    }
    unsafe pages.insert(nil, at: 17)
    pin()
    unsafe unpin_user_pages(&pages, UInt(pages.count))
    #expect(unsafe folios.map { unsafe counts($0) } == idle)
    pin()
    unsafe pages.forEach { page in if let page = unsafe page { unsafe unpin_user_page(page) } }
    #expect(unsafe folios.map { unsafe counts($0) } == idle)
    unsafe pages.removeAll { unsafe $0 == nil }
    pin()
    var present: [UnsafeMutablePointer<page>] = unsafe pages.compactMap { unsafe $0 }
    unsafe unpin_user_pages_dirty_lock(&present, UInt(present.count), true)
    #expect(unsafe folios.map { unsafe counts($0) } == idle)
    let areDirty = unsafe folios.allSatisfy {
      unsafe folio_test_flag($0, Int32(PG_dirty.rawValue))
    }
    #expect(areDirty)
    pin()
    var heads: [UnsafeMutablePointer<folio>] = unsafe pages.map { unsafe page_folio($0!) }
    unsafe unpin_folios(&heads, UInt(heads.count))
    #expect(unsafe folios.map { unsafe counts($0) } == idle)
    // An errno for a number of pages is warned of, and nothing given back.
    cfolio_warnings_quiet(true)
    let warnings = cfolio_warning_count()
    unsafe unpin_user_pages(&pages, UInt(bitPattern: -14))
    #expect(cfolio_warning_count() >= warnings + 1)
    cfolio_warnings_quiet(false)
    unsafe folios.forEach { folio in unsafe folio_put(folio) }
    count_foll_pins(4 * 200, 0)
  }

  @Test("who frees a folio with the last pin finds it dirty (T15)")
  func dirtyBeforePut() throws {
    let freed = Counter()
    let map = try PageMap(
      .deviceCoherent, pages: 2,
      .init(onFree: { frame in
        let folio = unsafe page_folio(pfn_to_page(frame))
        if unsafe folio_test_flag(folio, Int32(PG_dirty.rawValue)) { freed.add() }
      }))
    for number in 0..<2 {
      let frame = map.frames.lowerBound + UInt(number)
      unsafe zone_device_page_init(map.page(frame))
      unsafe folio_unlock(map.folio(frame))
      #expect(unsafe try_grab_folio(map.folio(frame), 1, FOLL_PIN) == 0)
      unsafe put_page(map.page(frame))
      if number == 0 {
        var pages = unsafe [map.page(frame)]
        unsafe unpin_user_pages_dirty_lock(&pages, 1, true)
      } else {
        unsafe unpin_user_page_range_dirty_lock(map.page(frame), 1, true)
      }
      #expect(freed.value == number + 1)
    }
    count_foll_pins(2, 0)
  }

  @Test("consecutive frames are given back folio by folio")
  func range() throws {
    let map = try map(order: 2)
    let first = map.frames.lowerBound
    for frame in first..<(first + 12) {
      if unsafe folio_ref_count(map.folio(frame)) == 0 { unsafe folio_ref_inc(map.folio(frame)) }
      #expect(unsafe try_grab_folio(map.folio(frame), 1, FOLL_PIN) == 0)
    }
    unsafe unpin_user_page_range_dirty_lock(map.page(first + 2), 8, true)
    let pins = [0, 4, 8].map { unsafe counts(map.folio(first + $0))[1] }
    #expect(pins == [2, 0, 2])
    unsafe unpin_user_page_range_dirty_lock(map.page(first), 2, false)
    unsafe unpin_user_page_range_dirty_lock(map.page(first + 10), 2, false)
    for frame in stride(from: first, to: first + 12, by: 4) {
      #expect(unsafe counts(map.folio(frame)) == [1, 0])
      unsafe folio_put(map.folio(frame))
    }
    count_foll_pins(12, 0)
  }
}
