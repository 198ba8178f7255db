// SPDX-License-Identifier: MIT

// From an address to its page, by what is mapped (spec: core.md 12.3, 12.5, row 103): one entry at any
// level, judged and counted under its table's lock. Mirrors follow_page_mask() and what hangs on it.

import CFolio

/// What an address leads to.
enum UserPage {
  /// A page with one reference of the asked kind, and how many behind it the same leaf maps.
  case found(Page, behind: Int)
  /// Nothing, or nothing that may be used as it is: a fault is needed.
  case missing
  /// A page that somebody else may come to own: an unsharing fault is needed (-EMLINK).
  case shared
  /// Something without a page (-EEXIST).
  case pageless
  /// -errno.
  case refused(Int32)

  static func refused(_ code: MemoryError.Code) -> UserPage { .refused(code.status) }
}

/// Looks addresses of one walk up.
///
/// Context of all: mmap_lock. Ends by `finish()`.
@safe
struct UserPageLookup: ~Copyable {
  let space: Space
  let flags: UInt32
  /// Pins taken that count: zero pages do not.
  var pins = 0
  /// Of the legacy entries last met, while the walk goes on.
  private var heldMap: UnsafeMutablePointer<dev_pagemap>?

  init(_ space: Space, flags: UInt32) {
    self.space = space
    self.flags = flags
    unsafe heldMap = nil
  }

  /// The device map goes, and the pins are counted.
  mutating func finish() {
    unsafe cfolio_walk_put_pagemap(heldMap)
    unsafe heldMap = nil
    if pins > 0 { count_foll_pins(pins, 0) }
    pins = 0
  }

  /// What the address leads to. Pages first: a table in the way answers for the leaves above.
  mutating func follow(_ address: UInt, _ area: Area) -> UserPage {
    while true {
      if let place = space.walkLocking(address, .pte) {
        defer { place.unlock() }
        let entry = place.value
        if entry.isNone { return nothing(area) }
        return entry.isPresent ? take(entry, place, address, .pte, area) : .missing
      }
      switch followLeaf(address, .pmd, area) {
      case .some(let page): return page
      case nil: break
      }
      if let page = followLeaf(address, .pud, area) { return page }
      // A table came meanwhile; or there is none at any level.
      guard space.walk(address, .pud)?.current.isTable == true else { return nothing(area) }
      guard let pmd = space.walk(address, .pmd) else { continue }
      if pmd.current.isNone { return nothing(area) }
    }
  }

  /// A leaf of the level; nil: no table leads to one, or it names a table.
  private mutating func followLeaf(
    _ address: UInt, _ level: Level, _ area: Area
  ) -> UserPage? {
    guard let place = space.walkLocking(address, level) else { return nil }
    let entry = place.value
    guard entry.isLeaf else {
      place.unlock()
      return entry.isTable ? nil : entry.isNone ? nothing(area) : .missing
    }
    if level == .pmd && flags & FOLL_SPLIT_PMD != 0 {
      LeafSplit.split(place, level, area)
      place.unlock()
      return keepTable(address)
    }
    defer { place.unlock() }
    return take(entry, place, address, level, area)
  }

  /// A table where a leaf was: the fault that follows makes a page, not the leaf again.
  private func keepTable(_ address: UInt) -> UserPage {
    do throws(Space.NoPlace) {
      _ = try space.walkAllocating(address, .pte)
    } catch {
      if error == .outOfMemory { return .refused(.outOfMemory) }
    }
    return .missing
  }

  /// Nothing is mapped. A core dump wants no pages of zeros.
  private func nothing(_ area: Area) -> UserPage {
    guard flags & FOLL_DUMP != 0 else { return .missing }
    let isBroughtIn = unsafe area.operations?.pointee.fault != nil
    return isBroughtIn ? .missing : .refused(.fault)
  }

  // MARK: one entry

