// SPDX-License-Identifier: MIT
//
// The model's areas: map, unmap, protect, discard, remap. Where a place may be chosen, the model is told
// what was chosen and says whether that was right.

extension SpaceModel {
  /// Whether there may be such a range of pages.
  func isValid(_ range: MemoryRange) -> Bool {
    range.count > 0 && range.pages.upperBound <= configuration.spacePages
  }

  // MARK: cuts

  /// The object of an area inside of which a bound lies refuses to be cut there.
  private func refusesCut(_ space: Int, _ pages: Range<Int>) -> Bool {
    spaces[space]!.areas.contains { area in
      area.pages.overlaps(pages) && area.object == .deviceLeaf
        && [pages.lowerBound, pages.upperBound].contains { cut in
          area.pages.lowerBound < cut && cut < area.pages.upperBound
            && area.objectPage(cut) % configuration.entryPages(1) != 0
        }
    }
  }

  /// Puts others in the place of the areas in the range: what is left outside of it, and of each what
  /// `keep` makes of its part inside.
  private mutating func replace(
    _ space: Int, _ pages: Range<Int>, adding added: ModelArea? = nil,
    keep: (ModelArea) -> ModelArea? = { _ in nil }
  ) {
    var areas: [ModelArea] = []
    for area in spaces[space]!.areas {
      guard area.pages.overlaps(pages) else {
        areas.append(area)
        continue
      }
      let inner = area.pages.clamped(to: pages)
      if area.pages.lowerBound < inner.lowerBound {
        areas.append(area.part(area.pages.lowerBound..<inner.lowerBound))
      }
      if let kept = keep(area.part(inner)) { areas.append(kept) }
      if inner.upperBound < area.pages.upperBound {
        areas.append(area.part(inner.upperBound..<area.pages.upperBound))
      }
    }
    if let added { areas.append(added) }
    spaces[space]!.areas = areas.sorted { $0.pages.lowerBound < $1.pages.lowerBound }
  }

  /// Removes the entries of a range; leaves that are only in part of it, too.
  mutating func removeEntries(_ space: Int, _ pages: Range<Int>, copies: Bool = true) {
    for level in [1, 2] where !spaces[space]!.leaves[level].isEmpty {
      for first in spaces[space]!.leaves[level].keys.sorted()
      where pages.overlaps(first..<(first + configuration.entryPages(level))) {
        removeLeaf(space, level, first)
      }
    }
    for page in pages {
      guard let entry = spaces[space]!.entries[page] else { continue }
      if case .own = entry.page, !copies { continue }
      removeEntry(space, page)
    }
  }

  private mutating func removeAreas(
    _ space: Int, _ pages: Range<Int>
  ) throws(MemoryRefusal) {
    guard !spaces[space]!.isFree(pages) else { return }
    if refusesCut(space, pages) { throw .invalidArgument }
    for area in spaces[space]!.areas where area.pages.overlaps(pages) {
      removeEntries(space, area.pages.clamped(to: pages))
    }
    replace(space, pages)
    freeTables(space)
  }

  // MARK: operations

  /// - Parameter chosen: where the subject put it.
  mutating func map(_ request: MemoryRequest, chosen: Int?) throws(MemoryRefusal) -> Int {
    let (space, count) = (request.range.space, request.range.count)
    guard count > 0, !(request.object == .own && request.isShared) else {
      throw .invalidArgument
    }
    guard count <= configuration.spacePages else { throw .outOfMemory }
    let hint = request.range.pages
    let fits = hint.upperBound <= configuration.spacePages
    let isFree = spaces[space]!.isFree(hint)
    var start = request.range.page
    switch request.placement {
    case .fixed, .noReplace:
      guard fits else { throw .outOfMemory }
      if request.placement == .noReplace && !isFree { throw .exists }
      try removeAreas(space, hint)
    case .near where request.range.page >= 1 && fits && isFree:
      break
    case .anywhere, .near:
      start = try place(
        space, count, chosen, isAligned: request.object.isDAX, phase: request.first)
    }
    replace(
      space, 0..<0,
      adding: ModelArea(
        pages: start..<(start + count), object: request.object, first: request.first,
        rights: request.rights, isShared: request.isShared))
    return start
  }

  /// The chosen place if it is a good one; -1 if not. Refused only where there is none.
  private func place(
    _ space: Int, _ count: Int, _ chosen: Int?, isAligned: Bool, phase: Int
  ) throws(MemoryRefusal) -> Int {
    let leaf = configuration.entryPages(1)
    func isGood(_ page: Int) -> Bool {
      page >= 1 && page + count <= configuration.spacePages
        && (!isAligned || count < leaf || page % leaf == phase % leaf)
        && spaces[space]!.isFree(page..<(page + count))
    }
    if let chosen, isGood(chosen) { return chosen }
    // No good answer: what it should have been.
    guard let page = (0..<configuration.spacePages).first(where: isGood) else {
      throw .outOfMemory
    }
    return page
  }

  mutating func unmap(_ range: MemoryRange) throws(MemoryRefusal) {
    guard isValid(range) else { throw .invalidArgument }
    try removeAreas(range.space, range.pages)
  }

