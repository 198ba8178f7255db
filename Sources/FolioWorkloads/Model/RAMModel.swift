// SPDX-License-Identifier: MIT
//
// The sequential model of one block of system RAM: allocated as a folio or as single pages, split
// by split_page or under freeze, given back (core.md 7.2, rows 43-45). Device pages are in
// DeviceModel. A page that went back to the allocator is nobody's and is not looked at again.

/// Operations on a block; pages are indices into it.
package enum RAMOperation: Sendable, Hashable, CustomStringConvertible {
  case get(page: Int, count: Int)
  case put(page: Int, count: Int)
  case lock(page: Int)
  case unlock(page: Int)
  /// Sets the dirty flag, which a split hands down.
  case dirty(page: Int)
  /// Stores mapping and index of a head.
  case associate(page: Int, mapping: UInt, index: UInt)
  case splitPage
  case folioSplit(page: Int, order: Int, extra: Int)

  package var description: String {
    switch self {
    case .get(let page, let count): "folio_ref_add \(page) \(count)"
    case .put(let page, let count): "folio_put_refs \(page) \(count)"
    case .lock(let page): "folio_trylock \(page)"
    case .unlock(let page): "folio_unlock \(page)"
    case .dirty(let page): "set_dirty \(page)"
    case .associate(let page, let mapping, let index): "associate \(page) \(mapping) \(index)"
    case .splitPage: "split_page"
    case .folioSplit(let page, let order, let extra): "folio_split \(page) \(order) \(extra)"
    }
  }
}

/// The words of a RAM page that the spec determines.
package struct RAMPageWords: Sendable, Hashable {
  package var refcount = 0
  package var mapcount = -1
  /// Order of the folio that begins here; 0 for tails.
  package var order = 0
  package var isHead = false
  package var isLocked = false
  package var isDirty = false
  /// The head's index; nil for a head or small page.
  package var head: Int?
  /// nil where the head's counters overlay it, or on a tail (index and private).
  package var mapping: MappingWord? = MappingWord.none
  package var index: UInt? = 0
  package var memoryControlGroup: UInt? = 0
  package init() {}
}

