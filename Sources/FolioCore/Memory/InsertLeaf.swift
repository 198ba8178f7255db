// SPDX-License-Identifier: MIT

// Mapping folios and runs of frames by one leaf at the PMD or PUD level (spec: core.md 9.4, 9.5). A
// folio's leaf owns one reference and one mapping, whatever its size.

import CFolio

/// What a leaf maps.
enum LeafContent {
  /// By a counted leaf; the huge zero folio by a special one.
  case folio(Folio)
  /// By a leaf that counts nothing.
  case frames(UInt)

  var frame: UInt {
    switch self {
    case .folio(let folio): folio.frame
    case .frames(let first): first
    }
  }
}

enum LeafInsertion {
  private static let wrongOrder = Warning(
    "a folio of another order than the leaf that is to map it")
  private static let otherLeaf = Warning(
    "another folio is mapped where one is inserted for writing")

  /// `vmf_insert_folio_pmd` and `vmf_insert_folio_pud`.
  static func insertFolio(
    _ folio: Folio, at address: UInt, _ level: Level, _ area: Area, write: Bool
  ) -> FaultResult {
    let space = area.space
    guard folio.order == space.order(level) || isMutant(MUTANT_C77) else {
      wrongOrder.raise()
      return .busError
    }
    return insert(.folio(folio), at: space.start(level, address), level, area, write: write)
  }

  /// `vmf_insert_pfn_pmd` and `vmf_insert_pfn_pud`.
  static func insertFrames(
    _ frame: UInt, at address: UInt, _ level: Level, _ area: Area, write: Bool
  ) -> FaultResult {
    if !FrameInsertion.isUncountedDevicePage(frame) {
      FrameInsertion.requireBareFrames(area, frame)
    }
    return insert(
      .frames(frame), at: area.space.start(level, address), level, area, write: write)
  }

  /// `insert_pmd`, `insert_pud` (9.5).
  private static func insert(
    _ content: LeafContent, at address: UInt, _ level: Level, _ area: Area, write: Bool
  ) -> FaultResult {
    let space = area.space
    guard area.contains(address..<(address + space.size(level))) else { return .busError }
    // The table comes before the lock, and goes again when a leaf is there.
    var spare: UnsafeMutablePointer<ptdesc>?
    if level == .pmd && space.options.deposits {
      unsafe spare = pgtable_alloc(.pte, space.options.table_shift)
      guard unsafe spare != nil else { return .outOfMemory }
    }
    defer { if let spare = unsafe spare { unsafe pgtable_free(spare) } }
    do throws(Space.NoPlace) {
      let place = try space.walkAllocating(address, level)
      place.lock()
      defer { place.unlock() }
      let old = place.value
      guard old.isNone else {
        if write { upgrade(place, old, content, level, area) }
        return .noPage
      }
      let entry = count(content, level, area)
      let bits = write ? _PAGE_ACCESSED | _PAGE_DIRTY | area.writeBits : 0
      if let table = unsafe spare {
        unsafe pgtable_trans_huge_deposit(place.table, table)
        space.countTables(1)
        unsafe spare = nil
      }
      place.store(entry.adding(bits))
      return .noPage
    } catch {
      return error == .outOfMemory ? .outOfMemory : .noPage
    }
  }

  /// Takes what the new leaf owns; its value. Context: the table's lock.
  private static func count(_ content: LeafContent, _ level: Level, _ area: Area) -> Entry {
    let space = area.space
    let leaf = pfn_pte(content.frame, area.protection | _PAGE_PSE)
    switch content {
    case .folio(let folio) where folio.isZero:
      return leaf.adding(_PAGE_SPECIAL)
    case .folio(let folio):
      folio.get()
      unsafe folio_add_file_rmap_leaf(folio.pointer, space.order(level), space.id)
      space.count(Int(space.pages(level)), of: folio.counter)
      let isSpecial = space.options.special_leaves || isMutant(MUTANT_C56)
      return isSpecial ? leaf.adding(_PAGE_SPECIAL) : leaf
    case .frames(let frame):
      let isDevice = FrameInsertion.isUncountedDevicePage(frame)
      return leaf.adding(isDevice ? _PAGE_SPECIAL | _PAGE_DEVMAP : _PAGE_SPECIAL)
    }
  }

  /// A store's insertion finds a leaf, or a table. Changes no counter. Context: the table's lock.
  private static func upgrade(
    _ place: Place, _ old: Entry, _ content: LeafContent, _ level: Level, _ area: Area
  ) {
    guard old.isLeaf, old.frame == content.frame else {
      if level == .pud || !(old.isLeaf && Folio.isZeroFrame(old.frame)) { otherLeaf.raise() }
      return
    }
    place.add(_PAGE_ACCESSED | _PAGE_DIRTY | area.writeBits)
  }
}
