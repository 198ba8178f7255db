// SPDX-License-Identifier: MIT
//
// Op codes: one per C function of rows 1-69 and 93 that makes sense on a device map in one thread,
// grouped by the shape of their arguments. Pages are indices into the map. What an operation does
// is in Model/ and, for the real thing, in Executor; its text form is in Operation+Text.swift.

/// Rows 3-30 and 93: changes of R of one page or folio by a count (or to a value).
package enum ReferenceCode: String, Sendable, Hashable, CaseIterable {
  case setPageCount = "set_page_count"
  case folioSetCount = "folio_set_count"
  case initPageCount = "init_page_count"
  case pageRefAdd = "page_ref_add"
  case folioRefAdd = "folio_ref_add"
  case pageRefSub = "page_ref_sub"
  case folioRefSub = "folio_ref_sub"
  case pageRefInc = "page_ref_inc"
  case folioRefInc = "folio_ref_inc"
  case pageRefDec = "page_ref_dec"
  case folioRefDec = "folio_ref_dec"
  case folioRefSubReturn = "folio_ref_sub_return"
  case pageRefIncReturn = "page_ref_inc_return"
  case folioRefIncReturn = "folio_ref_inc_return"
  case pageRefDecReturn = "page_ref_dec_return"
  case folioRefDecReturn = "folio_ref_dec_return"
  case pageRefSubAndTest = "page_ref_sub_and_test"
  case folioRefSubAndTest = "folio_ref_sub_and_test"
  case pageRefDecAndTest = "page_ref_dec_and_test"
  case folioRefDecAndTest = "folio_ref_dec_and_test"
  case folioTryGet = "folio_try_get"
  case folioRefTryAdd = "folio_ref_try_add"
  case pageRefFreeze = "page_ref_freeze"
  case folioRefFreeze = "folio_ref_freeze"
  case pageRefUnfreeze = "page_ref_unfreeze"
  case folioRefUnfreeze = "folio_ref_unfreeze"
  case folioGet = "folio_get"
  case getPage = "get_page"
  case tryGetPage = "try_get_page"
  case getPageUnlessZero = "get_page_unless_zero"
  case folioGetNontailPage = "folio_get_nontail_page"
  case tryGetFolio = "try_get_folio"
  case folioPut = "folio_put"
  case putPage = "put_page"
  case folioPutRefs = "folio_put_refs"
  case folioPutTestzero = "folio_put_testzero"
  case putPageTestzero = "put_page_testzero"
  case putDevmapManaged = "put_devmap_managed_folio_refs"
}

/// Rows 27 and 28: puts of several folios at once.
package enum BatchCode: String, Sendable, Hashable, CaseIterable {
  case foliosPutRefs = "folios_put_refs"
  case foliosPut = "folios_put"
  case releasePages = "release_pages"
  case freePagesAndSwapCache = "free_pages_and_swap_cache"
}

/// Rows 1, 2, 31-39, 50, 55: questions that change nothing.
package enum QueryCode: String, Sendable, Hashable, CaseIterable {
  case pageRefCount = "page_ref_count"
  case folioRefCount = "folio_ref_count"
  case pageCount = "page_count"
  case folioMapcount = "folio_mapcount"
  case folioMapped = "folio_mapped"
  case folioEntireMapcount = "folio_entire_mapcount"
  case folioLargeMapcount = "folio_large_mapcount"
  case folioMaybeDmaPinned = "folio_maybe_dma_pinned"
  case folioHasPincount = "folio_has_pincount"
  case folioNeedsCowForDma = "folio_needs_cow_for_dma"
  case folioIsLongtermPinnable = "folio_is_longterm_pinnable"
  case folioExpectedRefCount = "folio_expected_ref_count"
  case folioMaybeMappedShared = "folio_maybe_mapped_shared"
  case folioRefZeroOrCloseToOverflow = "folio_ref_zero_or_close_to_overflow"
  case pageFolio = "page_folio"
  case compoundHead = "compound_head"
  case pageTail = "PageTail"
  case pageHead = "PageHead"
  case folioPageLast = "folio_page"
  case folioOrder = "folio_order"
  case folioPageCount = "folio_nr_pages"
  case folioIsFsdax = "folio_is_fsdax"
  case folioIsDevicePrivate = "folio_is_device_private"
  case folioIsDeviceCoherent = "folio_is_device_coherent"
  case folioIsPciP2PDMA = "folio_is_pci_p2pdma"
  case pagePgmap = "page_pgmap"
  case pgmapPfnValid = "pgmap_pfn_valid"
  case pgmapVmemmapCount = "pgmap_vmemmap_nr"
  case pgmapAltmap = "pgmap_altmap"
}

