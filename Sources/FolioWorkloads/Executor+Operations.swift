// SPDX-License-Identifier: MIT
//
// One call of CFolio per operation. Nothing is decided here: what an operation should do, and
// whether it may be done, is the model's business.

import CFolio

extension Executor {
  package func perform(_ operation: Operation) -> Outcome {
    switch operation {
    case .reference(let code, let page, let count):
      isFolioForm(code)
        ? folioReference(code, page, Int32(count))
        : pageReference(code, page, Int32(count))
    case .addUnless(let page, let count, let unless):
      .flag(unsafe page_ref_add_unless(base + page, Int32(count), Int32(unless)))
    case .batch(let code, let entries):
      batch(code, entries)
    case .query(let code, let page):
      code.row == 39 || code.row == 50 || code.row == 55 ? identity(code, page) : ask(code, page)
    case .shape(let code, let page, let argument):
      shape(code, page, argument)
    case .word(let code, let page, let value):
      stored(code, page, value)
    case .mapping(let code, let page, let count, let mm):
      map(code, page, count, mm)
    case .device(let code, let page):
      device(code, page)
    }
  }

  /// The folio that begins at a head or small page.
  func folio(_ page: Int) -> UnsafeMutablePointer<folio> {
    unsafe UnsafeMutableRawPointer(base + page).assumingMemoryBound(to: CFolio.folio.self)
  }

  private func index(_ page: UnsafeMutablePointer<page>?) -> Outcome {
    unsafe .page(page.map { unsafe $0 - base })
  }

  private func index(_ folio: UnsafeMutablePointer<folio>?) -> Outcome {
    unsafe index(
      folio.map { unsafe UnsafeMutableRawPointer($0).assumingMemoryBound(to: page.self) })
  }

  private func isFolioForm(_ code: ReferenceCode) -> Bool {
    code.rawValue.hasPrefix("folio_")
  }

  private func done(_ void: Void) -> Outcome { .none }

  /// The zero winner frees, as every caller of a *_and_test does.
  private func tested(_ isZero: Bool, _ page: Int) -> Outcome {
    if isZero { unsafe __folio_put(folio(page)) }
    return .flag(isZero)
  }

  private func pageReference(_ code: ReferenceCode, _ page: Int, _ n: Int32) -> Outcome {
    let p = unsafe base + page
    return switch code {
    case .setPageCount: done(unsafe set_page_count(p, n))
    case .initPageCount: done(unsafe init_page_count(p))
    case .pageRefAdd: done(unsafe page_ref_add(p, n))
    case .pageRefSub: done(unsafe page_ref_sub(p, n))
    case .pageRefInc: done(unsafe page_ref_inc(p))
    case .pageRefDec: done(unsafe page_ref_dec(p))
    case .pageRefIncReturn: .number(Int(unsafe page_ref_inc_return(p)))
    case .pageRefDecReturn: .number(Int(unsafe page_ref_dec_return(p)))
    case .pageRefSubAndTest: tested(unsafe page_ref_sub_and_test(p, n), page)
    case .pageRefDecAndTest: tested(unsafe page_ref_dec_and_test(p), page)
    case .pageRefFreeze: .flag(unsafe page_ref_freeze(p, n))
    case .pageRefUnfreeze: done(unsafe page_ref_unfreeze(p, n))
    case .getPage: done(unsafe get_page(p))
    case .tryGetPage: .flag(unsafe try_get_page(p))
    case .getPageUnlessZero: .flag(unsafe get_page_unless_zero(p))
    case .tryGetFolio: unsafe index(try_get_folio(p, n))
    case .putPage: done(unsafe put_page(p))
    case .putPageTestzero: tested(unsafe put_page_testzero(p), page)
    case .putDevmapManaged: .flag(unsafe put_devmap_managed_folio_refs(folio(page), n))
    default: preconditionFailure("\(code.rawValue) is a folio form")
    }
  }

