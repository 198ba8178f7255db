// SPDX-License-Identifier: MIT

// What happened to one word in an execution, as the right side of the diagram shows it.

/// The values of a word over an execution.
struct WordTrack {
  /// What a reference count says of its object.
  enum Life: Hashable {
    case live
    /// 0 because somebody wants nobody to get a reference.
    case frozen
    /// 0 because the last reference went.
    case freed
  }

  struct Change {
    let step: Int
    let value: Int64
    let life: Life?
  }

  let object: Int
  let name: String
  let first: Int64
  /// Of reference counts only.
  let firstLife: Life?
  let changes: [Change]
  let reads: [Int]
  /// For the choice of words that have a column.
  let weight: Int

  var isReferenceCount: Bool { firstLife != nil }

  init?(_ object: Int, _ witness: Witness, _ names: WordNames, _ causality: Causality) {
    let touches = witness.steps.indices.filter {
      witness.steps[$0].object == object && witness.steps[$0].touchesWord
    }
    guard let start = touches.first else { return nil }
    self.object = object
    name = names[object]
    first = witness.steps[start].before
    let counts = name.contains("_refcount")
    firstLife = counts ? (first > 0 ? .live : .freed) : nil
    changes = touches.filter { witness.steps[$0].writes }.map { index in
      let step = witness.steps[index]
      return Change(step: index, value: step.after, life: counts ? Self.life(behind: step) : nil)
    }
    reads = touches.filter { !witness.steps[$0].writes }
    let mattering = touches.count { causality.matters[$0] }
    let telling = changes.contains { causality.past[$0.step] }
    weight = telling ? (counts ? 1000 : 0) + 10 * mattering + touches.count : 0
  }

  private static func life(behind step: TraceStep) -> Life {
    if step.after > 0 { return .live }
    let freezes =
      step.kind == .exchange || step.function.contains("freeze") || step.text.contains("freeze")
    return step.after == 0 && freezes ? .frozen : .freed
  }

  /// The words that a picture has room for: those that changed, the most telling first, in the order
  /// in which the execution came to them.
  static func tracks(
    _ witness: Witness, _ names: WordNames, _ causality: Causality, limit: Int
  ) -> [WordTrack] {
    let objects = Set(witness.steps.compactMap(\.object)).sorted()
    return objects.compactMap { WordTrack($0, witness, names, causality) }
      .filter { $0.weight > 0 }
      .sorted { ($1.weight, $0.object) < ($0.weight, $1.object) }
      .prefix(limit)
      .sorted {
        ($0.isReferenceCount ? 0 : 1, $0.object) < ($1.isReferenceCount ? 0 : 1, $1.object)
      }
  }
}
