// SPDX-License-Identifier: MIT

// Get, put and batches, the free path of each type, the legacy hook (spec: core.md sections 4 and
// 5; rows 18-30, 46-50).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Get and put")
struct GetPutTests {
  /// A map of the kind whose first page has R == count.
  private func map(
    _ kind: PageMap.Kind, _ rules: PageMap.Rules = .strict, count: Int32,
    onFree: (@Sendable (UInt) -> Void)? = nil
  ) throws -> (PageMap, UnsafeMutablePointer<page>) {
    let map = try PageMap(
      kind, pages: 512, .init(rules: rules, strictTeardown: false, onFree: onFree))
    let page = unsafe map.page(map.frames.lowerBound)
    unsafe set_page_count(page, count)
    return unsafe (map, page)
  }

  @Test("every get adds one, every put drops one")
  func pairs() throws {
    let (map, page) = try unsafe map(.fsdax, count: 1)
    let folio = unsafe page_folio(page)
    unsafe folio_get(folio)
    unsafe get_page(page)
    #expect(unsafe try_get_page(page))
    #expect(unsafe get_page_unless_zero(page))
    #expect(unsafe folio_get_nontail_page(page) == folio)
    #expect(unsafe try_get_folio(page, 2) == folio)
    #expect(unsafe page_ref_count(page) == 8)
    unsafe folio_put(folio)
    unsafe put_page(page)
    unsafe folio_put_refs(folio, 3)
    #expect(unsafe !folio_put_testzero(folio))
    #expect(unsafe !put_page_testzero(page))
    #expect(unsafe page_ref_count(page) == 1)
    unsafe folio_put(folio)
    #expect(map.firstBusyFrame == nil)
  }

  @Test("tails cannot be taken by number, their folio can")
  func tails() throws {
    let map = try PageMap(.generic, pages: 512, .init(compoundOrder: 9))
    let tail = unsafe map.page(map.frames.lowerBound + 7)
    #expect(unsafe folio_get_nontail_page(tail) == nil)
    #expect(unsafe !get_page_unless_zero(tail))
    #expect(unsafe try_get_folio(tail, 1) == map.folio(map.frames.lowerBound))
    unsafe put_page(tail)
  }

  @Test("get_page of slab and kmalloc pages warns and does nothing; put_page ignores them")
  func typedPages() throws {
    let (owner, page) = try unsafe map(.fsdax, count: 1)
    defer { withExtendedLifetime(owner) {} }
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    for type in [PGTY_slab, PGTY_large_kmalloc] {
      unsafe atomic_set(&page.pointee.page_type, Int32(bitPattern: type << 24))
      let before = cfolio_warning_count()
      unsafe get_page(page)
      #expect(cfolio_warning_count() > before)
      unsafe put_page(page)
      #expect(unsafe page_ref_count(page) == 1)
      #expect(unsafe folio_mapcount(page_folio(page)) == 0, "a typed page has no mappings (CI65)")
    }
    unsafe atomic_set(&page.pointee._mapcount, -1)
    unsafe put_page(page)
  }

  @Test("try_get_page warns and fails at R <= 0")
  func tryGetPage() throws {
    let (owner, page) = try unsafe map(.fsdax, count: 0)
    defer { withExtendedLifetime(owner) {} }
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let before = cfolio_warning_count()
    #expect(unsafe !try_get_page(page))
    #expect(cfolio_warning_count() > before)
  }

  @Test("a batch drops each folio's references and empties itself")
  func batches() throws {
    let map = try PageMap(.fsdax, pages: 512)
    var batch = folio_batch()
    unsafe folio_batch_init(&batch)
    var references: [UInt32] = []
    for index in UInt(0)..<UInt(PAGEVEC_SIZE) {
      let folio = unsafe map.folio(map.frames.lowerBound + index)
      unsafe folio_set_count(folio, Int32(index) + 2)
      #expect(unsafe folio_batch_add(&batch, folio) == UInt32(PAGEVEC_SIZE) - 1 - UInt32(index))
      references.append(UInt32(index) + 1)
    }
    unsafe folios_put_refs(&batch, references)
    #expect(batch.nr == 0)
    for index in UInt(0)..<UInt(PAGEVEC_SIZE) {
      let folio = unsafe map.folio(map.frames.lowerBound + index)
      #expect(unsafe folio_ref_count(folio) == 1)
      unsafe _ = folio_batch_add(&batch, folio)
    }
    unsafe folios_put(&batch)
    #expect(map.firstBusyFrame == nil)
  }

  @Test("release_pages follows the encoding: a count word belongs to the page before it")
  func releasePages() throws {
    let map = try PageMap(.fsdax, pages: 512)
    var words: [OpaquePointer] = unsafe []
    for index in UInt(0)..<64 {
      let page = unsafe map.page(map.frames.lowerBound + index)
      let count = Int32(index % 3) + 1
      unsafe set_page_count(page, count)
      let delayed = index % 2 == 0 ? ENCODED_PAGE_BIT_DELAY_RMAP : 0
      if count > 1 {
        unsafe words.append(encode_page(page, ENCODED_PAGE_BIT_NR_PAGES_NEXT | delayed))
        unsafe words.append(encode_nr_pages(UInt(count)))
      } else {
        unsafe words.append(encode_page(page, delayed))
      }
    }
    unsafe release_pages(&words, Int32(unsafe words.count))
    #expect(map.firstBusyFrame == nil)
  }

