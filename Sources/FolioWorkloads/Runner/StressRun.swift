// SPDX-License-Identifier: MIT

// The loop of one scenario: rounds until the time is over, audited and unaudited ones in turn,
// each ended by an audit. Rendering the result is in StressResult.swift.

import CFolio
package import FolioCore

/// What a stress run is asked to do.
package struct StressOptions: Sendable {
  package var rules: PageMap.Rules = .strict
  package var threads = 4
  /// Seconds per scenario.
  package var seconds = 10.0
  package var seed: UInt64 = 1
  /// About one allocation in so many fails and one wait in so many is cancelled; 0: none.
  package var faultRate = 0
  /// Record events in every round, not only in the audited ones.
  package var isTraced = false
  /// How many seconds longer a run may take until everything that its scenario is about has happened.
  package var patience = 30.0
  /// Bytes of stack that a thread asks for; nil: what the system gives.
  package var stackBytes: @Sendable (_ thread: Int) -> Int? = { _ in nil }

  package init() {}

  /// The command that repeats a round of this run.
  package func replayCommand(scenario: String, seed: UInt64) -> String {
    var command = "folio-bench stress --scenario \(scenario) --rules \(rules.rawValue)"
    command += " --threads \(threads) --seconds \(seconds) --seed \(seed)"
    if faultRate > 0 { command += " --fault-rate \(faultRate)" }
    return command
  }
}

/// One scenario under stress.
package struct StressRun {
  let scenario: StressScenario
  let options: StressOptions
  /// Ends the run early, with a partial result.
  let interrupted: StopFlag

  /// Nanoseconds of a round: long enough for races, short enough for many audits.
  static let roundLength: Int64 = 250_000_000
  /// Traced repetitions of an untraced round that found something.
  static let repetitions = 3

  package init(_ scenario: StressScenario, _ options: StressOptions, interrupted: StopFlag) {
    self.scenario = scenario
    self.options = options
    self.interrupted = interrupted
  }

  /// Seed of a round; an even one is audited. Round 0 of a replay is the round of its seed.
  static func isAudited(_ seed: UInt64) -> Bool { seed % 2 == 0 }

  /// Runs until the time is over and a round was audited and nothing is left that never happened, or
  /// until an interruption, a round that could not begin or a thread that does not come back.
  package func run() -> StressResult {
    var result = StressResult(scenario: scenario.name, options: options)
    let begin = cfolio_clock_ns()
    let length = Int64(max(options.seconds, 0.001) * 1e9)
    let patience = Int64(options.patience * 1e9)
    let roundLength = min(Self.roundLength, max(length / 2, 1_000_000))
    var seed = options.seed
    while !interrupted.isSet && !result.isOver {
      let left = length - (cfolio_clock_ns() - begin)
      if left <= 0 && (result.isComplete || left <= -patience) { break }
      run(round: seed, nanoseconds: left > 0 ? min(roundLength, left) : roundLength, &result)
      seed &+= 1
    }
    result.seconds = Double(cfolio_clock_ns() - begin) / 1e9
    result.isInterrupted = interrupted.isSet
    if !result.isOver && !result.isInterrupted { result.requireProgress() }
    return result
  }

  /// Untraced rounds run the paths as users do; when one finds something its seed is run again with
  /// the event log on, for the events that led there.
  private func run(round seed: UInt64, nanoseconds: Int64, _ result: inout StressResult) {
    let isTraced = options.isTraced || Self.isAudited(seed)
    var report = RoundRun(scenario, options, seed: seed, isTraced: isTraced, interrupted)
      .run(nanoseconds: nanoseconds)
    result.count(report)
    var repetitions = 0
    if !isTraced && report.canBeRepeated {
      while repetitions < Self.repetitions, !interrupted.isSet,
        report.findings.kept.contains(where: {
          $0.violation.frame != nil && $0.events.isEmpty && result.isWanted($0.violation)
        })
      {
        repetitions += 1
        let repetition = RoundRun(scenario, options, seed: seed, isTraced: true, interrupted)
          .run(nanoseconds: nanoseconds)
        report.explain(by: repetition)
        guard repetition.canBeRepeated else { break }
      }
    }
    result.note(report, repetitions: repetitions)
  }
}
