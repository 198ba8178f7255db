// SPDX-License-Identifier: MIT

// A visit to the museum: each mutant is switched on, searched for, shrunk, and judged.

public import FolioWorkloads

/// What became of one mutant.
public struct MuseumResult: Sendable {
  public var mutant: Mutant
  /// The finding, when it was caught: smallest form.
  public var finding: Finding?
  public var scenario: String
  /// Which search caught it.
  public var by: Search?
  public var executions: Int
  public var seconds: Double
  /// Of the smallest form.
  public var preemptions: Int?
  public var shrinkSeconds: Double
  public var token: String?

  public var isCaught: Bool { finding != nil }
}

public enum Museum {
  /// Searches for one mutant in its scenarios, one after the other.
  ///
  /// - Parameter seconds: for all scenarios together, without shrinking.
  public static func visit(
    _ mutant: Mutant, seed: UInt64 = 1, seconds: Double = 60
  ) throws(LabError) -> MuseumResult {
    guard Mutant.switch(mutant) else { throw .notBuiltIn }
    defer { _ = Mutant.switch(nil) }
    let limit = Deadline(seconds)
    var result = MuseumResult(
      mutant: mutant, scenario: mutant.scenarios.first ?? "", executions: 0, seconds: 0,
      shrinkSeconds: 0)
    for name in mutant.scenarios {
      guard let scenario = Scenario.named(name) else {
        throw .settings("mutant \(mutant.id) names a scenario \(name) that there is not")
      }
      for rules in scenario.rules {
        let world = try LabWorld(scenario, rules: rules)
        let found = world.portfolio(
          model: mutant.model, seed: seed, seconds: limit.left)
        result.executions += found.executions
        result.seconds += found.seconds
        guard let finding = found.result.finding, mutant.expected.contains(finding.invariant)
        else { continue }
        let clock = ContinuousClock()
        let begin = clock.now
        let small = world.shrink(finding)
        result.shrinkSeconds = (clock.now - begin) / .seconds(1)
        result.finding = small
        result.scenario = name
        result.by = found.by
        result.preemptions = small.trace.preemptions
        result.token = world.token(of: small.trace, mutant: mutant.id).description
        return result
      }
    }
    return result
  }
}
