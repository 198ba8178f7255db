// SPDX-License-Identifier: MIT

// The second half of a migration: what has a destination moves there, and every page gets entries again
// (spec: core.md 14.1). Mirrors migrate_vma_pages(), migrate_vma_finalize() and their device forms.

import CFolio

enum MigratePages {
  private typealias Words = UnsafeMutablePointer<UInt>

  // MARK: moving

  /// `__migrate_device_pages`. `area`: where empty places are, and the address of the first one.
  static func move(
    _ source: UnsafeMutablePointer<UInt>, to target: UnsafeMutablePointer<UInt>, _ count: Int,
    area: (Area, start: UInt)?, faultPage: UnsafeMutablePointer<page>?
  ) {
    for number in 0..<count {
      let old = unsafe source[page: number]
      guard old.isMigrating else { continue }
      guard let new = unsafe target[page: number].page else {
        unsafe source[page: number].isMigrating = false
        continue
      }
      let isMoved: Bool
      if let page = old.page {
        let isFaultPage = unsafe faultPage == page.pointer
        isMoved = move(page.folio, to: new.folio, isFaultPage: isFaultPage)
      } else if let (area, start) = area {
        isMoved = insert(new, at: start + UInt(number) * Space.pageSize, area)
      } else {
        isMoved = false
      }
      if !isMoved { unsafe source[page: number].isMigrating = false }
    }
  }

  /// Pages of files go to RAM only.
  private static func move(_ old: Folio, to new: Folio, isFaultPage: Bool) -> Bool {
    let mapping = old.mapping
    if let map = unsafe new.pageMap {
      guard unsafe map.pointee.isHandedOut, mapping == nil else { return false }
    }
    let extra: Int32 = isFaultPage ? 1 : 0
    return MigrateMapping.move(old, to: new, in: mapping, extra: extra) == 0
  }

  /// Maps a page where nothing was, or the zero page (`migrate_vma_insert_page`); false: something is
  /// there by now, or the area has no pages of its own.
  private static func insert(_ page: Page, at address: UInt, _ area: Area) -> Bool {
    let (space, folio) = (area.space, page.folio)
    guard unsafe area.operations == nil, area.noteAnonymousPages() else { return false }
    let isDevice = folio.isDevicePrivate
    if let map = unsafe folio.pageMap, unsafe !map.pointee.isHandedOut { return false }
    do throws(Space.NoPlace) {
      let place = try space.walkAllocating(address, .pte)
      place.lock()
      defer { place.unlock() }
      let old = place.value
      let isZero = old.isPresent && old.isSpecial && Folio.isZeroFrame(old.frame)
      guard old.isNone || isZero else { return false }
      if isZero {
        _ = place.clear()
        space.flush()
      }
      unsafe folio_set_anon_area(folio.pointer, area.pointer, address)
      unsafe folio_add_new_anon_rmap(folio.pointer, space.id, true)
      space.count(1, of: MM_ANONPAGES)
      folio.get()
      let isWritable = area.writeBits != 0
      place.store(
        isDevice
          ? softleaf_pte(
            page.frame, isWritable ? SOFTLEAF_DEVICE_PRIVATE_WRITE : SOFTLEAF_DEVICE_PRIVATE_READ)
          : pfn_pte(page.frame, area.protection | area.writeBits))
      return true
    } catch {
      return false
    }
  }

  // MARK: the end

  /// `migrate_device_finalize`.
  static func finish(
    _ source: UnsafeMutablePointer<UInt>, _ target: UnsafeMutablePointer<UInt>, _ count: Int,
    faultPage: UnsafeMutablePointer<page>?
  ) {
    for number in 0..<count {
      let (old, new) = unsafe (source[page: number], target[page: number].page)
      if let page = old.page {
        let folio = page.folio
        let successor = old.isMigrating ? new?.folio ?? folio : folio
        unsafe MigrationEntry.removeAll(from: folio, to: successor, folio.anon)
        let isFaultPage = unsafe faultPage == page.pointer
        MigrateUnmap.release(folio, isFaultPage: isFaultPage)
      }
      // A destination has its entries now, or was not wanted.
      if let new {
        new.folio.unlock()
        new.folio.put()
      }
    }
  }

  // MARK: coherent pages

  /// `migrate_device_coherent_folio`: 0 or -EBUSY.
  static func bringToRAM(_ folio: Folio) -> Int32 {
    guard folio.order == 0 else {
      // Migration moves single pages.
      folio.put()
      return MemoryError.Code.busy.status
    }
    folio.lock()
    var (source, target) = (MigratedPage(Page(frame: folio.frame)).word, UInt(0))
    return unsafe withUnsafeMutablePointer(to: &source) { source in
      unsafe withUnsafeMutablePointer(to: &target) { target in
        unsafe _ = MigrateUnmap.unmap(source, 1, nil)
        guard unsafe source[page: 0].isMigrating else { return MemoryError.Code.busy.status }
        let copy = AnonymousPage.allocate()
        if let copy {
          copy.page.folio.lock()
          unsafe target[page: 0] = MigratedPage(copy.page)
        }
        unsafe move(source, to: target, 1, area: nil, faultPage: nil)
        let isMoved = unsafe source[page: 0].isMigrating
        // Nobody can store to it meanwhile: its entries are migration entries.
        if isMoved { copy?.fill(from: folio.frame) }
        unsafe finish(source, target, 1, faultPage: nil)
        return isMoved ? 0 : MemoryError.Code.busy.status
      }
    }
  }
}

extension dev_pagemap {
  /// Its pages are handed out by the driver, and may hold what a process has.
  fileprivate var isHandedOut: Bool {
    unsafe type == MEMORY_DEVICE_PRIVATE || type == MEMORY_DEVICE_COHERENT
  }
}
