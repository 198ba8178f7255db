// SPDX-License-Identifier: MIT

// Taking entries away (spec: core.md 10.1, 10.2): clear, mapping count, and behind the flush the
// reference. One Removal is one mmu_gather; what it removed is given back when it flushes.

import CFolio

/// One thread's removal of entries from one address space.
///
/// Context: mmap_lock in any mode, or a lock of the mapping whose entries go (i_mmap); ends by
/// `finish()`.
@safe
struct Removal: ~Copyable {
  let space: Space
  /// Also what private mappings have of their own (even_cows).
  let takesCopies: Bool
  /// Only entries of this folio.
  let only: Folio?
  /// Where a leaf may be that somebody else has just cleared, that its mapping is dropped is waited for.
  let waitsForLeaves: Bool
  private var gather: mmu_gather

  private static let lostMapping = Warning("a folio lost more mappings than it had")
  private static let privateLeaf = Warning("a leaf at the PUD level maps a private page")

  init(
    _ space: Space, takesCopies: Bool = true, only: Folio? = nil, waitsForLeaves: Bool = false
  ) {
    self.space = space
    self.takesCopies = takesCopies
    self.only = only
    self.waitsForLeaves = waitsForLeaves
    unsafe gather = mmu_gather()
    unsafe tlb_gather_mmu(&gather, space.pointer)
  }

  /// The last flush: references and tables go (`tlb_finish_mmu`). Context: no page-table lock.
  mutating func finish() { unsafe tlb_finish_mmu(&gather) }

  /// A table that was taken out of the one above.
  mutating func remove(table: UnsafeMutablePointer<ptdesc>) {
    unsafe tlb_remove_table(&gather, table)
  }

  /// Removes the entries of the range, which lies in the area. A leaf that goes beyond it is taken
  /// apart first, and then is gone whole where a fault can bring it back.
  mutating func zap(_ range: Range<UInt>, of area: Area) {
    var address = range.lowerBound
    while address < range.upperBound {
      var next = space.end(.pud, address, limit: range.upperBound)
      if !zapLeaf(address..<next, .pud, area) {
        next = space.end(.pmd, address, limit: range.upperBound)
        if !zapLeaf(address..<next, .pmd, area) { zapTable(address..<next, area) }
      }
      address = next
    }
  }

  /// Whether an entry of the folio is to go.
  private func takes(_ folio: Folio) -> Bool {
    if let only { return unsafe only.pointer == folio.pointer }
    return takesCopies || !folio.isAnonymous
  }

  // MARK: leaves

  /// Removes a leaf of the level that maps the range (`zap_huge_pmd`, `zap_huge_pud`), or part of it
  /// (`__split_huge_pmd`); false: there is none. Stops where a leaf begins at a tail; that it maps a
  /// small folio is for the audit to say (CI17). An entry that is not present is no leaf here.
  private mutating func zapLeaf(_ range: Range<UInt>, _ level: Level, _ area: Area) -> Bool {
    // Whoever removes the entries of an object has no lock that keeps tables.
    let seen = space.peek(range.lowerBound, level)
    // Somebody else may have cleared it and not yet dropped its mapping: wait for that (10.4).
    guard seen.isLeaf || (waitsForLeaves && seen.isNone),
      let place = space.walkLocking(range.lowerBound, level)
    else { return false }
    let entry = place.value
    guard entry.isLeaf else {
      place.unlock()
      return false
    }
    guard LeafSplit.countedPage(entry, area).map({ takes($0.folio) }) ?? (only == nil) else {
      place.unlock()
      return true
    }
    guard UInt(range.count) == space.size(level) else {
      LeafSplit.split(place, level, area)
      place.unlock()
      return true
    }
    let old = place.clear()
    unsafe tlb_remove_tlb_entry(&gather)
    if level == .pmd { LeafSplit.freeDeposit(of: place, space) }
    guard let page = LeafSplit.countedPage(old, area) else {
      place.unlock()
      return true
    }
    require(
      level == .pmd || area.isDAX || !Self.isLegacy(page), "VMA", page,
      "under legacy rules a leaf at the PUD level maps what is no DAX memory")
    if isMutant(MUTANT_C51) { place.unlock() }
    let folio = page.folio
    require(folio.frame == page.frame, "CI17", page, "a leaf begins at a tail")
    unsafe folio_remove_rmap_leaf(folio.pointer, space.order(level), space.id)
    if page.folio.mappings < 0 { Self.lostMapping.raise(page) }
    if old.isDirty { page.folio.markDirty() }
    if old.isYoung { page.folio.markAccessed() }
    let counter = page.folio.counter
    if level == .pud && counter == MM_ANONPAGES { Self.privateLeaf.raise(page) }
    space.count(-Int(space.pages(level)), of: counter)
    if !isMutant(MUTANT_C51) { place.unlock() }
    if isMutant(MUTANT_C52) { page.folio.put() }
    unsafe tlb_remove_page(&gather, page.pointer)
    return true
  }

