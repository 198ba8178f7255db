// SPDX-License-Identifier: MIT

// Mapping counted pages by PTEs: vm_insert_page() and its kin, vmf_insert_page_mkwrite() (spec: core.md
// 9.2-9.4, 9.6). Each new entry takes a reference, then a mapping, and is stored last; the map's counter
// follows, once for all entries of a holding of the table's lock. Whoever sees an entry finds R >= 1
// (CI18), and whoever removes one, under that lock, finds it counted. An entry that is there already
// changes no counter (CI54).

import CFolio

enum PageInsertion {
  private static let otherPage = Warning("another page is mapped where one is inserted for writing")

  /// A page that may be mapped.
  private struct Candidate {
    let page: Page
    let folio: Folio
    /// The zero page, whose entries count nothing.
    let isZero: Bool

    /// Whether the area may map it (`validate_page_before_insert`); nil: -EINVAL. Holds for as long as
    /// the caller's reference, which keeps R above 0.
    init?(_ page: Page, in area: Area) {
      self.page = page
      folio = page.folio
      guard folio.references > 0 else { return nil }
      isZero = folio.isZero
      if isZero {
        guard allowsZeroPage(area) else { return nil }
      } else {
        guard !folio.isAnonymous, unsafe !page_has_type(page.pointer), countsMappings(folio) else {
          return nil
        }
      }
    }
  }

  /// Device pages under legacy rules are mapped by entries that count nothing (`vmf_insert_mixed`);
  /// that this way refuses them is an assumption.
  private static func countsMappings(_ folio: Folio) -> Bool {
    guard let map = unsafe folio.pageMap else { return true }
    return unsafe pgmap_counts_mappings(map)
  }

  /// Whether the area may hold the zero page (`vm_mixed_zeropage_allowed`). The spec names the check
  /// only; assumption: private mappings, those that can never be written, and those whose owner is
  /// told of stores and may not be pinned for long.
  private static func allowsZeroPage(_ area: Area) -> Bool {
    if area.flags & VM_PFNMAP != 0 { return false }
    if area.copiesOnWrite || area.flags & (VM_WRITE | VM_MAYWRITE) == 0 { return true }
    guard let operations = unsafe area.operations, unsafe operations.pointee.pfn_mkwrite != nil
    else { return false }
    return area.isFileSystemDAX || area.flags & VM_IO != 0
  }

  /// One entry (9.3). Context: the table's lock.
  private static func insert(
    _ candidate: Candidate, at place: Place, _ area: Area, protection: UInt, makeWritable: Bool,
    _ counts: inout PageCounts
  ) -> Int32 {
    let old = place.value
    let (page, folio) = (candidate.page, candidate.folio)
    guard old.isNone || isMutant(MUTANT_C28) else {
      guard makeWritable else { return MemoryError.Code.busy.status }
      return upgrade(place, old, to: page.frame, area)
    }
    if candidate.isZero {
      place.store(pfn_pte(page.frame, protection | _PAGE_SPECIAL))
      return 0
    }
    let bits = makeWritable ? _PAGE_ACCESSED | _PAGE_DIRTY | area.writeBits : 0
    let entry = pfn_pte(page.frame, protection | bits)
    if isMutant(MUTANT_C27) { place.store(entry) }
    folio.get()
    counts.add(1, to: folio.fileCounter)
    unsafe folio_add_file_rmap_pte(folio.pointer, page.pointer, area.space.id)
    if !isMutant(MUTANT_C27) { place.store(entry) }
    return 0
  }

  /// A store's insertion finds an entry: it gets the right to stores (9.3, the two switches of
  /// mm_options). Context: the table's lock.
  private static func upgrade(
    _ place: Place, _ old: Entry, to frame: UInt, _ area: Area
  ) -> Int32 {
    let options = area.space.options
    if !isMutant(MUTANT_C62) {
      if options.upgrade_checks_present && !old.isPresent { return MemoryError.Code.fault.status }
      guard old.frame == frame else {
        if !Folio.isZeroFrame(old.frame) { otherPage.raise() }
        return MemoryError.Code.fault.status
      }
    }
    place.add(_PAGE_ACCESSED | area.writeBits | (options.upgrade_dirties ? _PAGE_DIRTY : 0))
    return 0
  }

  /// Maps one page (`insert_page`). 0, -EINVAL, -ENOMEM, -EBUSY, -EFAULT.
  static func insertOne(
    _ page: Page, at address: UInt, _ area: Area, protection: UInt, makeWritable: Bool
  ) -> Int32 {
    guard let candidate = Candidate(page, in: area) else {
      return MemoryError.Code.invalidArgument.status
    }
    do throws(Space.NoPlace) {
      let place = try area.space.walkAllocating(address, .pte)
      place.lock()
      defer { place.unlock() }
      var counts = PageCounts(area.space)
      let status = insert(
        candidate, at: place, area, protection: protection, makeWritable: makeWritable, &counts)
      counts.finish()
      return status
    } catch {
      return error.status
    }
  }

