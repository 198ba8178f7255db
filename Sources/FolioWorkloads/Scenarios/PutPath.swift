// SPDX-License-Identifier: MIT

// Every way to give references back, so that scenarios can mix them on one page. Not here: getting,
// which each scenario does in the way that is its subject.

import CFolio

/// One way to put references (spec: core.md section 4).
enum PutPath: Int, CaseIterable {
  case folioPut, folioPutRefs, putPage, folioTestZero, pageTestZero, batch, releasePages, swapCache
  case managed

  /// One of them. Under legacy rules a put that may leave the base count must run the 2->1 hook
  /// (C42), which only some of them do.
  static func random(_ worker: inout Worker, hooked: Bool) -> PutPath {
    let hookedPaths: [PutPath] = [.putPage, .batch, .releasePages, .swapCache, .managed]
    return hooked
      ? hookedPaths[worker.pick(hookedPaths.count)] : allCases[worker.pick(allCases.count)]
  }

  /// Gives `count` references to the folio back. The folio must not be touched afterwards.
  func put(_ folio: UnsafeMutablePointer<folio>, _ count: Int = 1) {
    switch self {
    case .folioPut:
      for _ in 0..<count { unsafe folio_put(folio) }
    case .folioPutRefs:
      unsafe folio_put_refs(folio, Int32(count))
    case .putPage:
      for _ in 0..<count { unsafe put_page(pfn_to_page(folio_pfn(folio))) }
    case .folioTestZero:
      for _ in 0..<count where unsafe folio_put_testzero(folio) { unsafe __folio_put(folio) }
    case .pageTestZero:
      for _ in 0..<count where unsafe put_page_testzero(pfn_to_page(folio_pfn(folio))) {
        unsafe __folio_put(folio)
      }
    case .batch:
      var batch = folio_batch()
      unsafe folio_batch_init(&batch)
      _ = unsafe folio_batch_add(&batch, folio)
      var references = UInt32(count)
      unsafe folios_put_refs(&batch, &references)
    case .releasePages:
      unsafe Self.encoded(folio, count) { words, length in unsafe release_pages(words, length) }
    case .swapCache:
      unsafe Self.encoded(folio, count) { words, length in
        unsafe free_pages_and_swap_cache(words, length)
      }
    case .managed:
      if unsafe !put_devmap_managed_folio_refs(folio, Int32(count)) {
        unsafe folio_put_refs(folio, Int32(count))
      }
    }
  }

  private static func encoded(
    _ folio: UnsafeMutablePointer<folio>, _ count: Int,
    _ body: (UnsafeMutablePointer<OpaquePointer>, Int32) -> Void
  ) {
    let page = unsafe pfn_to_page(folio_pfn(folio))
    var words = unsafe [encode_page(page, count > 1 ? UInt(ENCODED_PAGE_BIT_NR_PAGES_NEXT) : 0)]
    if count > 1 { unsafe words.append(encode_nr_pages(UInt(count))) }
    let length = unsafe Int32(words.count)
    unsafe words.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress!, length) }
  }
}