/// Rows 40-42, 46, 47: forming and dissolving folios, initialising pages. The argument is an order
/// for prep and folio_set_order, a number of pages for memmap_init, else 0.
package enum ShapeCode: String, Sendable, Hashable, CaseIterable {
  case prepCompoundPage = "prep_compound_page"
  case folioSetOrder = "folio_set_order"
  case folioResetOrder = "folio_reset_order"
  case splitToOrder0 = "folio_split_to_order_0"
  case initZoneDevicePage = "__init_zone_device_page"
  case memmapInitZoneDevice = "memmap_init_zone_device"
}

/// Words that their owner stores: association, share count, driver data, page type (0: none).
package enum WordCode: String, Sendable, Hashable, CaseIterable {
  case mapping = "store_mapping"
  case share = "store_share"
  case privateWord = "store_private"
  case pageType = "store_page_type"
}

/// Rows 60-69: mapping counters. The count is in pages (1 for the PMD and PUD forms).
package enum MappingCode: String, Sendable, Hashable, CaseIterable {
  case addFilePTEs = "folio_add_file_rmap_ptes"
  case addFilePTE = "folio_add_file_rmap_pte"
  case removePTEs = "folio_remove_rmap_ptes"
  case removePTE = "folio_remove_rmap_pte"
  case addFilePMD = "folio_add_file_rmap_pmd"
  case removePMD = "folio_remove_rmap_pmd"
  case addFilePUD = "folio_add_file_rmap_pud"
  case removePUD = "folio_remove_rmap_pud"
  case dupFilePTEs = "folio_dup_file_rmap_ptes"
  case dupFilePMD = "folio_dup_file_rmap_pmd"
  case tryDupAnonPTEs = "folio_try_dup_anon_rmap_ptes"
  case tryShareAnonPTE = "folio_try_share_anon_rmap_pte"
  case addNewAnon = "folio_add_new_anon_rmap"
  case moveAnon = "folio_move_anon_rmap"
  case addLargeMapcount = "folio_add_large_mapcount"
  case subLargeMapcount = "folio_sub_large_mapcount"
}

/// Rows 49, 53, 54 and the folio lock.
package enum DeviceCode: String, Sendable, Hashable, CaseIterable {
  case zoneDevicePageInit = "zone_device_page_init"
  case getDevPagemap = "get_dev_pagemap"
  case putDevPagemap = "put_dev_pagemap"
  case trylock = "folio_trylock"
  case unlock = "folio_unlock"
}

/// One folio of a batch, and how many of its references are put.
package struct BatchEntry: Sendable, Hashable {
  package var page: Int
  package var count: Int
  package init(page: Int, count: Int) {
    self.page = page
    self.count = count
  }
}

/// One step of a program.
package enum Operation: Sendable, Hashable {
  /// The count is 1 for codes that take none.
  case reference(ReferenceCode, page: Int, count: Int)
  /// Row 13: page_ref_add_unless(page, count, unless).
  case addUnless(page: Int, count: Int, unless: Int)
  case batch(BatchCode, [BatchEntry])
  case query(QueryCode, page: Int)
  case shape(ShapeCode, page: Int, argument: Int)
  case word(WordCode, page: Int, value: UInt)
  /// The last argument is the mm id; for folio_move_anon_rmap the count is the new mapping.
  case mapping(MappingCode, page: Int, count: Int, mm: UInt32)
  case device(DeviceCode, page: Int)
}

extension ReferenceCode {
  /// True when the C function takes a count, value or expected value.
  package var takesCount: Bool {
    switch self {
    case .setPageCount, .folioSetCount, .pageRefAdd, .folioRefAdd, .pageRefSub, .folioRefSub,
      .folioRefSubReturn, .pageRefSubAndTest, .folioRefSubAndTest, .folioRefTryAdd, .pageRefFreeze,
      .folioRefFreeze, .pageRefUnfreeze, .folioRefUnfreeze, .tryGetFolio, .folioPutRefs,
      .putDevmapManaged:
      true
    default:
      false
    }
  }

