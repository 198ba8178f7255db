// SPDX-License-Identifier: MIT
//
// The sequential model of address spaces (core.md 8-12): what each page maps, what each area is, and
// what that does to the counters of folios. Each operation is at once what the spec says it is in the
// end; there are no locks, gathers or references in passing. What is a choice of Folio's (areas are
// cut and never merged, tables go when no area needs them) follows the documentation of MemoryMap.

/// Why an operation is refused, by the name of the error code.
package enum MemoryRefusal: String, Error, Sendable, Hashable {
  case invalidArgument, outOfMemory, exists, fault, notSupported
}

/// What an operation on address spaces returns.
package enum MemoryOutcome: Sendable, Hashable, CustomStringConvertible {
  case done
  /// A word.
  case value(UInt)
  /// References taken.
  case count(Int)
  /// Page where an area begins.
  case place(Int)
  case refused(MemoryRefusal)
  /// What no model can say.
  case other(String)

  package var description: String {
    switch self {
    case .done: "done"
    case .value(let value): "value \(value)"
    case .count(let count): "count \(count)"
    case .place(let page): "page \(page)"
    case .refused(let why): "refused: \(why.rawValue)"
    case .other(let text): text
    }
  }
}

/// What an entry leads to.
package enum ModelPage: Sendable, Hashable {
  case zero
  case object(MemoryObject, Int)
  /// A page of RAM, by a number that is never used again.
  case own(Int)
}

/// A page-table entry, or a leaf (then of its first page).
package struct ModelEntry: Sendable, Hashable {
  package var page: ModelPage
  package var isWritable: Bool
}

/// R, M and PC of a folio, PC of large ones only.
package struct ModelCounts: Sendable, Hashable {
  package var references: Int
  package var mappings = 0
  package var pins = 0
}

/// A page of RAM of address spaces.
package struct ModelOwnPage: Sendable, Hashable {
  package var counts = ModelCounts(references: 1, mappings: 1)
  /// PG_anon_exclusive: one address space's alone.
  package var isExclusive = true
  package var word: UInt
}

/// An area; ranges are pages.
package struct ModelArea: Sendable, Hashable {
  package var pages: Range<Int>
  package var object: MemoryObject
  package var first: Int
  package var rights: MemoryRights
  package var isShared: Bool
  /// It had a page of its own (anon_vma): a fork copies its entries.
  package var hadOwnPages = false

  package func objectPage(_ page: Int) -> Int { first + page - pages.lowerBound }
  /// Rights of an entry that is made for reading.
  package var isWritableAtOnce: Bool {
    isShared && rights.contains(.write) && object.isWritableAtOnce
  }
  func part(_ part: Range<Int>) -> ModelArea {
    var copy = self
    copy.pages = part
    copy.first = objectPage(part.lowerBound)
    return copy
  }
}

/// Pages of an address space that entries map, by kind (CI52).
package struct ModelCounters: Sendable, Hashable {
  package var file = 0
  package var own = 0
  package var shared = 0
}

/// One address space.
package struct ModelSpace: Sendable {
  /// In order of address.
  package var areas: [ModelArea] = []
  package var entries: [ModelEntry?]
  /// Leaves by level and first page; level 0 is never used.
  package var leaves: [[Int: ModelEntry]] = [[:], [:], [:]]
  /// Tables that hold entries of level 0, 1, 2, by the addresses that they are for.
  package var tables: [[Bool]]
  /// Tables kept for leaves.
  package var deposited = 0
  package var counters = ModelCounters()
  package var hasPinned = false

  init(_ configuration: MemoryConfiguration) {
    entries = Array(repeating: nil, count: configuration.spacePages)
    tables = (0...2).map { level in
      Array(
        repeating: false, count: configuration.spacePages / configuration.entryPages(level + 1))
    }
  }

  /// Tables, with the one of the top and those that are kept.
  package var tableCount: Int {
    1 + deposited + tables.reduce(0) { $0 + $1.count { $0 } }
  }

  package func areaIndex(at page: Int) -> Int? {
    areas.firstIndex { $0.pages.contains(page) }
  }
  package func isFree(_ pages: Range<Int>) -> Bool {
    !areas.contains { $0.pages.overlaps(pages) }
  }
}

/// References that somebody took and has not given back.
package struct ModelReference: Sendable, Hashable {
  package var pages: [ModelPage]
  package var isPin: Bool
}