  /// Judges a present entry, and takes a reference on its page. Context: the table's lock.
  private mutating func take(
    _ entry: Entry, _ place: Place, _ address: UInt, _ level: Level, _ area: Area
  ) -> UserPage {
    // Hints are honoured where the area has rights at all; there they are no hints.
    if pte_protnone(entry) && flags & FOLL_HONOR_NUMA_FAULT != 0
      && area.flags & VM_ACCESS_FLAGS != 0
    {
      return .missing
    }
    let counted = level == .pte ? entry.normalPage : LeafSplit.countedPage(entry, area)
    let offset = (address - space.start(level, address)) / Space.pageSize
    let page = Page(frame: entry.frame + offset)
    if flags & FOLL_WRITE != 0 && !mayStore(entry, counted, area) { return .missing }
    var behind = Int(space.pages(level) - offset - 1)
    if counted == nil {
      if pte_devmap(entry) {
        if let refusal = holdMap(of: page, level) { return refusal }
        // Their pages may be folios of their own.
        behind = 0
      } else if Folio.isZeroFrame(entry.frame) {
        if flags & FOLL_DUMP != 0 { return .refused(.fault) }
      } else {
        return .pageless
      }
    }
    let folio = page.folio
    if mustUnshare(entry, page, folio, area) { return .shared }
    let status = unsafe try_grab_folio(folio.pointer, 1, flags)
    guard status == 0 else { return .refused(status) }
    note(1, of: folio)
    if flags & FOLL_TOUCH != 0 && !folio.isZero { touch(entry, place, folio, level) }
    return .found(page, behind: behind)
  }

  /// A legacy entry owns no reference: its map is held while one is taken. nil: it is.
  private mutating func holdMap(of page: Page, _ level: Level) -> UserPage? {
    guard flags & (FOLL_GET | FOLL_PIN) != 0 else { return .pageless }
    unsafe heldMap = cfolio_walk_get_pagemap(page.frame, heldMap)
    if unsafe heldMap != nil { return nil }
    // A map that goes away takes its entries with it; leaves are not waited for.
    return level == .pte ? .missing : .refused(.fault)
  }

  /// The entry allows stores; or it is forced, and the page is the area's own already
  /// (`can_follow_write_pte`). Context: `check_vma_flags`.
  private func mayStore(_ entry: Entry, _ page: Page?, _ area: Area) -> Bool {
    if entry.isWritable { return true }
    guard flags & FOLL_FORCE != 0, area.copiesOnWrite, area.flags & VM_WRITE == 0,
      let page, page.folio.isAnonymous
    else { return false }
    return unsafe folio_page_is_exclusive(page.pointer)
  }

  /// A store through another mapping, or this one, would leave the pin with the old page
  /// (`gup_must_unshare`). That a long-term pin asks for a copy of what is not anonymous, too, where a
  /// store would make one, is an assumption: 12.3 names anonymous pages.
  private func mustUnshare(_ entry: Entry, _ page: Page, _ folio: Folio, _ area: Area) -> Bool {
    guard flags & FOLL_PIN != 0, !entry.isWritable, !isMutant(MUTANT_P111) else { return false }
    guard folio.isAnonymous else { return flags & FOLL_LONGTERM != 0 && area.copiesOnWrite }
    return unsafe !folio_page_is_exclusive(page.pointer)
  }

  /// The folio of a PTE, the entry of a leaf.
  private func touch(_ entry: Entry, _ place: Place, _ folio: Folio, _ level: Level) {
    let isWrite = flags & FOLL_WRITE != 0
    guard level == .pte else {
      place.add(_PAGE_ACCESSED | (isWrite ? _PAGE_DIRTY : 0))
      return
    }
    if isWrite && !entry.isDirty { folio.markDirty() }
    folio.markAccessed()
  }

  // MARK: the rest of a leaf

  /// More references on the folio of a page that `follow` found: one operation for all of them.
  /// False: there are none of them, and the first is given back.
  mutating func takeMore(_ count: Int, of page: Page) -> Bool {
    let folio = page.folio
    guard unsafe try_grab_folio(folio.pointer, Int32(count), flags) == 0 else {
      giveBack(folio)
      return false
    }
    note(count, of: folio)
    return true
  }

  private mutating func giveBack(_ folio: Folio) {
    unsafe gup_put_folio(folio.pointer, 1, flags)
    note(-1, of: folio)
  }

  private mutating func note(_ count: Int, of folio: Folio) {
    if flags & FOLL_PIN != 0 && !folio.isZero { pins += count }
  }
}