/// A block as a value.
package struct RAMModel: Sendable, Hashable {
  package private(set) var pages: [RAMPageWords]
  /// Pages that went back to the allocator.
  package private(set) var isFree: [Bool]
  private let blockOrder: Int
  private let isCompound: Bool
  private var wasSplit = false
  private static let againError = -11

  /// A block as the allocator hands it out: R == 1 on the first page.
  package init(order: Int, isCompound: Bool) {
    blockOrder = order
    self.isCompound = isCompound && order > 0
    pages = Array(repeating: RAMPageWords(), count: 1 << order)
    isFree = Array(repeating: false, count: 1 << order)
    pages[0].refcount = 1
    if self.isCompound { form(0, order) }
  }

  /// Pages of the folio that begins at a head or small page.
  private func range(_ head: Int) -> Range<Int> {
    head..<head + (1 << pages[head].order)
  }

  private mutating func form(_ head: Int, _ order: Int) {
    pages[head].isHead = true
    pages[head].order = order
    for page in head + 1..<head + (1 << order) {
      pages[page].head = head
      pages[page].mapping = page == head + 1 || (page == head + 2 && order > 1) ? nil : .tail
      pages[page].index = nil
    }
    // Its low flag bits are the order, its last word the page count.
    pages[head + 1].isLocked = false
    pages[head + 1].isDirty = false
    pages[head + 1].memoryControlGroup = nil
  }

  package func permits(_ operation: RAMOperation) -> Bool {
    func isOwned(_ page: Int) -> Bool {
      pages.indices.contains(page) && pages[page].head == nil && pages[page].refcount > 0
    }
    switch operation {
    case .get(let page, let count):
      return isOwned(page) && count >= 1 && pages[page].refcount + count < 1 << 20
    case .put(let page, let count):
      // Before split_page the later pages of a plain block belong to the first.
      return isOwned(page) && count >= 1 && count <= pages[page].refcount
        && (count < pages[page].refcount || (!pages[page].isLocked && ownsItself))
    case .lock(let page): return isOwned(page) && !pages[page].isLocked
    case .unlock(let page): return isOwned(page) && pages[page].isLocked
    case .dirty(let page): return isOwned(page)
    case .associate(let page, let mapping, _): return isOwned(page) && mapping & 1 == 0
    case .splitPage: return !isCompound && blockOrder > 0 && !wasSplit && pages[0].refcount == 1
    case .folioSplit(let page, let order, let extra):
      return isOwned(page) && pages[page].isLocked && extra >= 0
        && (order == 0 || order >= 2) && order < pages[page].order
        && extra & ((1 << (pages[page].order - order)) - 1) == 0
    }
  }

  private var ownsItself: Bool { isCompound || wasSplit || blockOrder == 0 }

  package mutating func perform(_ operation: RAMOperation) -> Outcome {
    switch operation {
    case .get(let page, let count):
      pages[page].refcount += count
    case .put(let page, let count):
      pages[page].refcount -= count
      if pages[page].refcount == 0 {
        for freed in range(page) { isFree[freed] = true }
      }
    case .lock(let page):
      pages[page].isLocked = true
    case .unlock(let page):
      pages[page].isLocked = false
    case .dirty(let page):
      pages[page].isDirty = true
    case .associate(let page, let mapping, let index):
      pages[page].mapping = mapping == 0 ? MappingWord.none : .value(mapping)
      pages[page].index = index
    case .splitPage:
      wasSplit = true
      for page in pages.indices.dropFirst() { pages[page].refcount = 1 }
    case .folioSplit(let page, let order, let extra):
      return .number(split(page, order, extra))
    }
    return .none
  }

  /// Freezes at 1 + extra; every new folio is unfrozen with its share of extra and one more, and
  /// takes flags, mapping and its own index from the original.
  private mutating func split(_ head: Int, _ order: Int, _ extra: Int) -> Int {
    guard pages[head].refcount == 1 + extra else { return Self.againError }
    let original = pages[head]
    let range = range(head)
    let references = 1 + (extra >> (original.order - order))
    for start in stride(from: head, to: range.upperBound, by: 1 << order) {
      for page in start..<start + (1 << order) {
        pages[page] = RAMPageWords()
      }
      pages[start].isDirty = original.isDirty
      pages[start].mapping = original.mapping
      pages[start].index = (original.index ?? 0) + UInt(start - head)
      pages[start].refcount = references
      if order > 0 { form(start, order) }
    }
    pages[head].isLocked = original.isLocked
    return 0
  }

  /// A legal operation.
  package func propose(_ random: inout SeededRandom) -> RAMOperation? {
    let owned = pages.indices.filter { pages[$0].head == nil && pages[$0].refcount > 0 }
    guard let page = random.element(of: owned) else { return nil }
    while true {
      let operation: RAMOperation
      switch random.number(in: 0...11) {
      case 0, 1: operation = .get(page: page, count: random.number(in: 1...4))
      case 2, 3: operation = .put(page: page, count: random.number(in: 1...pages[page].refcount))
      case 4, 5: operation = .lock(page: page)
      case 6: operation = .unlock(page: page)
      case 7: operation = .dirty(page: page)
      case 8:
        operation = .associate(
          page: page, mapping: UInt(random.number(in: 0...99)) * 2,
          index: UInt(random.number(in: 0...1000)))
      case 9: operation = .splitPage
      default:
        // Mostly what the count really is, so that the freeze succeeds.
        operation = .folioSplit(
          page: page, order: random.number(in: 0...max(0, pages[page].order - 1)),
          extra: random.once(in: 4) ? 0 : pages[page].refcount - 1)
      }
      if permits(operation) { return operation }
    }
  }

  /// Gives back what is left.
  package func unwinding() -> [RAMOperation] {
    var model = self
    var program: [RAMOperation] = []
    func step(_ operation: RAMOperation) {
      _ = model.perform(operation)
      program.append(operation)
    }
    if !ownsItself {
      if pages[0].refcount > 1 { step(.put(page: 0, count: pages[0].refcount - 1)) }
      step(.splitPage)
    }
    for page in pages.indices where model.pages[page].head == nil && !model.isFree[page] {
      if model.pages[page].isLocked { step(.unlock(page: page)) }
      step(.put(page: page, count: model.pages[page].refcount))
    }
    return program
  }
}
