// SPDX-License-Identifier: MIT
//
// The model where several address spaces and holders of references meet: fork, the end of a space,
// unmap_mapping, references and pins by address (core.md 10.4, 11, 12).

extension SpaceModel {
  // MARK: spaces

  mutating func create(_ space: Int) { spaces[space] = ModelSpace(configuration) }

  mutating func end(_ space: Int) {
    removeEntries(space, 0..<configuration.spacePages)
    spaces[space] = nil
  }

  /// The child has the parent's areas, and of its entries those that faults cannot bring back.
  mutating func fork(_ parent: Int, _ child: Int) {
    spaces[child] = ModelSpace(configuration)
    spaces[child]!.areas = spaces[parent]!.areas
    for area in spaces[parent]!.areas where area.object.isMixed || area.hadOwnPages {
      copyLeaves(parent, child, area)
      let pages = configuration.entryPages(1)
      for page in area.pages where hasTable(parent, 0, page) {
        if page % pages == 0 || page == area.pages.lowerBound { makeTables(child, page, 0) }
        copyEntry(parent, child, page, area)
      }
    }
  }

  /// Leaves that count nothing are copied as they are; the others come back by faults.
  private mutating func copyLeaves(_ parent: Int, _ child: Int, _ area: ModelArea) {
    guard !configuration.isCounted(area.object) else { return }
    for level in [1, 2] {
      for (first, leaf) in spaces[parent]!.leaves[level].sorted(by: { $0.key < $1.key })
      where area.pages.contains(first) {
        makeTables(child, first, level)
        if !area.isShared { spaces[parent]!.leaves[level][first]!.isWritable = false }
        insertLeaf(
          child, level, first,
          ModelEntry(page: leaf.page, isWritable: area.isShared && leaf.isWritable))
      }
    }
  }

  private mutating func copyEntry(_ parent: Int, _ child: Int, _ page: Int, _ area: ModelArea) {
    guard let entry = spaces[parent]!.entries[page] else { return }
    if case .own(let number) = entry.page {
      let own = ownPages[number]!
      // 1024 references may be a pin (small folios).
      if own.isExclusive && own.counts.references >= 1024 && spaces[parent]!.hasPinned {
        let copy = makeOwnPage(own.word)
        setEntry(
          child, page, ModelEntry(page: copy, isWritable: area.rights.contains(.write)))
        return
      }
      ownPages[number]!.isExclusive = false
    }
    if !area.isShared { spaces[parent]!.entries[page]!.isWritable = false }
    countEntry(child, entry.page, 1)
    spaces[child]!.entries[page] = ModelEntry(
      page: entry.page, isWritable: area.isShared && entry.isWritable)
  }

  /// Every entry of the pages goes, in all spaces.
  mutating func zap(_ object: MemoryObject, _ pages: Range<Int>, copies: Bool) {
    guard !pages.isEmpty else { return }
    for space in spaces.indices where spaces[space] != nil {
      for area in spaces[space]!.areas where area.object == object {
        let mapped = area.first..<(area.first + area.pages.count)
        guard mapped.overlaps(pages) else { continue }
        let part = mapped.clamped(to: pages)
        let start = area.pages.lowerBound + part.lowerBound - area.first
        removeEntries(space, start..<(start + part.count), copies: copies)
      }
    }
  }

  // MARK: references

  /// The fast walk: pages from the first on, until one that it may not take (12.6).
  mutating func grab(_ how: MemoryGrab, _ range: MemoryRange) -> Int {
    guard range.pages.upperBound <= configuration.spacePages else { return 0 }
    if how.isPin { spaces[range.space]!.hasPinned = true }
    var taken: [ModelPage] = []
    for page in range.pages {
      guard let entry = mapped(range.space, page),
        let area = spaces[range.space]!.areaIndex(at: page),
        !spaces[range.space]!.areas[area].rights.isEmpty, !isSpecialLeaf(range.space, page),
        allows(how, entry)
      else { break }
      taken.append(entry.page)
      count(entry.page, references: how.isPin ? 0 : 1, pins: how.isPin ? 1 : 0)
    }
    if !taken.isEmpty { references.append(ModelReference(pages: taken, isPin: how.isPin)) }
    return taken.count
  }

  /// A leaf that says that it has no page, though it has one.
  private func isSpecialLeaf(_ space: Int, _ page: Int) -> Bool {
    guard configuration.specialLeaves, leaf(space, page) != nil,
      case .object(let object, _)? = mapped(space, page)?.page
    else { return false }
    return configuration.isCounted(object)
  }