  /// `vm_insert_page`.
  static func insertPage(_ page: Page, at address: UInt, _ area: Area) -> Int32 {
    guard area.range.contains(address) else { return MemoryError.Code.fault.status }
    allowMixed(area)
    return insertOne(
      page, at: address, area, protection: area.protection, makeWritable: false)
  }

  /// Pages of one lock holding.
  private static let batch = 8

  /// `vm_insert_pages`: how many are mapped, and why not all.
  static func insertPages(
    _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>>, count: Int, at address: UInt,
    _ area: Area
  ) -> (done: Int, status: Int32) {
    let space = area.space
    guard area.range.contains(address),
      UInt(count) <= (area.end - address) / Space.pageSize
    else { return (0, MemoryError.Code.fault.status) }
    allowMixed(area)
    var done = 0
    while done < count {
      let start = address + UInt(done) * Space.pageSize
      let inTable = Int((space.end(.pmd, start, limit: area.end) - start) / Space.pageSize)
      let end = min(done + min(batch, inTable), count)
      do throws(Space.NoPlace) {
        var place = try space.walkAllocating(start, .pte)
        place.lock()
        var status: Int32 = 0
        var counts = PageCounts(space)
        while done < end {
          guard let candidate = Candidate(unsafe Page(pages[done]), in: area) else {
            status = MemoryError.Code.invalidArgument.status
            break
          }
          status = insert(
            candidate, at: place, area, protection: area.protection, makeWritable: false, &counts)
          guard status == 0 else { break }
          done += 1
          if done < end { place = place.next() }
        }
        counts.finish()
        place.unlock()
        guard status == 0 else { return (done, status) }
      } catch {
        return (done, error.status)
      }
    }
    return (done, 0)
  }

  /// The area may hold pages besides what its object maps. Where that was not said when it was made:
  /// the one change of an area that can be found. Context: then mmap_lock for writing.
  private static func allowMixed(_ area: Area) {
    guard area.flags & VM_MIXEDMAP == 0 else { return }
    require(area.flags & VM_PFNMAP == 0, "VMA", nil, "a counted page for an area of bare frames")
    require(
      unsafe rwsem_is_write_locked(&area.space.pointer.pointee.mmap_lock), "VMA", nil,
      "an area becomes one of mixed pages without mmap_lock for writing")
    // Faults read the flags under the area's lock.
    if area.isAttached { area.lockForWriting() }
    unsafe area.pointer.pointee.vm_flags |= VM_MIXEDMAP
    if area.isAttached { area.unlockForWriting() }
  }

  /// `vm_map_pages`, from page `offset` of the array on.
  static func mapPages(
    _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>>, count: UInt, from offset: UInt,
    _ area: Area
  ) -> Int32 {
    let wanted = (area.end - area.start) / Space.pageSize
    guard offset < count, wanted <= count - offset else {
      return MemoryError.Code.noSuchAddress.status
    }
    var status: Int32 = 0
    for index in 0..<wanted where status == 0 {
      status = insertPage(
        unsafe Page(pages[Int(offset + index)]), at: area.start + index * Space.pageSize, area)
    }
    return status
  }

  /// `vmf_insert_page_mkwrite`.
  static func insertForFault(
    _ page: Page, at address: UInt, _ area: Area, write: Bool
  ) -> FaultResult {
    guard area.range.contains(address) else { return .busError }
    return FaultResult(
      insertion: insertOne(
        page, at: address, area, protection: area.protection, makeWritable: write))
  }
}

extension FaultResult {
  /// What a fault makes of an insertion's status (9.4).
  init(insertion status: Int32) {
    switch status {
    case 0, MemoryError.Code.busy.status: self = .noPage
    case MemoryError.Code.outOfMemory.status: self = .outOfMemory
    default: self = .busError
    }
  }
}

extension Space.NoPlace {
  /// A leaf in the way is something that is mapped there: -EBUSY (assumption).
  var status: Int32 {
    switch self {
    case .outOfMemory: MemoryError.Code.outOfMemory.status
    case .leaf: MemoryError.Code.busy.status
    }
  }
}

extension Folio {
  /// The frame is the zero page's, or of the huge zero folio. Any frame may be asked for, also one
  /// without a struct page.
  static func isZeroFrame(_ frame: UInt) -> Bool {
    if frame == ZeroPages.small { return true }
    guard let huge = unsafe cfolio_huge_zero_folio_now() else { return false }
    let first = unsafe folio_pfn(huge)
    return unsafe first <= frame && frame < first + UInt(folio_nr_pages(huge))
  }
}