  @Test("the huge zero folio is skipped by batches")
  func hugeZero() throws {
    let (owner, page) = try unsafe map(.fsdax, count: 5)
    defer { withExtendedLifetime(owner) {} }
    let folio = unsafe page_folio(page)
    unsafe ZeroFolios.with(huge: folio) {
      var batch = folio_batch()
      unsafe _ = folio_batch_add(&batch, folio)
      unsafe folios_put(&batch)
    }
    #expect(unsafe page_ref_count(page) == 5)
  }

  @Test("a page that the driver handed out comes home once, and its map reference goes with it")
  func allocatedTypes() throws {
    for kind in [PageMap.Kind.devicePrivate, .deviceCoherent, .pciP2PDMA] {
      for rules in [PageMap.Rules.strict, .kernel] {
        let returned = Counter()
        let map = try PageMap(
          kind, pages: 512, .init(rules: rules, onFree: { _ in returned.add() }))
        try map.startAuditing()
        let frame = map.frames.lowerBound + 9
        let budget = map.mapReferenceCount
        let owner = try map.claim(frame: frame)
        let held = try owner.raise()
        let count = held.referenceCount
        #expect(count == 1)
        #expect(map.mapReferenceCount == budget + 1)
        #expect(throws: PageMapError.self) { _ = try owner.raise().referenceCount }
        unsafe folio_set_mapping_word(held.folio, 0x1000)
        #expect(map.audit().isEmpty)
        held.release()
        #expect(returned.value == 1)
        #expect(unsafe folio_mapping_word(map.folio(frame)) == 0)
        #expect(map.mapReferenceCount == budget)
        #expect(map.audit().isEmpty)
      }
    }
  }

  @Test("a device-dax page at 0 is reset under kernel rules, and the audit names C72")
  func genericReset() throws {
    let map = try PageMap(.generic, pages: 512, .init(rules: .kernel))
    try map.startAuditing()
    unsafe folio_put(map.folio(map.frames.lowerBound))
    #expect(unsafe page_ref_count(map.page(map.frames.lowerBound)) == 1)
    let found = Violation.takeRecorded(in: map.frames)
    #expect(found.map(\.invariant) == ["C72"])
  }

  @Test("legacy: exactly the put paths that had the 2->1 hook wake, and none frees")
  func legacyHook() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
    try map.startAuditing()
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe page_folio(page)
    func wakes(_ put: () -> Void) -> Int32 {
      let before = unsafe cfolio_ledger_numbers(page).wakes
      unsafe folio_get(folio)
      put()
      #expect(unsafe page_ref_count(page) == 1)
      return unsafe cfolio_ledger_numbers(page).wakes - before
    }
    #expect(wakes { unsafe put_page(page) } == 1)
    #expect(wakes { _ = unsafe put_devmap_managed_folio_refs(folio, 1) } == 1)
    #expect(
      wakes {
        var batch = folio_batch()
        unsafe _ = folio_batch_add(&batch, folio)
        unsafe folios_put(&batch)
      } == 1)
    #expect(wakes { unsafe folio_put(folio) } == 0, "folio_put never had the hook (C42)")
    #expect(wakes { unsafe folio_put_refs(folio, 1) } == 0)
    #expect(map.audit().isEmpty)
  }

  @Test("the hook leaves other types and other rules alone")
  func hookScope() throws {
    let (owner, modern) = try unsafe map(.fsdax, .strict, count: 2)
    defer { withExtendedLifetime(owner) {} }
    let legacyMap = try PageMap(.generic, pages: 512, .init(rules: .legacy))
    #expect(unsafe !put_devmap_managed_folio_refs(page_folio(modern), 1))
    let generic = unsafe legacyMap.folio(legacyMap.frames.lowerBound)
    #expect(unsafe !put_devmap_managed_folio_refs(generic, 1))
    #expect(unsafe page_ref_count(modern) == 2)
    unsafe set_page_count(modern, 0)
  }

  @Test("long-term pins: never on file-system DAX (legacy: yes) nor on coherent pages")
  func longterm() throws {
    for (kind, modern, legacy) in [
      (PageMap.Kind.fsdax, false, true), (.generic, true, true), (.deviceCoherent, false, false),
      (.pciP2PDMA, true, true),
    ] {
      for (rules, expected) in [
        (PageMap.Rules.strict, modern), (.kernel, modern), (.legacy, legacy),
      ] {
        let map = try PageMap(kind, pages: 512, .init(rules: rules))
        #expect(unsafe folio_is_longterm_pinnable(map.folio(map.frames.lowerBound)) == expected)
      }
    }
  }
}