/// All address spaces and objects.
package struct SpaceModel: Sendable {
  package let configuration: MemoryConfiguration
  package var spaces: [ModelSpace?]
  /// By folio.
  package var counts: [MemoryObject: [ModelCounts]] = [:]
  /// By page.
  package var words: [MemoryObject: [UInt]] = [:]
  package var ownPages: [Int: ModelOwnPage] = [:]
  package var references: [ModelReference] = []
  private var nextOwnPage = 0

  package init(_ configuration: MemoryConfiguration) {
    self.configuration = configuration
    spaces = Array(repeating: nil, count: MemoryConfiguration.spaces)
    for object in MemoryObject.mapped {
      let pages = configuration.pages(of: object)
      let idle = ModelCounts(references: configuration.idleReferences(object))
      counts[object] = Array(
        repeating: idle, count: pages >> configuration.folioOrder(object))
      words[object] = Array(repeating: 0, count: pages)
    }
  }

  // MARK: words and counters

  package func word(_ page: ModelPage) -> UInt {
    switch page {
    case .zero: 0
    case .object(let object, let number): words[object]![number]
    case .own(let number): ownPages[number]!.word
    }
  }

  mutating func setWord(_ page: ModelPage, _ value: UInt) {
    switch page {
    case .zero: preconditionFailure("a store to the zero page")
    case .object(let object, let number): words[object]![number] = value
    case .own(let number): ownPages[number]!.word = value
    }
  }

  /// A page that one entry maps.
  mutating func makeOwnPage(_ word: UInt) -> ModelPage {
    nextOwnPage += 1
    ownPages[nextOwnPage] = ModelOwnPage(word: word)
    return .own(nextOwnPage)
  }

  /// References, mappings and pins of the page's folio. Small folios count pins in R.
  mutating func count(
    _ page: ModelPage, references: Int = 0, mappings: Int = 0, pins: Int = 0
  ) {
    switch page {
    case .zero: break
    case .own(let number):
      ownPages[number]!.counts.references += references + 1024 * pins
      ownPages[number]!.counts.mappings += mappings
      if ownPages[number]!.counts.references == 0 { ownPages[number] = nil }
    case .object(let object, let number):
      let order = configuration.folioOrder(object)
      let folio = number >> order
      counts[object]![folio].references += references + (order > 0 ? 1 : 1024) * pins
      counts[object]![folio].mappings += mappings
      if order > 0 { counts[object]![folio].pins += pins }
    }
  }

  /// References on the zero page; pins do not count on it (12.4).
  package var zeroReferences: Int {
    references.reduce(0) { sum, reference in
      reference.isPin ? sum : sum + reference.pages.count { $0 == .zero }
    }
  }

  // MARK: entries

  /// Changes what one entry of a space stands for in the counters: +1 it comes, -1 it goes.
  mutating func countEntry(_ space: Int, _ page: ModelPage, _ sign: Int, pages: Int = 1) {
    switch page {
    case .zero: return
    case .own: spaces[space]!.counters.own += sign
    case .object(.memory, _): spaces[space]!.counters.shared += sign
    case .object(let object, _):
      guard configuration.isCounted(object) else { return }
      spaces[space]!.counters.file += sign * pages
    }
    count(page, references: sign, mappings: sign)
  }

  mutating func removeEntry(_ space: Int, _ page: Int) {
    guard let entry = spaces[space]!.entries[page] else { return }
    spaces[space]!.entries[page] = nil
    countEntry(space, entry.page, -1)
  }

  /// The level and first page of the leaf that maps the page.
  package func leaf(_ space: Int, _ page: Int) -> (level: Int, first: Int)? {
    for level in [2, 1] {
      let first = page & ~(configuration.entryPages(level) - 1)
      if spaces[space]!.leaves[level][first] != nil { return (level, first) }
    }
    return nil
  }

  /// What the page's entry or leaf leads to.
  package func mapped(_ space: Int, _ page: Int) -> ModelEntry? {
    if let entry = spaces[space]!.entries[page] { return entry }
    guard let (level, first) = leaf(space, page),
      let entry = spaces[space]!.leaves[level][first],
      case .object(let object, let number) = entry.page
    else { return nil }
    return ModelEntry(
      page: .object(object, number + page - first), isWritable: entry.isWritable)
  }

  mutating func insertLeaf(_ space: Int, _ level: Int, _ first: Int, _ entry: ModelEntry) {
    spaces[space]!.leaves[level][first] = entry
    countEntry(space, entry.page, 1, pages: configuration.entryPages(level))
    if level == 1 && configuration.deposits { spaces[space]!.deposited += 1 }
  }

  /// A leaf goes whole, also when only a part of it has to (10.2, 10.3).
  mutating func removeLeaf(_ space: Int, _ level: Int, _ first: Int) {
    guard let entry = spaces[space]!.leaves[level].removeValue(forKey: first) else { return }
    countEntry(space, entry.page, -1, pages: configuration.entryPages(level))
    if level == 1 && configuration.deposits { spaces[space]!.deposited -= 1 }
  }

  // MARK: tables

  func hasTable(_ space: Int, _ level: Int, _ page: Int) -> Bool {
    spaces[space]!.tables[level][page / configuration.entryPages(level + 1)]
  }

  /// Tables down to the one with the page's entry of the level.
  mutating func makeTables(_ space: Int, _ page: Int, _ level: Int) {
    for each in level...2 {
      spaces[space]!.tables[each][page / configuration.entryPages(each + 1)] = true
    }
  }

  /// Tables go with the last area that could use them.
  mutating func freeTables(_ space: Int) {
    for level in 0...2 {
      let pages = configuration.entryPages(level + 1)
      for number in spaces[space]!.tables[level].indices where spaces[space]!.tables[level][number]
      {
        if spaces[space]!.isFree((number * pages)..<((number + 1) * pages)) {
          spaces[space]!.tables[level][number] = false
        }
      }
    }
  }
}