  mutating func protect(_ range: MemoryRange, _ rights: MemoryRights) throws(MemoryRefusal) {
    guard isValid(range) else { throw .invalidArgument }
    let space = range.space
    for page in range.pages where spaces[space]!.areaIndex(at: page) == nil {
      throw .outOfMemory
    }
    if refusesCut(space, range.pages) { throw .invalidArgument }
    replace(space, range.pages) { area in
      var area = area
      area.rights = rights
      return area
    }
    for area in spaces[space]!.areas where area.pages.overlaps(range.pages) {
      changeEntries(space, area)
    }
  }

  /// Entries get the rights of a new entry; leaves that the area has only a part of go.
  private mutating func changeEntries(_ space: Int, _ area: ModelArea) {
    for level in [1, 2] {
      let pages = configuration.entryPages(level)
      for first in spaces[space]!.leaves[level].keys.sorted() {
        let leaf = first..<(first + pages)
        guard leaf.overlaps(area.pages) else { continue }
        if leaf.clamped(to: area.pages) == leaf {
          spaces[space]!.leaves[level][first]!.isWritable = area.isWritableAtOnce
        } else {
          removeLeaf(space, level, first)
        }
      }
    }
    for page in area.pages where spaces[space]!.entries[page] != nil {
      spaces[space]!.entries[page]!.isWritable = area.isWritableAtOnce
    }
  }

  mutating func discard(_ range: MemoryRange) throws(MemoryRefusal) {
    guard isValid(range) else { throw .invalidArgument }
    let areas = spaces[range.space]!.areas.filter { $0.pages.overlaps(range.pages) }
    var covered = 0
    for area in areas {
      let part = area.pages.clamped(to: range.pages)
      removeEntries(range.space, part)
      covered += part.count
    }
    if covered < range.count { throw .outOfMemory }
  }

  // MARK: remap

  mutating func remap(
    _ range: MemoryRange, pages: Int, target: Int?, chosen: Int?
  ) throws(MemoryRefusal) -> Int {
    guard isValid(range), pages > 0, pages <= configuration.spacePages else {
      throw .invalidArgument
    }
    let (space, start) = (range.space, range.page)
    if let target {
      guard target + pages <= configuration.spacePages,
        !(target..<(target + pages)).overlaps(range.pages)
      else { throw .invalidArgument }
    }
    guard let index = spaces[space]!.areaIndex(at: start),
      range.pages.upperBound <= spaces[space]!.areas[index].pages.upperBound
    else { throw .fault }
    var moved = range.pages
    if pages < moved.count {
      try removeAreas(space, (start + pages)..<moved.upperBound)
      moved = start..<(start + pages)
    }
    if let target {
      try removeAreas(space, target..<(target + pages))
      try move(space, moved, to: target, pages: pages)
      return target
    }
    if pages == moved.count { return start }
    let area = spaces[space]!.areas[spaces[space]!.areaIndex(at: start)!]
    let grown = moved.upperBound..<(start + pages)
    if moved.upperBound == area.pages.upperBound, grown.upperBound <= configuration.spacePages,
      spaces[space]!.isFree(grown)
    {
      let index = spaces[space]!.areaIndex(at: start)!
      spaces[space]!.areas[index].pages = area.pages.lowerBound..<grown.upperBound
      return start
    }
    let place = try place(
      space, pages, chosen, isAligned: area.object.isDAX, phase: area.objectPage(start))
    try move(space, moved, to: place, pages: pages)
    return place
  }

  /// Context: the target is free.
  private mutating func move(
    _ space: Int, _ range: Range<Int>, to target: Int, pages: Int
  ) throws(MemoryRefusal) {
    if refusesCut(space, range) { throw .invalidArgument }
    var area = spaces[space]!.areas[spaces[space]!.areaIndex(at: range.lowerBound)!].part(range)
    area.pages = target..<(target + pages)
    moveEntries(space, range, by: target - range.lowerBound)
    replace(space, range, adding: area)
    freeTables(space)
  }

  /// No counter of a page changes, but for leaves that cannot move whole: they go. Tables are made for
  /// all that could move.
  private mutating func moveEntries(_ space: Int, _ range: Range<Int>, by distance: Int) {
    var page = range.lowerBound
    var parts: [(pages: Range<Int>, level: Int)] = []
    while page < range.upperBound {
      var level = 0
      if let leaf = leaf(space, page), leaf.first == page {
        let size = configuration.entryPages(leaf.level)
        if page + size <= range.upperBound && distance % size == 0 { level = leaf.level }
      }
      let size = configuration.entryPages(max(level, 1))
      // To the end of the table here, or there.
      let step =
        level > 0 ? size : min(size - page % size, size - (page + distance) % size)
      let end = min(page + step, range.upperBound)
      parts.append((page..<end, level))
      makeTables(space, page + distance, level)
      page = end
    }
    for part in parts {
      let from = part.pages.lowerBound
      if part.level > 0 {
        // Where there is a table a leaf has no place.
        if hasTable(space, part.level - 1, from + distance) {
          removeLeaf(space, part.level, from)
        } else {
          let leaf = spaces[space]!.leaves[part.level].removeValue(forKey: from)
          spaces[space]!.leaves[part.level][from + distance] = leaf
        }
        continue
      }
      if let leaf = leaf(space, from) { removeLeaf(space, leaf.level, leaf.first) }
      for page in part.pages {
        spaces[space]!.entries[page + distance] = spaces[space]!.entries[page]
        spaces[space]!.entries[page] = nil
      }
    }
  }
}
