// SPDX-License-Identifier: MIT

// Stores to pages that are mapped for reading (spec: core.md section 11): the object is told, or the
// address space gets a page of its own. Mirrors do_wp_page() and what hangs on it.

import CFolio

enum WriteFault {
  private static let notShared = Warning(
    "an entry of an area that is not shared gets a right to stores")

  /// `do_wp_page`. Context: the table's lock, which is dropped here; the entry is what it was.
  static func handle(_ fault: FaultContext, _ place: Place) -> FaultResult {
    let page = fault.original.normalPage
    if fault.area.isShared {
      // Stores that must not be shared by a private page: only the first is asked for here.
      guard fault.flags & FAULT_FLAG_UNSHARE == 0 else {
        place.unlock()
        return []
      }
      guard let page, unsafe !folio_is_fsdax(page.folio.pointer) else {
        return storeToFrame(fault, place)
      }
      return storeToPage(fault, place, page)
    }
    if let page, page.folio.isAnonymous, isOwn(page) {
      if fault.flags & FAULT_FLAG_UNSHARE == 0 { place.add(fault.writableBits) }
      place.unlock()
      return []
    }
    page?.folio.get()
    place.unlock()
    return copy(fault, from: page)
  }

  /// Nobody else maps the page. That the last one left takes it over as his own is an assumption: the
  /// spec knows exclusive pages only. Context: the table's lock.
  private static func isOwn(_ page: Page) -> Bool {
    let folio = page.folio
    if unsafe folio_page_is_exclusive(page.pointer) { return true }
    guard folio.order == 0, folio.references == 1, folio.tryLock() else { return false }
    defer { folio.unlock() }
    guard folio.references == 1 else { return false }
    unsafe folio_set_flag(folio.pointer, Int32(PG_anon_exclusive.rawValue))
    return true
  }

  // MARK: shared areas

  /// No page to hold, or one of file-system DAX (`wp_pfn_shared`).
  private static func storeToFrame(_ fault: FaultContext, _ place: Place) -> FaultResult {
    fault.page = nil
    guard let makeWritable = unsafe fault.area.operations?.pointee.pfn_mkwrite else {
      place.add(fault.writableBits)
      place.unlock()
      return []
    }
    place.unlock()
    fault.add(FAULT_FLAG_MKWRITE)
    let result = FaultResult(rawValue: unsafe makeWritable(fault.pointer))
    if result.endsFault { return result }
    return finishMakingWritable(fault).union(result)
  }

  /// `wp_page_shared`.
  private static func storeToPage(
    _ fault: FaultContext, _ place: Place, _ page: Page
  ) -> FaultResult {
    let folio = page.folio
    folio.get()
    defer { folio.put() }
    guard unsafe fault.area.operations?.pointee.page_mkwrite != nil else {
      place.add(fault.writableBits)
      place.unlock()
      folio.lock()
      folio.markDirty()
      folio.unlock()
      return []
    }
    place.unlock()
    let made = makePageWritable(fault, page)
    if made.endsFault { return made }
    let finished = finishMakingWritable(fault)
    if !finished.contains(.noPage) { folio.markDirty() }
    folio.unlock()
    return finished
  }

  /// Tells the object (`do_page_mkwrite`). Unless the answer ends the fault: the folio is locked.
  static func makePageWritable(_ fault: FaultContext, _ page: Page) -> FaultResult {
    guard let makeWritable = unsafe fault.area.operations?.pointee.page_mkwrite else {
      page.folio.lock()
      return []
    }
    fault.page = page
    fault.add(FAULT_FLAG_MKWRITE)
    let result = FaultResult(rawValue: unsafe makeWritable(fault.pointer))
    if result.endsFault { return result }
    if !result.contains(.locked) {
      page.folio.lock()
      // Cut off from its file meanwhile: the store starts anew.
      guard unsafe folio_mapping_word(page.folio.pointer) != 0 else {
        page.folio.unlock()
        return .noPage
      }
    }
    return result.subtracting(.locked)
  }

  /// The entry gets the right to stores, unless it is another one by now (`finish_mkwrite_fault`).
  /// Warns where the area is not a shared one (row 89): what it stores to is not its object's.
  private static func finishMakingWritable(_ fault: FaultContext) -> FaultResult {
    if !fault.area.isShared { notShared.raise(fault.page) }
    guard let place = fault.space.walkLocking(fault.address, .pte) else { return .noPage }
    defer { place.unlock() }
    guard place.value.pte == fault.original.pte else { return .noPage }
    place.add(fault.writableBits)
    return []
  }

  // MARK: private areas

  /// `wp_page_copy`. The caller's reference on the old page is given back here.
  private static func copy(_ fault: FaultContext, from old: Page?) -> FaultResult {
    let (area, space) = (fault.area, fault.space)
    guard let copy = AnonymousPage.allocate() else {
      old?.folio.put()
      return .outOfMemory
    }
    let page = copy.page
    guard area.noteAnonymousPages() else {
      page.folio.put()
      old?.folio.put()
      return .outOfMemory
    }
    copy.fill(from: fault.original.frame)
    guard let place = space.walkLocking(fault.address, .pte) else {
      page.folio.put()
      old?.folio.put()
      return []
    }
    guard place.value.pte == fault.original.pte else {
      place.unlock()
      page.folio.put()
      old?.folio.put()
      return []
    }
    if let old { space.count(-1, of: old.folio.counter) }
    // Nobody may still read the old page when somebody reads the new one (the entry is none between).
    _ = place.clear()
    if !isMutant(MUTANT_P101) { space.flush() }
    copy.map(at: fault.address, area)
    let isUnshared = fault.flags & FAULT_FLAG_UNSHARE != 0
    place.store(
      pfn_pte(page.frame, area.protection | (isUnshared ? _PAGE_ACCESSED : fault.writableBits)))
    if let old {
      unsafe folio_remove_rmap_pte(old.folio.pointer, old.pointer, space.id)
    }
    place.unlock()
    // The entry's reference and this fault's.
    old?.folio.put()
    old?.folio.put()
    return []
  }
}
