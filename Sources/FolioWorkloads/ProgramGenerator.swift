// SPDX-License-Identifier: MIT
//
// Makes legal operations out of a seed and the model's state. Proposals look at the state, so that
// most of them are legal; what DeviceModel.permits() refuses is proposed again. How each group
// proposes is in ProgramGenerator+Proposals.swift.

/// How often each group of operations is tried, relative to the others.
package struct OperationMix: Sendable, Hashable {
  /// Groups of operations that are proposed alike.
  package enum Group: String, Sendable, Hashable, CaseIterable {
    case raise, speculate, lower, freeze, assign, batch, query, shape, store, map, unmap
    case anonymous, device
  }

  /// By group; a group that is missing is never tried.
  package var weights: [Group: Int]

  package init(_ weights: [Group: Int]) { self.weights = weights }

  /// Everything, counts most of all.
  package static let balanced = OperationMix([
    .raise: 16, .speculate: 10, .lower: 22, .freeze: 4, .assign: 2, .batch: 4, .query: 8,
    .shape: 4, .store: 3, .map: 14, .unmap: 10, .anonymous: 8, .device: 8,
  ])

  /// Mappings of large folios by many mms.
  package static let mappings = OperationMix([
    .raise: 14, .speculate: 4, .lower: 6, .freeze: 1, .assign: 1, .batch: 2, .query: 4, .shape: 4,
    .store: 1, .map: 40, .unmap: 24, .anonymous: 4, .device: 4,
  ])

  /// Anonymous pages that a driver handed out.
  package static let anonymousPages = OperationMix([
    .raise: 4, .lower: 5, .query: 6, .unmap: 4, .anonymous: 50, .device: 16,
  ])

  /// Folios formed and dissolved.
  package static let shapes = OperationMix([
    .raise: 10, .speculate: 8, .lower: 30, .freeze: 2, .assign: 1, .batch: 4, .query: 4,
    .shape: 30, .store: 2, .map: 8, .unmap: 20, .anonymous: 1, .device: 4,
  ])
}

/// A stream of operations that are legal for the model that it is shown.
package struct ProgramGenerator: Sendable {
  var random: SeededRandom
  private let groups: [(group: OperationMix.Group, upTo: Int)]
  /// Pages that most operations pick; changes now and then.
  private var hotPages: [Int] = []
  private var untilNewHotPages = 0

  private static let hotPageCount = 6
  private static let hotPhase = 150
  private static let attempts = 24

  package init(seed: UInt64, mix: OperationMix = .balanced) {
    random = SeededRandom(seed: seed)
    var total = 0
    var groups: [(group: OperationMix.Group, upTo: Int)] = []
    // In the order of declaration: a dictionary's own order differs from run to run.
    for group in OperationMix.Group.allCases {
      guard let weight = mix.weights[group], weight > 0 else { continue }
      total += weight
      groups.append((group, total))
    }
    precondition(total > 0, "an operation mix needs a weight")
    self.groups = groups
  }

  /// The next operation. Always one that the model permits.
  package mutating func next(for model: DeviceModel) -> Operation {
    if untilNewHotPages == 0 {
      hotPages = (0..<Self.hotPageCount).map { _ in
        random.number(in: 0...model.pages.count - 1)
      }
      untilNewHotPages = Self.hotPhase
    }
    untilNewHotPages -= 1
    for _ in 0..<Self.attempts {
      let draw = random.number(in: 1...groups[groups.count - 1].upTo)
      guard let group = groups.first(where: { draw <= $0.upTo })?.group,
        let operation = propose(group, model), model.permits(operation)
      else { continue }
      return operation
    }
    // A question about any page is always legal.
    return .query(.pageRefCount, page: random.number(in: 0...model.pages.count - 1))
  }

  /// A page: mostly a hot one, and mostly the head of its folio.
  mutating func page(_ model: DeviceModel) -> Int {
    let page =
      random.once(in: 5)
      ? random.number(in: 0...model.pages.count - 1)
      : random.element(of: hotPages)!
    return random.once(in: 4) ? page : model.head(of: page)
  }

  mutating func head(_ model: DeviceModel) -> Int {
    model.head(of: page(model))
  }

  /// A page with a property: a few draws, then the first from a random place on, not too far.
  mutating func page(
    _ model: DeviceModel, where isSuitable: (Int) -> Bool
  ) -> Int? {
    for _ in 0..<8 {
      let page = page(model)
      if isSuitable(page) { return page }
    }
    let count = model.pages.count
    let start = random.number(in: 0...count - 1)
    for step in 0..<min(count, 2048) {
      let page = (start + step) % count
      if isSuitable(page) { return page }
    }
    return nil
  }

  /// A count that a caller would use: small, seldom enough for a pin.
  mutating func smallCount() -> Int {
    if random.once(in: 20) { return random.number(in: 1000...1100) }
    return random.once(in: 3) ? random.number(in: 2...9) : 1
  }

  /// Some of what can be given back: one, all, or between.
  mutating func part(of owned: Int) -> Int {
    guard owned > 1 else { return 1 }
    return switch random.number(in: 0...3) {
    case 0: owned
    case 1: random.number(in: 1...owned)
    default: 1
    }
  }
}
