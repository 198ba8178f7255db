// SPDX-License-Identifier: MIT
//
// Random operations on address spaces: mostly where areas are, often at the borders of leaves and
// tables, seldom where nothing is or may be.

/// A stream of operations that the model that it is shown permits.
package struct MemoryGenerator: Sendable {
  private var random: SeededRandom

  private static let weights: [(kind: Kind, weight: Int)] = [
    (.load, 20), (.store, 36), (.map, 12), (.unmap, 3), (.protect, 6), (.discard, 3),
    (.remap, 8), (.fork, 4), (.end, 1), (.create, 3), (.zap, 3), (.grab, 14), (.walk, 14),
    (.tryGet, 2), (.release, 14), (.write, 4),
  ]
  private static let total = weights.reduce(0) { $0 + $1.weight }
  /// More than this is given back again.
  private static let manyAreas = 10
  private static let manyReferences = 24

  private enum Kind {
    case load, store, map, unmap, protect, discard, remap, fork, end, create, zap, grab, walk
    case tryGet, release, write
  }

  package init(seed: UInt64) { random = SeededRandom(seed: seed) }

  package mutating func next(for model: SpaceModel) -> MemoryOperation {
    while true {
      if let operation = propose(kind(), model), model.permits(operation) { return operation }
    }
  }

  private mutating func kind() -> Kind {
    var draw = random.number(in: 1...Self.total)
    for (kind, weight) in Self.weights {
      if draw <= weight { return kind }
      draw -= weight
    }
    preconditionFailure("a draw beyond the weights")
  }

  private mutating func propose(_ kind: Kind, _ model: SpaceModel) -> MemoryOperation? {
    let living = model.spaces.indices.filter { model.spaces[$0] != nil }
    let missing = model.spaces.indices.filter { model.spaces[$0] == nil }
    if living.isEmpty { return .create(space: 0) }
    let space = random.element(of: living)!
    switch kind {
    case .create: return random.element(of: missing).map { .create(space: $0) }
    case .fork: return random.element(of: missing).map { .fork(space: space, child: $0) }
    case .end: return living.count < 3 && !random.once(in: 5) ? nil : .end(space: space)
    case .map:
      // Where there is much, little comes.
      let isFull = model.spaces[space]!.areas.count >= Self.manyAreas
      return isFull && !random.once(in: 6) ? .unmap(range(space, model)) : map(space, model)
    case .unmap: return .unmap(range(space, model))
    case .protect: return .protect(range(space, model), rights())
    case .discard: return .discard(range(space, model))
    case .remap: return remap(space, model)
    case .load: return .load(space: space, page: page(space, model))
    case .store: return .store(space: space, page: page(space, model), value: value())
    case .zap: return zap(model)
    case .grab:
      if model.references.count >= Self.manyReferences { return .release(0) }
      return .grab(random.element(of: MemoryGrab.fast)!, mappedRange(space, model))
    case .walk:
      if model.references.count >= Self.manyReferences { return .release(0) }
      return .grab(random.element(of: MemoryGrab.slow)!, walkedRange(space, model))
    case .tryGet:
      let object = random.element(of: MemoryObject.mapped)!
      return .tryGet(object, page: number(below: model.configuration.pages(of: object)))
    case .release:
      return model.references.isEmpty ? nil : .release(number(below: model.references.count))
    case .write:
      return model.references.isEmpty
        ? nil : .write(number(below: model.references.count), value: value())
    }
  }

  // MARK: arguments

  private mutating func number(below limit: Int) -> Int { random.number(in: 0...(limit - 1)) }
  private mutating func value() -> UInt { UInt(random.number(in: 1...1_000_000)) }

  private mutating func rights() -> MemoryRights {
    switch random.number(in: 0...9) {
    case 0: []
    case 1: .read
    case 2: random.once(in: 2) ? .write : .execute
    case 3: [.read, .write, .execute]
    default: [.read, .write]
    }
  }

  /// Mostly in an area.
  private mutating func page(_ space: Int, _ model: SpaceModel) -> Int {
    guard !random.once(in: 25), let area = random.element(of: model.spaces[space]!.areas) else {
      return number(below: model.configuration.spacePages + 1)
    }
    return area.pages.lowerBound + number(below: area.pages.count)
  }

  /// Pages of an area, or around it, or somewhere.
  private mutating func range(_ space: Int, _ model: SpaceModel) -> MemoryRange {
    let limit = model.configuration.spacePages
    guard !random.once(in: 20), let area = random.element(of: model.spaces[space]!.areas) else {
      return MemoryRange(space, number(below: limit), random.number(in: 0...12))
    }
    let pages = area.pages
    switch random.number(in: 0...7) {
    case 0, 1: return MemoryRange(space, pages.lowerBound, pages.count)
    case 2:
      // Over its ends.
      let start = max(0, pages.lowerBound - number(below: 4))
      return MemoryRange(space, start, pages.upperBound - start + number(below: 6))
    case 3:
      // A leaf, as far as the area has it.
      let leaf = model.configuration.entryPages(1)
      let start = (pages.lowerBound + number(below: pages.count)) / leaf * leaf
      return MemoryRange(space, max(start, pages.lowerBound), leaf)
    default:
      let start = number(below: pages.count)
      return MemoryRange(
        space, pages.lowerBound + start, 1 + number(below: min(pages.count - start, 10)))
    }
  }

  /// Mostly one that begins where something is mapped.
  private mutating func mappedRange(_ space: Int, _ model: SpaceModel) -> MemoryRange {
    var range = range(space, model)
    guard !random.once(in: 4) else { return range }
    for _ in 0..<16
    where range.page >= model.configuration.spacePages
      || model.mapped(space, range.page) == nil
    {
      range.page = page(space, model)
    }
    return range
  }

  /// Mostly pages of areas; not so many that faults fill the RAM.
  private mutating func walkedRange(_ space: Int, _ model: SpaceModel) -> MemoryRange {
    var range = random.once(in: 3) ? mappedRange(space, model) : range(space, model)
    range.count = min(range.count, model.configuration.entryPages(2) + 2)
    return range
  }

  private mutating func map(_ space: Int, _ model: SpaceModel) -> MemoryOperation {
    let configuration = model.configuration
    let object = random.element(of: MemoryObject.allCases)!
    let leaf = configuration.entryPages(max(1, configuration.leafLevel(object)))
    var count = random.number(in: 1...12)
    var first = object == .own ? 0 : number(below: configuration.pages(of: object) + 1)
    // Not all of a large space: where pages meet is what matters.
    var start = number(below: min(configuration.spacePages, 8 * configuration.entryPages(2)))
    if configuration.leafLevel(object) > 0 && !random.once(in: 4) {
      count = leaf * random.number(in: 1...2) + (random.once(in: 3) ? number(below: leaf) : 0)
      first = first / leaf * leaf
      start = start / leaf * leaf
    }
    if random.once(in: 40) { count = random.number(in: 0...(configuration.spacePages + 1)) }
    let placements: [MemoryPlacement] = [.fixed, .fixed, .fixed, .noReplace, .near, .anywhere]
    return .map(
      MemoryRequest(
        range: MemoryRange(space, start, count), object: object, first: first,
        rights: random.once(in: 3) ? rights() : [.read, .write],
        isShared: object == .own ? random.once(in: 30) : random.once(in: 2),
        placement: random.element(of: placements)!))
  }

  private mutating func remap(_ space: Int, _ model: SpaceModel) -> MemoryOperation {
    let range = range(space, model)
    let limit = model.configuration.spacePages
    let pages =
      switch random.number(in: 0...3) {
      case 0: max(1, range.count - number(below: 4))
      case 1: range.count + random.number(in: 1...8)
      default: range.count
      }
    let target: Int? =
      switch random.number(in: 0...4) {
      case 0: nil
      // In the same table, or near it.
      case 1: min(limit, range.page + random.number(in: 1...20))
      case 2: max(0, range.page - random.number(in: 1...20))
      // The same place in another leaf.
      case 3:
        (range.page + model.configuration.entryPages(2) * random.number(in: 1...3)) % limit
      default: page(space, model)
      }
    return .remap(range, pages: pages, target: target)
  }

  private mutating func zap(_ model: SpaceModel) -> MemoryOperation {
    let object = random.element(of: MemoryObject.mapped)!
    let pages = model.configuration.pages(of: object)
    return .zap(
      object, first: number(below: pages),
      count: random.once(in: 4) ? number(below: pages + 2) : random.number(in: 1...3),
      copies: random.once(in: 2))
  }
}
