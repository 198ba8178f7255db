// SPDX-License-Identifier: MIT
//
// The model's accesses: what a load or a store needs, and what a fault makes of a page that has no
// entry, or none for stores (core.md 9, 11, 14.4). The owners of the objects are those of
// MemoryObjects: leaves wherever area and folio agree, copies for stores to private areas.

extension SpaceModel {
  mutating func load(_ space: Int, _ page: Int) throws(MemoryRefusal) -> UInt {
    word(try access(space, page, isWrite: false))
  }

  mutating func store(_ space: Int, _ page: Int, _ value: UInt) throws(MemoryRefusal) {
    setWord(try access(space, page, isWrite: true), value)
  }

  /// The page that the address leads to in the end.
  private mutating func access(
    _ space: Int, _ page: Int, isWrite: Bool
  ) throws(MemoryRefusal) -> ModelPage {
    guard page < configuration.spacePages, let index = spaces[space]!.areaIndex(at: page) else {
      throw .fault
    }
    let rights = spaces[space]!.areas[index].rights
    guard isWrite ? rights.contains(.write) : !rights.isEmpty else { throw .fault }
    // A leaf that goes, and a page that comes for reading, need another look.
    while true {
      if let entry = mapped(space, page), entry.isWritable || !isWrite { return entry.page }
      try fault(space, page, index, isWrite: isWrite)
    }
  }

  mutating func fault(
    _ space: Int, _ page: Int, _ area: Int, isWrite: Bool
  ) throws(MemoryRefusal) {
    let object = spaces[space]!.areas[area].object
    if configuration.leafLevel(object) > 0, faultLeaf(space, page, area, isWrite: isWrite) {
      return
    }
    if let entry = spaces[space]!.entries[page] {
      makeWritable(space, page, area, entry)
    } else {
      try makeEntry(space, page, area, isWrite: isWrite)
    }
  }

  // MARK: leaves

  /// True: a leaf is there, for stores if that was asked for.
  private mutating func faultLeaf(
    _ space: Int, _ page: Int, _ index: Int, isWrite: Bool
  ) -> Bool {
    let area = spaces[space]!.areas[index]
    for level in [2, 1] {
      makeTables(space, page, level)
      let size = configuration.entryPages(level)
      let first = page & ~(size - 1)
      if spaces[space]!.leaves[level][first] != nil {
        guard area.isShared else {
          // A page of one's own is smaller than a leaf.
          removeLeaf(space, level, first)
          continue
        }
        spaces[space]!.leaves[level][first]!.isWritable = true
        return true
      }
      if hasTable(space, level - 1, page) { continue }
      if insertsLeaf(area, page, level, isWrite: isWrite) {
        let entry = ModelEntry(
          page: .object(area.object, area.objectPage(first)),
          isWritable: isWrite || area.isWritableAtOnce)
        insertLeaf(space, level, first, entry)
        return true
      }
    }
    return false
  }

  /// The owner maps a folio whole: area and folio agree in their place, and it is no store to a
  /// private area.
  private func insertsLeaf(
    _ area: ModelArea, _ page: Int, _ level: Int, isWrite: Bool
  ) -> Bool {
    let size = configuration.entryPages(level)
    let first = page & ~(size - 1)
    return configuration.leafLevel(area.object) == level && !(isWrite && !area.isShared)
      && area.objectPage(page) < configuration.pages(of: area.object)
      && area.pages.lowerBound <= first && first + size <= area.pages.upperBound
      && area.objectPage(first) % size == 0
  }

  // MARK: pages

  mutating func makeEntry(
    _ space: Int, _ page: Int, _ index: Int, isWrite: Bool
  ) throws(MemoryRefusal) {
    let area = spaces[space]!.areas[index]
    let isCopied = isWrite && !area.isShared
    // A forced store needs no right, and its entry gives none.
    let isWritable = isWrite && area.rights.contains(.write)
    if isCopied { spaces[space]!.areas[index].hadOwnPages = true }
    guard area.object != .own else {
      makeTables(space, page, 0)
      let mapped = isWrite ? makeOwnPage(0) : .zero
      setEntry(space, page, ModelEntry(page: mapped, isWritable: isWritable))
      return
    }
    let number = area.objectPage(page)
    guard number < configuration.pages(of: area.object) else { throw .fault }
    makeTables(space, page, 0)
    let source = ModelPage.object(area.object, number)
    if isCopied {
      let copy = makeOwnPage(word(source))
      setEntry(space, page, ModelEntry(page: copy, isWritable: isWritable))
      return
    }
    countEntry(space, source, 1)
    spaces[space]!.entries[page] = ModelEntry(
      page: source, isWritable: isWrite || area.isWritableAtOnce)
  }

  /// An entry for a new page of the space's own, which counts it already, or for the zero page.
  mutating func setEntry(_ space: Int, _ page: Int, _ entry: ModelEntry) {
    spaces[space]!.entries[page] = entry
    if case .own = entry.page { spaces[space]!.counters.own += 1 }
  }

  /// A store to what is mapped for reading (section 11).
  private mutating func makeWritable(
    _ space: Int, _ page: Int, _ index: Int, _ entry: ModelEntry
  ) {
    if spaces[space]!.areas[index].isShared {
      spaces[space]!.entries[page]!.isWritable = true
      return
    }
    let isWritable = spaces[space]!.areas[index].rights.contains(.write)
    if case .own(let number) = entry.page,
      ownPages[number]!.isExclusive || ownPages[number]!.counts.references == 1
    {
      ownPages[number]!.isExclusive = true
      spaces[space]!.entries[page]!.isWritable = isWritable
      return
    }
    replace(space, page, index, entry, isWritable: isWritable)
  }

  /// A copy comes in the place of what the entry leads to.
  private mutating func replace(
    _ space: Int, _ page: Int, _ index: Int, _ entry: ModelEntry, isWritable: Bool
  ) {
    spaces[space]!.areas[index].hadOwnPages = true
    let copy = makeOwnPage(word(entry.page))
    removeEntry(space, page)
    setEntry(space, page, ModelEntry(page: copy, isWritable: isWritable))
  }

  /// What is pinned for reading becomes the area's own, and no more writable than it was (12.3).
  /// Context: a private area, and something is there.
  mutating func unshare(_ space: Int, _ page: Int, _ index: Int) throws(MemoryRefusal) {
    guard let entry = spaces[space]!.entries[page] else {
      let leaf = leaf(space, page)!
      removeLeaf(space, leaf.level, leaf.first)
      try makeEntry(space, page, index, isWrite: false)
      return
    }
    if case .own(let number) = entry.page, ownPages[number]!.counts.references == 1 {
      ownPages[number]!.isExclusive = true
    } else {
      replace(space, page, index, entry, isWritable: false)
    }
  }
}
