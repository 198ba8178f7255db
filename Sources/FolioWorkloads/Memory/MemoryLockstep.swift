// SPDX-License-Identifier: MIT
//
// Address spaces and their model side by side: after each operation what it returned, the counters of
// all spaces, the words of all folios, and every entry that it may have touched; all entries and all
// contents now and then, and at the end.

import FolioCore

/// What a run did.
package struct MemoryCoverage: Sendable, Hashable {
  package var steps = 0
  /// How often each operation came out in each way: `map place`, `load refused: fault`.
  package var outcomes: [String: Int] = [:]
  /// Largest numbers seen at once.
  package var leaves = 0
  package var ownPages = 0
  package var sharedOwnPages = 0
  package var references = 0
  package init() {}

  package mutating func formUnion(_ other: MemoryCoverage) {
    steps += other.steps
    outcomes.merge(other.outcomes, uniquingKeysWith: +)
    leaves = max(leaves, other.leaves)
    ownPages = max(ownPages, other.ownPages)
    sharedOwnPages = max(sharedOwnPages, other.sharedOwnPages)
    references = max(references, other.references)
  }
}

/// Real address spaces and the model.
package struct MemoryLockstep: Lockstep {
  package private(set) var model: SpaceModel
  package private(set) var coverage = MemoryCoverage()
  private let subject: MemoryExecutor
  /// Operations between comparisons of everything.
  private let wholePeriod: Int
  /// Operations between looks at what there is, for the coverage.
  private static let samplePeriod = 64
  /// Does something behind the model's back after an operation: for tests of the comparison.
  private let interfere: ((MemoryOperation, MemoryExecutor) -> Void)?
  /// Frames of the model's own pages, as they were first seen.
  private var frames: [Int: UInt] = [:]

  package init(
    _ configuration: MemoryConfiguration, audited: Bool = false, isAlone: Bool = false,
    interfere: ((MemoryOperation, MemoryExecutor) -> Void)? = nil
  ) throws {
    model = SpaceModel(configuration)
    subject = try MemoryExecutor(configuration, audited: audited, isAlone: isAlone)
    // With larger tables an address space has sixteen times the pages.
    wholePeriod = configuration.tableShift > 2 ? 512 : 64
    self.interfere = interfere
  }

  package func permits(_ operation: MemoryOperation) -> Bool { model.permits(operation) }

  package mutating func step(_ operation: MemoryOperation) -> Divergence<MemoryOperation>? {
    let number = coverage.steps
    let outcome = subject.perform(operation)
    interfere?(operation, subject)
    var chosen: Int?
    if case .place(let page) = outcome { chosen = page }
    let expected = model.perform(operation, chosen: chosen)
    record(operation, expected)
    let isWhole = number % wholePeriod == wholePeriod - 1
    let message =
      outcome == expected
      ? difference(after: operation, chosen, isWhole: isWhole)
      : "returned \(outcome), the model says \(expected)"
    return divergence(message, number, operation)
  }

  private func divergence(
    _ message: String?, _ number: Int?, _ operation: MemoryOperation?
  ) -> Divergence<MemoryOperation>? {
    guard let message else { return nil }
    subject.abandon()
    return Divergence(step: number, operation: operation, message: message)
  }

  private mutating func record(_ operation: MemoryOperation, _ outcome: MemoryOutcome) {
    let what =
      switch outcome {
      case .value, .place, .done: "done"
      case .count(let count): count == 0 ? "none" : "some"
      case .refused, .other: "\(outcome)"
      }
    coverage.steps += 1
    coverage.outcomes["\(operation.name): \(what)", default: 0] += 1
    coverage.references = max(coverage.references, model.references.count)
    guard coverage.steps % Self.samplePeriod == 0 else { return }
    coverage.ownPages = max(coverage.ownPages, model.ownPages.count)
    coverage.sharedOwnPages = max(
      coverage.sharedOwnPages, model.ownPages.values.count { $0.counts.mappings > 1 })
    coverage.leaves = max(
      coverage.leaves,
      model.spaces.reduce(0) { sum, space in
        sum + (space?.leaves.reduce(0) { $0 + $1.count } ?? 0)
      })
  }

  package mutating func end() -> Divergence<MemoryOperation>? {
    for operation in model.unwinding() {
      if let divergence = step(operation) { return divergence }
    }
    let message =
      wholeDifference() ?? notIdle() ?? subject.finish().first.map { "the audit says \($0)" }
    return divergence(message, nil, nil)
  }

  private func notIdle() -> String? {
    for object in MemoryObject.mapped {
      let idle = ModelCounts(references: model.configuration.idleReferences(object))
      if let folio = model.counts[object]!.firstIndex(where: { $0 != idle }) {
        return "folio \(folio) of \(object.rawValue) is not idle after unwinding"
      }
    }
    return model.ownPages.isEmpty ? nil : "pages of RAM are left after unwinding"
  }

  // MARK: comparison

  private mutating func difference(
    after operation: MemoryOperation, _ chosen: Int?, isWhole: Bool
  ) -> String? {
    if isWhole { return wholeDifference() }
    for (space, pages) in touched(operation, chosen) where model.spaces[space] != nil {
      if let difference = areaDifference(space) ?? entryDifference(space, pages) {
        return difference
      }
    }
    if case .grab(_, let range) = operation, let difference = takenDifference(range) {
      return difference
    }
    if case .write(let number, _) = operation {
      for page in model.references[number].pages {
        if let difference = wordDifference(page) { return difference }
      }
    }
    return counterDifference()
  }

  private mutating func wholeDifference() -> String? {
    for space in model.spaces.indices where model.spaces[space] != nil {
      if let difference = areaDifference(space) ?? entryDifference(space, allPages)
        ?? modelDifference(space)
      {
        return difference
      }
    }
    for object in MemoryObject.mapped {
      for page in 0..<model.configuration.pages(of: object) {
        if let difference = wordDifference(.object(object, page)) { return difference }
      }
    }
    frames = frames.filter { model.ownPages[$0.key] != nil }
    for number in model.ownPages.keys.sorted() {
      if let difference = wordDifference(.own(number)) { return difference }
    }
    return counterDifference()
  }

  private var allPages: Range<Int> { 0..<model.configuration.spacePages }

  /// What an operation may have changed: of leaves all their pages.
  private func touched(
    _ operation: MemoryOperation, _ chosen: Int?
  ) -> [(space: Int, pages: Range<Int>)] {
    let leaf = model.configuration.entryPages(2)
    func around(_ pages: Range<Int>) -> Range<Int> {
      let start = pages.lowerBound / leaf * leaf
      let end = (pages.upperBound + leaf - 1) / leaf * leaf
      return min(start, allPages.upperBound)..<min(end, allPages.upperBound)
    }
    switch operation {
    case .create(let space): return [(space, allPages)]
    case .fork(let parent, let child): return areaPages(parent) + areaPages(child)
    case .zap: return model.spaces.indices.flatMap { areaPages($0) }
    case .map(let request):
      let start = chosen ?? request.range.page
      return [(request.range.space, around(start..<(start + request.range.count)))]
    case .unmap(let range), .protect(let range, _), .discard(let range):
      return [(range.space, around(range.pages))]
    case .remap(let range, let pages, let target):
      let start = chosen ?? target ?? range.page
      return [
        (range.space, around(range.pages)), (range.space, around(start..<(start + pages))),
      ]
    case .load(let space, let page), .store(let space, let page, _):
      return [(space, around(page..<(page + 1)))]
    case .grab(let how, let range) where how.isSlow: return [(range.space, around(range.pages))]
    case .end, .grab, .tryGet, .release, .write: return []
    }
  }

  private func areaPages(_ space: Int) -> [(space: Int, pages: Range<Int>)] {
    (model.spaces[space]?.areas ?? []).map { (space, $0.pages) }
  }

  private func areaDifference(_ space: Int) -> String? {
    let size = Int(MemoryMap.pageSize)
    let found = subject.areas(space)
    let expected = model.spaces[space]!.areas
    let agree =
      found.count == expected.count
      && zip(found, expected).allSatisfy { found, expected in
        Int(found.start) / size == expected.pages.lowerBound
          && Int(found.end) / size == expected.pages.upperBound
          && found.firstPage == expected.first
          && found.rights.rawValue == expected.rights.rawValue
          && (found.sharing == .shared) == expected.isShared
      }
    if agree { return nil }
    let texts = found.map { area in
      "\(Int(area.start) / size)..<\(Int(area.end) / size) from \(area.firstPage)"
        + " \(MemoryRights(rawValue: area.rights.rawValue)) \(area.sharing)"
    }
    let model = expected.map { area in
      "\(area.pages) from \(area.first) \(area.rights) \(area.isShared ? "shared" : "private")"
    }
    return "space \(space) has areas \(texts), the model says \(model)"
  }

  private mutating func entryDifference(_ space: Int, _ pages: Range<Int>) -> String? {
    for page in pages {
      let found = subject.entry(space, page)
      let expected = expectedEntry(space, page, found)
      if found != expected {
        let text = { (entry: FoundEntry?) in entry.map { "\($0)" } ?? "nothing" }
        return "page \(page) of space \(space) maps \(text(found)), the model says "
          + "\(text(expected)) (\(model.mapped(space, page).map { "\($0.page)" } ?? "none"))"
      }
      if let entry = model.mapped(space, page), let difference = wordDifference(entry.page) {
        return difference
      }
    }
    return nil
  }

  /// The frame of one of the model's own pages is the one that is found first.
  private mutating func expectedEntry(
    _ space: Int, _ page: Int, _ found: FoundEntry?
  ) -> FoundEntry? {
    guard let entry = model.mapped(space, page) else { return nil }
    let area = model.spaces[space]!.areaIndex(at: page).map { model.spaces[space]!.areas[$0] }
    var expected = FoundEntry(
      level: model.leaf(space, page)?.level ?? 0, frame: 0, isWritable: entry.isWritable,
      isClosed: area?.rights.isEmpty ?? true, isSpecial: false)
    switch entry.page {
    case .zero: (expected.frame, expected.isSpecial) = (subject.zeroFrame, true)
    case .object(let object, let number):
      expected.frame = subject.frame(object, number)
      expected.isSpecial = model.configuration.isSpecial(object, level: expected.level)
    case .own(let number):
      if frames[number] == nil, let found, !isTaken(found.frame) { frames[number] = found.frame }
      expected.frame = frames[number] ?? 0
    }
    return expected
  }

  /// The frame is already another page.
  private func isTaken(_ frame: UInt) -> Bool {
    frame == subject.zeroFrame
      || frames.contains { $0.value == frame && model.ownPages[$0.key] != nil }
      || MemoryObject.mapped.contains { object in
        (0..<model.configuration.pages(of: object)).contains { subject.frame(object, $0) == frame }
      }
  }

  private func wordDifference(_ page: ModelPage) -> String? {
    let frame: UInt
    switch page {
    case .zero: frame = subject.zeroFrame
    case .object(let object, let number): frame = subject.frame(object, number)
    case .own(let number):
      guard let known = frames[number] else { return "\(page) was never seen" }
      frame = known
      let own = model.ownPages[number]!
      let found = subject.counts(ofFrame: frame)
      if found != own.counts { return text("\(page)", found, own.counts) }
      if subject.isExclusive(frame) != own.isExclusive {
        return "\(page) is exclusive: \(!own.isExclusive), the model says \(own.isExclusive)"
      }
    }
    let (found, expected) = (subject.word(ofFrame: frame), model.word(page))
    if found == expected { return nil }
    return "\(page) holds \(found.map { "\($0)" } ?? "nothing"), the model says \(expected)"
  }

  /// The pages that a walk gave, if it took any.
  private func takenDifference(_ range: MemoryRange) -> String? {
    let found = subject.lastTaken
    guard let expected = model.references.last, expected.pages.count == found.count else {
      return model.references.isEmpty && found.isEmpty ? nil : "\(found.count) pages are open last"
    }
    for (index, page) in expected.pages.enumerated() {
      let frame: UInt? =
        switch page {
        case .zero: subject.zeroFrame
        case .object(let object, let number): subject.frame(object, number)
        case .own(let number): frames[number]
        }
      if found[index] != frame {
        return
          "page \(range.page + index) was taken as frame \(found[index]), the model says \(page)"
      }
    }
    return nil
  }

  private func text(_ what: String, _ found: ModelCounts, _ expected: ModelCounts) -> String {
    func text(_ counts: ModelCounts) -> String {
      "R \(counts.references) M \(counts.mappings) PC \(counts.pins)"
    }
    return "\(what) has \(text(found)), the model says \(text(expected))"
  }

  /// Counters of all spaces, words of all folios, RAM in use, references on the zero page.
  private func counterDifference() -> String? {
    for space in model.spaces.indices {
      guard let expected = model.spaces[space] else { continue }
      let found = subject.counters(space)
      let counters = ModelCounters(
        file: found.filePages, own: found.anonymousPages, shared: found.sharedMemoryPages)
      if counters != expected.counters {
        return "space \(space) counts \(counters), the model says \(expected.counters)"
      }
      if found.tables != expected.tableCount {
        return "space \(space) has \(found.tables) tables, the model says \(expected.tableCount)"
      }
    }
    for object in MemoryObject.mapped {
      let order = model.configuration.folioOrder(object)
      for (folio, expected) in model.counts[object]!.enumerated() {
        let found = subject.counts(ofFrame: subject.frame(object, folio << order))
        if found != expected {
          return text("folio \(folio) of \(object.rawValue)", found, expected)
        }
      }
    }
    if let found = subject.zeroReferences, found != model.zeroReferences {
      return "the zero page has \(found) references, the model says \(model.zeroReferences)"
    }
    if let inUse = subject.pagesInUse, inUse != model.ownPages.count {
      return "\(inUse) pages of RAM are in use, the model says \(model.ownPages.count)"
    }
    return nil
  }

  /// The model's own sum: counters are those of the entries (CI52).
  private func modelDifference(_ number: Int) -> String? {
    let space = model.spaces[number]!
    var counters = ModelCounters()
    func add(_ page: ModelPage, _ pages: Int) {
      switch page {
      case .zero: break
      case .own: counters.own += 1
      case .object(.memory, _): counters.shared += 1
      case .object(let object, _):
        if model.configuration.isCounted(object) { counters.file += pages }
      }
    }
    for entry in space.entries { if let entry { add(entry.page, 1) } }
    for level in [1, 2] {
      for leaf in space.leaves[level].values {
        add(leaf.page, model.configuration.entryPages(level))
      }
    }
    return counters == space.counters ? nil : "the model's counters of space \(number) are wrong"
  }
}
