// SPDX-License-Identifier: MIT
//
// Makes a failing program small: delta debugging over its operations, then simpler arguments, until
// nothing can go. Works because every subsequence of a program is a program (illegal operations
// are skipped when it runs).

/// Minimises a program for which `fails` holds.
package struct Shrinker<Step: ProgramStep> {
  private let fails: ([Step]) -> Bool
  private var budget: Int
  private let deadline: ContinuousClock.Instant
  /// Programs of at most so many operations have pairs of them simplified together.
  private static var pairLimit: Int { 10 }
  /// Programs that were tried.
  package private(set) var attempts = 0

  /// - Parameters:
  ///   - budget: programs to try at most.
  ///   - limit: time to spend at most; the best program so far is the result.
  ///   - fails: whether a program still fails; must be deterministic.
  package init(
    budget: Int = 5000, limit: Duration = .seconds(4), fails: @escaping ([Step]) -> Bool
  ) {
    self.budget = budget
    deadline = ContinuousClock.now + limit
    self.fails = fails
  }

  /// The smallest failing program found. The argument must fail.
  package mutating func minimise(_ program: [Step]) -> [Step] {
    var best = program
    while true {
      let before = best
      best = removeChunks(best)
      best = simplifyArguments(best)
      best = relabelPages(best)
      if best.count <= Self.pairLimit { best = simplifyPairs(best) }
      if best == before || budget == 0 { return best }
    }
  }

  private mutating func stillFails(_ candidate: [Step]) -> Bool {
    guard budget > 0 else { return false }
    budget = ContinuousClock.now < deadline ? budget - 1 : 0
    attempts += 1
    return fails(candidate)
  }

  /// Halves, quarters ... single operations, from the end, as long as something can go.
  private mutating func removeChunks(_ program: [Step]) -> [Step] {
    var best = program
    var size = max(1, best.count / 2)
    while true {
      var removed = false
      var end = best.count
      while end > 0 && budget > 0 {
        let start = max(0, end - size)
        var candidate = best
        candidate.removeSubrange(start..<end)
        if stillFails(candidate) {
          best = candidate
          removed = true
        }
        end = min(start, best.count)
      }
      if size > 1 {
        size /= 2
      } else if !removed || budget == 0 {
        return best
      }
    }
  }

  private mutating func simplifyArguments(_ program: [Step]) -> [Step] {
    var best = program
    for index in best.indices {
      var changed = true
      while changed && budget > 0 {
        changed = false
        for simpler in best[index].simplifications {
          var candidate = best
          candidate[index] = simpler
          if stillFails(candidate) {
            best = candidate
            changed = true
            break
          }
        }
      }
    }
    return best
  }

  /// Moves everything that happens on one page to a lower one, all at once.
  private mutating func relabelPages(_ program: [Step]) -> [Step] {
    var best = program
    for page in Set(program.flatMap(\.namedPages)).sorted() {
      for lower in 0..<min(page, 8) {
        let candidate = best.map { $0.relabelled { $0 == page ? lower : $0 } }
        if stillFails(candidate) {
          best = candidate
          break
        }
      }
    }
    return best
  }

  /// What one operation adds another takes away: both removed, or both made smaller.
  private mutating func simplifyPairs(_ program: [Step]) -> [Step] {
    func variants(_ operation: Step) -> [Step?] { [nil] + operation.simplifications }
    for first in program.indices {
      for second in program.indices where second > first {
        for left in variants(program[first]) {
          for right in variants(program[second]) {
            var candidate: [Step?] = program
            candidate[first] = left
            candidate[second] = right
            let rest = candidate.compactMap { $0 }
            if stillFails(rest) { return rest }
          }
        }
      }
    }
    return program
  }
}

extension Operation: ProgramStep {
  /// Pages that the operation names.
  package var namedPages: [Int] {
    switch self {
    case .reference(_, let page, _), .addUnless(let page, _, _), .query(_, let page),
      .shape(_, let page, _), .word(_, let page, _), .mapping(_, let page, _, _),
      .device(_, let page):
      [page]
    case .batch(_, let entries):
      entries.map(\.page)
    }
  }

  /// The same operation on other pages.
  package func relabelled(_ label: (Int) -> Int) -> Operation {
    switch self {
    case .reference(let code, let page, let count):
      .reference(code, page: label(page), count: count)
    case .addUnless(let page, let count, let unless):
      .addUnless(page: label(page), count: count, unless: unless)
    case .batch(let code, let entries):
      .batch(code, entries.map { BatchEntry(page: label($0.page), count: $0.count) })
    case .query(let code, let page):
      .query(code, page: label(page))
    case .shape(let code, let page, let argument):
      .shape(code, page: label(page), argument: argument)
    case .word(let code, let page, let value):
      .word(code, page: label(page), value: value)
    case .mapping(let code, let page, let count, let mm):
      .mapping(code, page: label(page), count: count, mm: mm)
    case .device(let code, let page):
      .device(code, page: label(page))
    }
  }

  /// The same operation with one argument made smaller, simplest first.
  package var simplifications: [Operation] {
    switch self {
    case .reference(let code, let page, let count):
      smaller(page, 0).map { .reference(code, page: $0, count: count) }
        + smaller(count, 1).map { .reference(code, page: page, count: $0) }
    case .addUnless(let page, let count, let unless):
      smaller(page, 0).map { .addUnless(page: $0, count: count, unless: unless) }
        + smaller(count, 1).map { .addUnless(page: page, count: $0, unless: unless) }
        + smaller(unless, 0).map { .addUnless(page: page, count: count, unless: $0) }
    case .batch(let code, let entries):
      entries.indices.flatMap { index in
        var shorter = entries
        shorter.remove(at: index)
        let entry = entries[index]
        func with(_ changed: BatchEntry) -> Operation {
          var copy = entries
          copy[index] = changed
          return .batch(code, copy)
        }
        return [.batch(code, shorter)]
          + smaller(entry.page, 0).map { with(BatchEntry(page: $0, count: entry.count)) }
          + smaller(entry.count, 1).map { with(BatchEntry(page: entry.page, count: $0)) }
      }
    case .query(let code, let page):
      smaller(page, 0).map { .query(code, page: $0) }
    case .shape(let code, let page, let argument):
      smaller(page, 0).map { .shape(code, page: $0, argument: argument) }
        + smaller(argument, 0).map { .shape(code, page: page, argument: $0) }
    case .word(let code, let page, let value):
      smaller(page, 0).map { .word(code, page: $0, value: value) }
        + smaller(Int(value), 0).map { .word(code, page: page, value: UInt($0)) }
    case .mapping(let code, let page, let count, let mm):
      smaller(page, 0).map { .mapping(code, page: $0, count: count, mm: mm) }
        + smaller(count, 1).map { .mapping(code, page: page, count: $0, mm: mm) }
        + smaller(Int(mm), 1).map { .mapping(code, page: page, count: count, mm: UInt32($0)) }
    case .device(let code, let page):
      smaller(page, 0).map { .device(code, page: $0) }
    }
  }
}

extension ProgramStep {
  /// Least, half way to it, one less; none when the value is at the least already.
  func smaller(_ value: Int, _ least: Int) -> [Int] {
    guard value > least else { return [] }
    let half = least + (value - least) / 2
    var candidates = [least]
    for candidate in [half, value - 1] where !candidates.contains(candidate) {
      candidates.append(candidate)
    }
    return candidates
  }
}
