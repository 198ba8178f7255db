// SPDX-License-Identifier: MIT

// A visit to the museum: each mutant is switched on, searched for, shrunk, and judged.

package import FolioCore
package import FolioWorkloads

/// What became of one mutant.
package struct MuseumResult: Sendable {
  package var mutant: Mutant
  /// The finding, when it was caught: smallest form.
  package var finding: Finding?
  package var scenario: String
  package var rules: PageMap.Rules
  /// Which search caught it.
  package var by: Search?
  package var executions: Int
  package var seconds: Double
  package var shrinkSeconds: Double
  /// The smallest form, to be shown.
  package var witness: Witness?
  /// Its token leads to the same violation again.
  package var replays = false

  package var isCaught: Bool { finding != nil }
  package var preemptions: Int? { finding?.trace.preemptions }
  package var token: String? { witness?.token }
}

package enum Museum {
  /// Searches for one mutant in its scenarios, one after the other.
  ///
  /// - Parameters:
  ///   - search: nil: the portfolio.
  ///   - seconds: for all scenarios together, without shrinking.
  ///   - progress: false ends the visit.
  package static func visit(
    _ mutant: Mutant, search: Search? = nil, seed: UInt64 = 1, seconds: Double = 60,
    progress: (ExplorationStatistics) -> Bool = { _ in true }
  ) throws(LabError) -> MuseumResult {
    guard Mutant.switch(mutant) else { throw .notBuiltIn }
    defer { _ = Mutant.switch(nil) }
    let limit = Deadline(seconds)
    var result = MuseumResult(
      mutant: mutant, scenario: mutant.scenarios.first ?? "", rules: .strict, executions: 0,
      seconds: 0, shrinkSeconds: 0)
    for name in mutant.scenarios {
      guard let scenario = Scenario.named(name) else {
        throw .settings("mutant \(mutant.id) names a scenario \(name) that there is not")
      }
      for rules in scenario.rules {
        let world = try LabWorld(scenario, rules: rules)
        let found = try world.found(
          by: search, model: mutant.model, seed: seed, seconds: limit.left, progress: progress)
        result.executions += found.executions
        result.seconds += found.seconds
        guard let finding = found.result.finding, mutant.expected.contains(finding.invariant)
        else { continue }
        (result.scenario, result.rules, result.by) = (name, rules, found.by)
        world.judge(finding, &result)
        return result
      }
    }
    return result
  }

  /// How likely each walk is to catch what a visit caught, and the bug's depth.
  ///
  /// - Parameters:
  ///   - executions: of each walk, at most.
  ///   - seconds: for each walk, at most.
  package static func odds(
    of result: MuseumResult, executions: Int = 5_000, seconds: Double = 0.1, seed: UInt64 = 1
  ) throws(LabError) -> DepthReport {
    guard Mutant.switch(result.mutant) else { throw .notBuiltIn }
    defer { _ = Mutant.switch(nil) }
    guard let scenario = Scenario.named(result.scenario) else {
      throw .settings("there is no scenario \(result.scenario)")
    }
    return try LabWorld(scenario, rules: result.rules).depth(
      of: Set(result.mutant.expected), model: result.mutant.model, executions: executions,
      seconds: seconds, seed: seed)
  }
}

extension LabWorld {
  /// By one search, or by all in turn.
  fileprivate func found(
    by search: Search?, model: MemoryModel, seed: UInt64, seconds: Double,
    progress: (ExplorationStatistics) -> Bool
  ) throws(LabError) -> PortfolioResult {
    guard let search else {
      return portfolio(model: model, seed: seed, seconds: seconds, progress: progress)
    }
    if let refusal = refusal(search, model: model) { throw refusal }
    let result = explore(
      search, model: model, seed: seed, seconds: seconds, progress: progress)
    return PortfolioResult(
      result: result, by: search, executions: result.statistics.executions,
      seconds: result.statistics.seconds)
  }

  /// Shrinks the finding, and looks whether its token leads there again.
  fileprivate func judge(_ finding: Finding, _ result: inout MuseumResult) {
    let clock = ContinuousClock()
    let begin = clock.now
    let small = shrink(finding)
    result.shrinkSeconds = (clock.now - begin) / .seconds(1)
    result.finding = small
    let token = token(of: small.trace, mutant: result.mutant.id)
    result.replays = replay(token).finding?.invariant == small.invariant
    result.witness = Witness(
      scenario: scenario, settings: settings, threads: threads, model: small.trace.model,
      finding: small, token: token.description, mutant: result.mutant)
  }
}