  private func folioReference(_ code: ReferenceCode, _ page: Int, _ n: Int32) -> Outcome {
    let f = unsafe folio(page)
    return switch code {
    case .folioSetCount: done(unsafe folio_set_count(f, n))
    case .folioRefAdd: done(unsafe folio_ref_add(f, n))
    case .folioRefSub: done(unsafe folio_ref_sub(f, n))
    case .folioRefInc: done(unsafe folio_ref_inc(f))
    case .folioRefDec: done(unsafe folio_ref_dec(f))
    case .folioRefSubReturn: .number(Int(unsafe folio_ref_sub_return(f, n)))
    case .folioRefIncReturn: .number(Int(unsafe folio_ref_inc_return(f)))
    case .folioRefDecReturn: .number(Int(unsafe folio_ref_dec_return(f)))
    case .folioRefSubAndTest: tested(unsafe folio_ref_sub_and_test(f, n), page)
    case .folioRefDecAndTest: tested(unsafe folio_ref_dec_and_test(f), page)
    case .folioTryGet: .flag(unsafe folio_try_get(f))
    case .folioRefTryAdd: .flag(unsafe folio_ref_try_add(f, n))
    case .folioRefFreeze: .flag(unsafe folio_ref_freeze(f, n))
    case .folioRefUnfreeze: done(unsafe folio_ref_unfreeze(f, n))
    case .folioGet: done(unsafe folio_get(f))
    case .folioGetNontailPage: unsafe index(folio_get_nontail_page(base + page))
    case .folioPut: done(unsafe folio_put(f))
    case .folioPutRefs: done(unsafe folio_put_refs(f, n))
    case .folioPutTestzero: tested(unsafe folio_put_testzero(f), page)
    default: preconditionFailure("\(code.rawValue) is a page form")
    }
  }

  private func batch(_ code: BatchCode, _ entries: [BatchEntry]) -> Outcome {
    switch code {
    case .foliosPutRefs, .foliosPut:
      var batch = folio_batch()
      unsafe folio_batch_init(&batch)
      for entry in entries { _ = unsafe folio_batch_add(&batch, folio(entry.page)) }
      if code == .foliosPut {
        unsafe folios_put(&batch)
      } else {
        let counts = entries.map { UInt32($0.count) }
        unsafe folios_put_refs(&batch, counts)
      }
      // An emptied batch is part of the contract.
      return .number(Int(batch.nr))
    case .releasePages, .freePagesAndSwapCache:
      var words: [OpaquePointer] = unsafe []
      for entry in entries {
        // The delayed-rmap bit must make no difference to a put.
        var bits = entry.page % 2 == 1 ? UInt(ENCODED_PAGE_BIT_DELAY_RMAP) : 0
        if entry.count > 1 { bits |= UInt(ENCODED_PAGE_BIT_NR_PAGES_NEXT) }
        unsafe words.append(encode_page(base + entry.page, bits))
        if entry.count > 1 { unsafe words.append(encode_nr_pages(UInt(entry.count))) }
      }
      let count = unsafe Int32(words.count)
      if code == .releasePages {
        unsafe release_pages(&words, count)
      } else {
        unsafe free_pages_and_swap_cache(&words, count)
      }
      return .none
    }
  }

  private func ask(_ code: QueryCode, _ page: Int) -> Outcome {
    let p = unsafe base + page
    let f: UnsafeMutablePointer<folio> = unsafe page_folio(p)
    return switch code {
    case .pageRefCount: .number(Int(unsafe page_ref_count(p)))
    case .folioRefCount: .number(Int(unsafe folio_ref_count(f)))
    case .pageCount: .number(Int(unsafe page_count(p)))
    case .folioMapcount: .number(Int(unsafe folio_mapcount(f)))
    case .folioMapped: .flag(unsafe folio_mapped(f))
    case .folioEntireMapcount: .number(Int(unsafe folio_entire_mapcount(f)))
    case .folioLargeMapcount: .number(Int(unsafe folio_large_mapcount(f)))
    case .folioMaybeDmaPinned: .flag(unsafe folio_maybe_dma_pinned(f))
    case .folioHasPincount: .flag(unsafe folio_has_pincount(f))
    case .folioNeedsCowForDma: .flag(unsafe folio_needs_cow_for_dma(true, 1, f))
    case .folioIsLongtermPinnable: .flag(unsafe folio_is_longterm_pinnable(f))
    case .folioExpectedRefCount: .number(Int(unsafe folio_expected_ref_count(f)))
    case .folioMaybeMappedShared: .flag(unsafe folio_maybe_mapped_shared(f))
    case .folioRefZeroOrCloseToOverflow: .flag(unsafe folio_ref_zero_or_close_to_overflow(f))
    default: preconditionFailure("\(code.rawValue) is about identity")
    }
  }

