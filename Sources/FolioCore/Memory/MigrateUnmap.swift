// SPDX-License-Identifier: MIT

// The first half of a migration: pages are locked, held by one reference, and taken out of every address
// space (spec: core.md 14.1). Mirrors migrate_vma_setup(), migrate_device_unmap() and migrate_device_range().

import CFolio

/// The words of src[] and dst[] (folio/migrate.h).
struct MigratedPage {
  var word: UInt

  static let none = MigratedPage(word: 0)
  /// Nothing is there, and something may come.
  static let empty = MigratedPage(word: MIGRATE_PFN_MIGRATE)

  init(word: UInt) { self.word = word }
  init(_ page: Page, isWritable: Bool = false) {
    word = migrate_pfn(page.frame) | MIGRATE_PFN_MIGRATE | (isWritable ? MIGRATE_PFN_WRITE : 0)
  }

  var page: Page? { unsafe migrate_pfn_to_page(word).map { unsafe Page($0) } }
  var isMigrating: Bool {
    get { word & MIGRATE_PFN_MIGRATE != 0 }
    set { word = newValue ? word | MIGRATE_PFN_MIGRATE : word & ~MIGRATE_PFN_MIGRATE }
  }
  var isWritable: Bool { word & MIGRATE_PFN_WRITE != 0 }
}

extension UnsafeMutablePointer<UInt> {
  /// One word of src[] or dst[].
  subscript(page number: Int) -> MigratedPage {
    get { MigratedPage(word: unsafe self[number]) }
    nonmutating set { unsafe self[number] = newValue.word }
  }
}

enum MigrateUnmap {
  // MARK: by area

  /// `migrate_vma_setup`: 0 or -EINVAL.
  static func setUp(_ request: UnsafeMutablePointer<migrate_vma>) -> Int32 {
    let invalid = MemoryError.Code.invalidArgument.status
    guard let area = unsafe request.pointee.vma.map({ unsafe Area($0) }),
      let source = unsafe request.pointee.src, unsafe request.pointee.dst != nil
    else { return invalid }
    let (start, end) = unsafe (request.pointee.start, request.pointee.end)
    guard area.flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP) == 0, !area.isDAX, start < end,
      (start | end) % Space.pageSize == 0, area.start <= start, end <= area.end
    else { return invalid }
    if let page = unsafe request.pointee.fault_page.map({ unsafe Page($0) }) {
      guard page.folio.isDevicePrivate, page.folio.isLocked else { return invalid }
    }
    unsafe request.pointee.npages = 0
    unsafe request.pointee.cpages = 0
    var address = start
    while address < end {
      let number = unsafe Int(request.pointee.npages)
      let page = unsafe collect(address, area, request)
      unsafe source[page: number] = page
      unsafe request.pointee.npages += 1
      if page.isMigrating { unsafe request.pointee.cpages += 1 }
      address += Space.pageSize
    }
    if unsafe request.pointee.cpages > 0 {
      unsafe request.pointee.cpages = unmap(
        source, Int(request.pointee.npages), request.pointee.fault_page)
    }
    return 0
  }

  /// What is mapped at one address, locked, its entry replaced (`migrate_vma_collect_pmd`).
  private static func collect(
    _ address: UInt, _ area: Area, _ request: UnsafeMutablePointer<migrate_vma>
  ) -> MigratedPage {
    let nothing = unsafe area.operations == nil ? MigratedPage.empty : .none
    guard let place = area.space.walkLocking(address, .pte) else {
      let isLeaf = area.space.hasLeaf(at: address)
      return isLeaf ? .none : nothing
    }
    defer { place.unlock() }
    let entry = place.value
    if entry.isNone { return nothing }
    if entry.isPresent && entry.isSpecial {
      // The zero page counts as nothing.
      let isZero = Folio.isZeroFrame(entry.frame)
      return isZero && (unsafe request.takesRAM) ? nothing : .none
    }
    guard entry.isPresent || softleaf_is_device_private(entry) else { return .none }
    let page = Page(frame: entry.frame)
    let folio = page.folio
    guard folio.order == 0, unsafe request.takes(folio) else { return .none }
    let isFaultPage = unsafe request.pointee.fault_page == page.pointer
    guard isFaultPage || folio.tryLock() else { return .none }
    folio.get()
    let isWritable = MigrationEntry.allowsStores(entry)
    // Held for the walks that come; the area that maps the page names it.
    let anon = unsafe folio_get_anon_vma(folio.pointer)
    guard MigrationEntry.install(place, page, area) else {
      unsafe anon_vma_put(anon)
      if !isFaultPage { folio.unlock() }
      folio.put()
      return .none
    }
    unsafe folio.keep(anon)
    return MigratedPage(page, isWritable: isWritable)
  }

  // MARK: by frame

  /// `migrate_device_range`, `migrate_device_pfns`: `frame` names the i-th.
  static func lock(
    _ source: UnsafeMutablePointer<UInt>, _ count: Int, _ frame: (Int) -> UInt
  ) {
    for number in 0..<count { unsafe source[page: number] = lock(frame(number)) }
    unsafe _ = unmap(source, count, nil)
  }

  /// `migrate_device_pfn_lock`.
  private static func lock(_ frame: UInt) -> MigratedPage {
    guard let pointer = unsafe folio_get_nontail_page(pfn_to_page(frame)) else { return .none }
    let folio = unsafe Folio(pointer)
    guard folio.order == 0, folio.tryLock() else {
      folio.put()
      return .none
    }
    return MigratedPage(Page(frame: frame))
  }

  // MARK: both

  /// Removes the entries that are left, and gives up pages that somebody else uses; how many are
  /// unmapped (`migrate_device_unmap`). Places without a page count as unmapped.
  static func unmap(
    _ source: UnsafeMutablePointer<UInt>, _ count: Int, _ faultPage: UnsafeMutablePointer<page>?
  ) -> UInt {
    var unmapped: UInt = 0
    for number in 0..<count {
      guard let page = unsafe source[page: number].page else {
        if unsafe source[page: number].isMigrating { unmapped += 1 }
        continue
      }
      let folio = page.folio
      if folio.mappings > 0 {
        if unsafe folio.anon == nil { unsafe folio.keep(folio_get_anon_vma(folio.pointer)) }
        unsafe MigrationEntry.installAll(folio, folio.anon)
      }
      let isFaultPage = unsafe faultPage == page.pointer
      if folio.mappings == 0 && isUnused(folio, isFaultPage: isFaultPage) {
        unmapped += 1
      } else {
        unsafe MigrationEntry.removeAll(from: folio, to: folio, folio.anon)
        release(folio, isFaultPage: isFaultPage)
        unsafe source[page: number] = .none
      }
    }
    return unmapped
  }

  /// Nobody has a reference but this migration and the fault (`migrate_vma_check_page`). v6.18 allows
  /// device pages one more, a rest of the days when they idled at 1 (C73); folio_migrate_mapping() is
  /// exact.
  private static func isUnused(_ folio: Folio, isFaultPage: Bool) -> Bool {
    var extra: Int32 = 1 + (isFaultPage ? 1 : 0)
    if let map = unsafe folio.pageMap,
      unsafe map.pointee.rules != FOLIO_RULES_STRICT || isMutant(MUTANT_C73)
    {
      extra += 1
    }
    // A file's page is referenced by its file.
    if folio.mapping != nil { extra += 1 }
    return folio.references - extra <= folio.mappings
  }

  /// The end of a page's part: what the walks needed, the lock, the reference.
  static func release(_ folio: Folio, isFaultPage: Bool) {
    unsafe anon_vma_put(folio.anon)
    unsafe folio.keep(nil)
    if !isFaultPage { folio.unlock() }
    folio.put()
  }
}