  /// A fork would copy a leaf that owns a reference as one that owns none: both would give one back.
  private func spoilsForks(_ space: Int) -> Bool {
    spaces[space]!.areas.contains { area in
      area.hadOwnPages && area.pages.contains { isSpecialLeaf(space, $0) }
    }
  }

  private func allows(_ how: MemoryGrab, _ entry: ModelEntry) -> Bool {
    if how.isWrite && !entry.isWritable { return false }
    switch entry.page {
    // Special entries lead to no page that is counted.
    case .zero: return false
    case .object(let object, _):
      guard how.isLongTerm else { return true }
      // A legacy entry holds nothing that could be had for long.
      guard configuration.isCounted(object) else { return false }
      // A file system's pages may have to go; what is tracked is not written behind its back; and a
      // page that a store would replace is not pinned for reading.
      return !object.isFileSystemDAX && !how.isWrite && entry.isWritable
    case .own(let number):
      return !how.isPin || entry.isWritable || ownPages[number]!.isExclusive
    }
  }

  /// try_get_folio(): not where R is 0.
  mutating func tryGet(_ object: MemoryObject, _ page: Int) -> Int {
    let folio = page >> configuration.folioOrder(object)
    guard counts[object]![folio].references > 0 else { return 0 }
    count(.object(object, page), references: 1)
    references.append(ModelReference(pages: [.object(object, page)], isPin: false))
    return 1
  }

  mutating func release(_ number: Int) {
    let reference = references.remove(at: number)
    for page in reference.pages {
      count(page, references: reference.isPin ? 0 : -1, pins: reference.isPin ? -1 : 0)
    }
  }

  mutating func write(_ number: Int, _ value: UInt) {
    for page in references[number].pages { setWord(page, value) }
  }

  // MARK: all of them

  package func permits(_ operation: MemoryOperation) -> Bool {
    func exists(_ space: Int) -> Bool { spaces.indices.contains(space) && spaces[space] != nil }
    func isMissing(_ space: Int) -> Bool { spaces.indices.contains(space) && spaces[space] == nil }
    return switch operation {
    case .create(let space): isMissing(space)
    case .end(let space): exists(space)
    // The hazard C56 is no part of the model.
    case .fork(let space, let child): exists(space) && isMissing(child) && !spoilsForks(space)
    case .map(let request):
      exists(request.range.space) && (request.object == .own ? request.first == 0 : true)
    case .unmap(let range), .protect(let range, _), .discard(let range), .remap(let range, _, _),
      .grab(_, let range):
      exists(range.space)
    case .load(let space, _), .store(let space, _, _): exists(space)
    case .zap(let object, let first, _, _):
      object != .own && first <= configuration.pages(of: object)
    case .tryGet(let object, let page): object != .own && page < configuration.pages(of: object)
    case .release(let number): references.indices.contains(number)
    // Everybody reads the zero page.
    case .write(let number, _):
      references.indices.contains(number) && !references[number].pages.contains(.zero)
    }
  }

  /// - Parameter chosen: the page that the subject chose where it may.
  package mutating func perform(_ operation: MemoryOperation, chosen: Int?) -> MemoryOutcome {
    do throws(MemoryRefusal) {
      switch operation {
      case .create(let space): create(space)
      case .end(let space): end(space)
      case .fork(let space, let child): fork(space, child)
      case .map(let request): return .place(try map(request, chosen: chosen))
      case .unmap(let range): try unmap(range)
      case .protect(let range, let rights): try protect(range, rights)
      case .discard(let range): try discard(range)
      case .remap(let range, let pages, let target):
        return .place(try remap(range, pages: pages, target: target, chosen: chosen))
      case .load(let space, let page): return .value(try load(space, page))
      case .store(let space, let page, let value): try store(space, page, value)
      case .zap(let object, let first, let count, let copies):
        zap(object, first..<(first + count), copies: copies)
      case .grab(let how, let range):
        return .count(how.isSlow ? try walk(how, range) : grab(how, range))
      case .tryGet(let object, let page): return .count(tryGet(object, page))
      case .release(let number): release(number)
      case .write(let number, let value): write(number, value)
      }
      return .done
    } catch {
      return .refused(error)
    }
  }

  /// Operations after which nothing is referenced and no address space is left.
  package func unwinding() -> [MemoryOperation] {
    references.map { _ in .release(0) }
      + spaces.indices.filter { spaces[$0] != nil }.map { .end(space: $0) }
  }
}