  private func identity(_ code: QueryCode, _ page: Int) -> Outcome {
    let p = unsafe base + page
    let f: UnsafeMutablePointer<folio> = unsafe page_folio(p)
    return switch code {
    case .pageFolio: unsafe index(f)
    case .compoundHead: unsafe index(compound_head(p))
    case .pageTail: .flag(unsafe PageTail(p))
    case .pageHead: .flag(unsafe PageHead(p))
    case .folioPageLast: unsafe index(folio_page(f, UInt(folio_nr_pages(f)) - 1))
    case .folioOrder: .number(Int(unsafe folio_order(f)))
    case .folioPageCount: .number(unsafe folio_nr_pages(f))
    case .folioIsFsdax: .flag(unsafe folio_is_fsdax(f))
    case .folioIsDevicePrivate: .flag(unsafe folio_is_device_private(f))
    case .folioIsDeviceCoherent: .flag(unsafe folio_is_device_coherent(f))
    case .folioIsPciP2PDMA: .flag(unsafe folio_is_pci_p2pdma(f))
    case .pagePgmap: .flag(unsafe page_pgmap(p) == pgmap)
    case .pgmapPfnValid: .flag(unsafe pgmap_pfn_valid(pgmap, page_to_pfn(p)))
    case .pgmapVmemmapCount: .number(Int(unsafe pgmap_vmemmap_nr(pgmap)))
    case .pgmapAltmap: .flag(unsafe pgmap_altmap(pgmap) != nil)
    default: preconditionFailure("\(code.rawValue) is about counters")
    }
  }

  private func shape(_ code: ShapeCode, _ page: Int, _ argument: Int) -> Outcome {
    let p = unsafe base + page
    return switch code {
    case .prepCompoundPage: done(unsafe prep_compound_page(p, UInt32(argument)))
    case .folioSetOrder: done(unsafe folio_set_order(folio(page), UInt32(argument)))
    case .folioResetOrder: done(unsafe folio_reset_order(folio(page)))
    case .splitToOrder0: done(unsafe folio_split_to_order_0(folio(page)))
    case .initZoneDevicePage: done(unsafe __init_zone_device_page(p, pgmap))
    case .memmapInitZoneDevice:
      done(unsafe memmap_init_zone_device(pgmap, page_to_pfn(p), UInt(argument)))
    }
  }

  private func stored(_ code: WordCode, _ page: Int, _ value: UInt) -> Outcome {
    store(code, page, value)
    return .none
  }

  private func map(_ code: MappingCode, _ page: Int, _ count: Int, _ mm: UInt32) -> Outcome {
    let p = unsafe base + page
    let f: UnsafeMutablePointer<folio> = unsafe page_folio(p)
    let n = Int32(truncatingIfNeeded: count)
    return switch code {
    case .addFilePTEs: done(unsafe folio_add_file_rmap_ptes(f, p, n, mm))
    case .addFilePTE: done(unsafe folio_add_file_rmap_pte(f, p, mm))
    case .removePTEs: done(unsafe folio_remove_rmap_ptes(f, p, n, mm))
    case .removePTE: done(unsafe folio_remove_rmap_pte(f, p, mm))
    case .addFilePMD: done(unsafe folio_add_file_rmap_pmd(f, mm))
    case .removePMD: done(unsafe folio_remove_rmap_pmd(f, mm))
    case .addFilePUD: done(unsafe folio_add_file_rmap_pud(f, mm))
    case .removePUD: done(unsafe folio_remove_rmap_pud(f, mm))
    case .dupFilePMD: done(unsafe folio_dup_file_rmap_pmd(f, mm))
    case .dupFilePTEs: done(unsafe folio_dup_file_rmap_ptes(f, p, n, mm))
    case .tryDupAnonPTEs:
      .number(
        Int(
          unsafe folio_try_dup_anon_rmap_ptes(f, p, n, mm, folio_needs_cow_for_dma(true, 1, f))))
    case .tryShareAnonPTE: .number(Int(unsafe folio_try_share_anon_rmap_pte(f, p)))
    case .addNewAnon: done(unsafe folio_add_new_anon_rmap(f, mm, true))
    case .moveAnon: done(unsafe folio_move_anon_rmap(f, UInt(count)))
    case .addLargeMapcount: .number(Int(unsafe folio_add_large_mapcount(f, n, mm)))
    case .subLargeMapcount: .number(Int(unsafe folio_sub_large_mapcount(f, n, mm)))
    }
  }

  private func device(_ code: DeviceCode, _ page: Int) -> Outcome {
    let p = unsafe base + page
    switch code {
    case .zoneDevicePageInit:
      unsafe zone_device_page_init(p)
      return .none
    case .getDevPagemap:
      return .flag(unsafe get_dev_pagemap(page_to_pfn(p)) == pgmap)
    case .putDevPagemap:
      unsafe put_dev_pagemap(pgmap)
      return .none
    case .trylock:
      return .flag(unsafe folio_trylock(folio(page)))
    case .unlock:
      unsafe folio_unlock(folio(page))
      return .none
    }
  }
}