  /// A page of a map with legacy rules. RAM has none.
  private static func isLegacy(_ page: Page) -> Bool {
    guard let map = unsafe page.folio.pageMap else { return false }
    return unsafe map.pointee.rules == FOLIO_RULES_LEGACY
  }

  // MARK: PTE tables

  /// Removes the entries of one PTE table in the range (`zap_pte_range`), in as many rounds as the
  /// batch is full.
  private mutating func zapTable(_ range: Range<UInt>, _ area: Area) {
    var address = range.lowerBound
    while address < range.upperBound {
      guard let first = space.walkLocking(address, .pte) else { return }
      let isFull = zapEntries(from: first, &address, range.upperBound, area)
      // What waits for its mapping count to drop does so under the lock: who finds the folio
      // unmapped later may rely on the flush (T16).
      let isDelayed = unsafe gather.delayed_rmap
      if isDelayed {
        unsafe tlb_flush_mmu_tlbonly(&gather)
        unsafe tlb_flush_rmaps(&gather)
      }
      first.unlock()
      if isFull || isDelayed { unsafe tlb_flush_mmu(&gather) }
    }
  }

  /// Entries from `place` on; true: the batch is full at `address`. Context: the table's lock.
  private mutating func zapEntries(
    from first: Place, _ address: inout UInt, _ end: UInt, _ area: Area
  ) -> Bool {
    var counts = PageCounts(space)
    var place = first
    var isFull = false
    while address < end && !isFull {
      let entry = place.value
      var run: UInt = 1
      if entry.isPresent {
        let limit = (end - address) / Space.pageSize
        (run, isFull) = zapPresent(place, entry, limit: limit, &counts)
      } else if !entry.isNone {
        zapSoftLeaf(place, entry, &counts)
      }
      address += run * Space.pageSize
      if address < end { place = place.next(run) }
    }
    counts.finish()
    return isFull
  }

  /// Clears the entries of consecutive pages of one folio. How many, and whether the batch is full.
  private mutating func zapPresent(
    _ place: Place, _ entry: Entry, limit: UInt, _ counts: inout PageCounts
  ) -> (run: UInt, isFull: Bool) {
    guard let page = entry.normalPage else {
      guard only == nil else { return (1, false) }
      _ = place.clear()
      unsafe tlb_remove_tlb_entry(&gather)
      return (1, false)
    }
    let folio = page.folio
    guard takes(folio) else { return (1, false) }
    var old = place.clear()
    var run: UInt = 1
    if folio.order > 0 {
      let left = (UInt(1) << UInt(folio.order)) - (page.frame - folio.frame)
      var next = place
      while run < min(limit, left) {
        next = next.next()
        let other = next.value
        guard other.isPresent, !other.isSpecial, other.frame == entry.frame + run else { break }
        old = old.adding(next.clear().pte & (_PAGE_DIRTY | _PAGE_ACCESSED))
        run += 1
      }
    }
    let isDelayed = old.isDirty && !folio.isAnonymous && !isMutant(MUTANT_P122)
    if old.isDirty && !folio.isAnonymous { folio.markDirty() }
    if old.isYoung && !folio.isAnonymous { folio.markAccessed() }
    counts.add(-Int(run), to: folio.counter)
    if !isDelayed {
      unsafe folio_remove_rmap_ptes(folio.pointer, page.pointer, Int32(run), space.id)
      if folio.mappings < 0 { Self.lostMapping.raise(page) }
    }
    let isFull = unsafe tlb_remove_folio_pages(&gather, page.pointer, UInt32(run), isDelayed)
    return (run, isFull)
  }

  /// An entry that is neither none nor present. Context: the table's lock.
  private mutating func zapSoftLeaf(
    _ place: Place, _ entry: Entry, _ counts: inout PageCounts
  ) {
    guard only == nil else { return }
    let type = softleaf_type(entry)
    guard type != SOFTLEAF_HWPOISON else {
      if takesCopies { _ = place.clear() }
      return
    }
    let page = Page(frame: entry.frame)
    guard takes(page.folio) else { return }
    _ = place.clear()
    counts.add(-1, to: page.folio.counter)
    // A migration entry owns neither a mapping nor a reference; whoever migrates does.
    guard softleaf_is_device_private(entry) else { return }
    unsafe folio_remove_rmap_pte(page.folio.pointer, page.pointer, space.id)
    page.folio.put()
  }
}