extension UnsafeMutablePointer<migrate_vma> {
  private func selects(_ kind: migrate_vma_direction) -> Bool {
    unsafe pointee.flags & UInt(kind.rawValue) != 0
  }
  fileprivate var takesRAM: Bool { unsafe selects(MIGRATE_VMA_SELECT_SYSTEM) }

  /// Whether pages like this one are asked for.
  fileprivate func takes(_ folio: Folio) -> Bool {
    guard let map = unsafe folio.pageMap else { return unsafe takesRAM }
    guard unsafe map.pointee.owner == pointee.pgmap_owner else { return false }
    switch unsafe map.pointee.type {
    case MEMORY_DEVICE_PRIVATE: return unsafe selects(MIGRATE_VMA_SELECT_DEVICE_PRIVATE)
    case MEMORY_DEVICE_COHERENT: return unsafe selects(MIGRATE_VMA_SELECT_DEVICE_COHERENT)
    default: return false
    }
  }
}

extension Folio {
  var isLocked: Bool { unsafe folio_test_flag(pointer, Int32(PG_locked.rawValue)) }

  /// What the walks of a migration need of an anonymous folio, in its private word, which nobody else
  /// uses. Context: the folio lock, and a migration of it.
  var anon: UnsafeMutablePointer<anon_vma>? {
    guard isAnonymous else { return nil }
    return unsafe UnsafeMutablePointer(bitPattern: page_private_word(folio_page(pointer, 0)))
  }
  func keep(_ anon: UnsafeMutablePointer<anon_vma>?) {
    guard isAnonymous else { return }
    unsafe folio_set_private_word(pointer, UInt(bitPattern: anon))
  }
}

extension Space {
  /// A leaf maps the address. A snapshot.
  func hasLeaf(at address: UInt) -> Bool {
    for level in [Level.pud, .pmd] {
      if let place = walk(address, level), place.current.isLeaf { return true }
    }
    return false
  }
}