  /// Row of the table in core.md section 16.
  package var row: Int {
    switch self {
    case .setPageCount, .folioSetCount: 3
    case .initPageCount: 4
    case .pageRefAdd, .folioRefAdd: 5
    case .pageRefSub, .folioRefSub: 6
    case .pageRefInc, .folioRefInc: 7
    case .pageRefDec, .folioRefDec: 8
    case .folioRefSubReturn: 9
    case .pageRefIncReturn, .folioRefIncReturn, .pageRefDecReturn, .folioRefDecReturn: 10
    case .pageRefSubAndTest, .folioRefSubAndTest: 11
    case .pageRefDecAndTest, .folioRefDecAndTest: 12
    case .folioTryGet: 14
    case .folioRefTryAdd: 15
    case .pageRefFreeze, .folioRefFreeze: 16
    case .pageRefUnfreeze, .folioRefUnfreeze: 17
    case .folioGet: 18
    case .getPage: 19
    case .tryGetPage: 20
    case .getPageUnlessZero: 21
    case .folioGetNontailPage: 22
    case .tryGetFolio: 93
    case .folioPut: 23
    case .putPage: 24
    case .folioPutRefs: 25
    case .folioPutTestzero, .putPageTestzero: 26
    case .putDevmapManaged: 30
    }
  }
}

extension Operation {
  /// Row of the table in core.md section 16; nil for the stores and locks that have none.
  package var row: Int? {
    switch self {
    case .reference(let code, _, _): code.row
    case .addUnless: 13
    case .batch(.foliosPutRefs, _), .batch(.foliosPut, _): 27
    case .batch: 28
    case .query(let code, _): code.row
    case .shape(let code, _, _): code.row
    case .word: nil
    case .mapping(let code, _, _, _): code.row
    case .device(.zoneDevicePageInit, _): 49
    case .device(.getDevPagemap, _): 53
    case .device(.putDevPagemap, _): 54
    case .device: nil
    }
  }

  /// The C function, or the name of the store.
  package var name: String {
    switch self {
    case .reference(let code, _, _): code.rawValue
    case .addUnless: "page_ref_add_unless"
    case .batch(let code, _): code.rawValue
    case .query(let code, _): code.rawValue
    case .shape(let code, _, _): code.rawValue
    case .word(let code, _, _): code.rawValue
    case .mapping(let code, _, _, _): code.rawValue
    case .device(let code, _): code.rawValue
    }
  }

  /// Every name that a program can contain.
  package static var allNames: [String] {
    ReferenceCode.allCases.map(\.rawValue) + ["page_ref_add_unless"]
      + BatchCode.allCases.map(\.rawValue) + QueryCode.allCases.map(\.rawValue)
      + ShapeCode.allCases.map(\.rawValue) + WordCode.allCases.map(\.rawValue)
      + MappingCode.allCases.map(\.rawValue) + DeviceCode.allCases.map(\.rawValue)
  }
}

extension QueryCode {
  package var row: Int {
    switch self {
    case .pageRefCount, .folioRefCount: 1
    case .pageCount: 2
    case .folioMapcount, .folioMapped, .folioEntireMapcount, .folioLargeMapcount: 31
    case .folioMaybeDmaPinned: 32
    case .folioHasPincount: 33
    case .folioNeedsCowForDma: 34
    case .folioIsLongtermPinnable: 35
    case .folioExpectedRefCount: 36
    case .folioMaybeMappedShared: 37
    case .folioRefZeroOrCloseToOverflow: 38
    case .pageFolio, .compoundHead, .pageTail, .pageHead, .folioPageLast, .folioOrder,
      .folioPageCount:
      39
    case .folioIsFsdax, .folioIsDevicePrivate, .folioIsDeviceCoherent, .folioIsPciP2PDMA,
      .pagePgmap:
      50
    case .pgmapPfnValid, .pgmapVmemmapCount, .pgmapAltmap: 55
    }
  }
}

extension ShapeCode {
  package var row: Int {
    switch self {
    case .prepCompoundPage: 40
    case .folioSetOrder, .folioResetOrder: 41
    case .splitToOrder0: 42
    case .initZoneDevicePage: 46
    case .memmapInitZoneDevice: 47
    }
  }
}

extension MappingCode {
  package var row: Int {
    switch self {
    case .addFilePTEs, .addFilePTE: 60
    case .addFilePMD: 61
    case .addFilePUD: 62
    case .removePTEs, .removePTE: 63
    case .removePMD, .removePUD: 64
    case .dupFilePTEs, .dupFilePMD: 65
    case .tryDupAnonPTEs: 66
    case .tryShareAnonPTE: 67
    case .addNewAnon, .moveAnon: 68
    case .addLargeMapcount, .subLargeMapcount: 69
    }
  }
}
