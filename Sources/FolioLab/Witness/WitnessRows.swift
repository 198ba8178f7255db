// SPDX-License-Identifier: MIT

// Which steps of an execution are shown, and which are folded into a line.

/// One line of a table or picture.
enum WitnessRow: Hashable {
  case step(Int)
  /// Consecutive steps, by index.
  case folded(Range<Int>)

  /// Steps outside of the failure's past are folded. When more than `limit` rows are left, so are
  /// steps that do not matter, then the earliest.
  static func rows(_ causality: Causality, limit: Int) -> [WitnessRow] {
    var shown = causality.past
    var rows = fold(shown)
    guard rows.count > limit else { return rows }
    shown = zip(causality.past, causality.matters).map { $0 && $1 }
    rows = fold(shown)
    guard rows.count > limit else { return rows }
    let kept = rows.suffix(max(limit - 1, 1))
    let end =
      switch kept.first! {
      case .step(let step): step
      case .folded(let range): range.upperBound
      }
    if case .folded = kept.first! { return [.folded(0..<end)] + kept.dropFirst() }
    return [.folded(0..<end)] + kept
  }

  private static func fold(_ shown: [Bool]) -> [WitnessRow] {
    var rows: [WitnessRow] = []
    for (index, isShown) in shown.enumerated() {
      if isShown {
        rows.append(.step(index))
      } else if case .folded(let range)? = rows.last {
        rows[rows.count - 1] = .folded(range.lowerBound..<index + 1)
      } else {
        rows.append(.folded(index..<index + 1))
      }
    }
    return rows
  }
}

extension Witness {
  /// "… 3 steps of pinner 2"
  func description(ofFolded range: Range<Int>) -> String {
    var names: [String] = []
    for index in range where !names.contains(name(steps[index].thread)) {
      names.append(name(steps[index].thread))
    }
    let whose = names.count > 3 ? "\(names.count) threads" : names.joined(separator: ", ")
    return "… \(count(range.count, "step")) of \(whose)"
  }
}
