// SPDX-License-Identifier: MIT

// From any failing execution to the one that a person wants to see: fewest preemptions, then fewest
// steps, of the same violation.

/// What a failing execution costs a reader.
private struct Cost: Comparable {
  let preemptions: Int
  let steps: Int

  init(_ trace: Trace) {
    preemptions = trace.preemptions
    steps = trace.steps.count
  }

  static func < (a: Cost, b: Cost) -> Bool {
    (a.preemptions, a.steps) < (b.preemptions, b.steps)
  }
}

extension LabWorld {
  /// A smaller execution with the same violation.
  ///
  /// First schedules with 0, 1, 2, ... preemptions are searched, each bound for a share of the time:
  /// the first that fails has the fewest. What that does not find, moving and dropping turns of the
  /// given execution does.
  ///
  /// - Parameter seconds: about how long it may take.
  public func shrink(_ finding: Finding, seconds: Double = 1) -> Finding {
    var best = finding
    let limit = Deadline(seconds)
    for bound in 0..<min(best.trace.preemptions, 4) {
      let result = explore(
        .schedules(preemptions: bound), model: finding.trace.model,
        seconds: min(limit.left, seconds / 4)
      ) { _ in !limit.isOver }
      if let found = result.finding, found.invariant == finding.invariant {
        best = found
        break
      }
      if limit.isOver { break }
    }
    while !limit.isOver, let better = smaller(than: best, limit) { best = better }
    return best
  }

  /// The first variation that fails in the same way and costs less.
  private func smaller(than finding: Finding, _ limit: Deadline) -> Finding? {
    let cost = Cost(finding.trace)
    for choices in Self.variations(of: finding.trace.choices) {
      if limit.isOver { return nil }
      guard let found = replay(choices, model: finding.trace.model).finding,
        found.invariant == finding.invariant,
        Cost(found.trace) < cost
      else { continue }
      return found
    }
    return nil
  }

  /// The schedule with one turn dropped, with two turns of one thread joined, with one turn shortened
  /// or given to the thread that ran before.
  private static func variations(of choices: [UInt8]) -> [[UInt8]] {
    var turns: [(thread: UInt8, count: Int)] = []
    for choice in choices {
      if turns.last?.thread == choice {
        turns[turns.count - 1].count += 1
      } else {
        turns.append((choice, 1))
      }
    }
    func flat(_ turns: [(thread: UInt8, count: Int)]) -> [UInt8] {
      turns.flatMap { Array(repeating: $0.thread, count: $0.count) }
    }
    var variations: [[UInt8]] = []
    for index in turns.indices {
      var dropped = turns
      dropped.remove(at: index)
      variations.append(flat(dropped))
      // The thread's next turn moves up to this one, or this one down to the next.
      if let next = turns[(index + 1)...].firstIndex(where: { $0.thread == turns[index].thread }) {
        var up = turns
        up[index].count += up[next].count
        up.remove(at: next)
        variations.append(flat(up))
        var down = turns
        down[next].count += down[index].count
        down.remove(at: index)
        variations.append(flat(down))
      }
      if index > 0 {
        var swapped = turns
        swapped.swapAt(index - 1, index)
        variations.append(flat(swapped))
      }
      if turns[index].count > 1 {
        var shorter = turns
        shorter[index].count -= 1
        variations.append(flat(shorter))
      }
    }
    return variations
  }
}
