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

  package init(_ scenario: StressScenario, _ options: StressOptions, interrupted: StopFlag) {
    self.scenario = scenario
    self.options = options
    self.interrupted = interrupted
  }

  /// Seed of a round; an even one is audited. Round 0 of a replay is the round of its seed.
  static func isAudited(_ seed: UInt64) -> Bool { seed % 2 == 0 }

  /// Runs until the time is over, an interruption, or a thread that does not come back.
  package func run() -> StressResult {
    var result = StressResult(scenario: scenario.name, options: options)
    let begin = cfolio_clock_ns()
    let length = Int64(max(options.seconds, 0.001) * 1e9)
    let round = min(Self.roundLength, max(length / 2, 1_000_000))
    var seed = options.seed
    while true {
      let left = length - (cfolio_clock_ns() - begin)
      guard left > 0, !interrupted.isSet, !result.isStuck else { break }
      runRound(seed, nanoseconds: min(round, left), &result)
      seed &+= 1
    }
    result.seconds = Double(cfolio_clock_ns() - begin) / 1e9
    result.isInterrupted = interrupted.isSet
    if !result.isStuck && !result.isInterrupted { result.requireProgress() }
    return result
  }

  private func runRound(_ seed: UInt64, nanoseconds: Int64, _ result: inout StressResult) {
    let isAudited = Self.isAudited(seed)
    let isTraced = options.isTraced || isAudited
    let settings = RoundSettings(
      rules: options.rules, threads: options.threads, seed: seed, isAudited: isAudited,
      faultRate: options.faultRate, log: FindingLog())
    let warnings = cfolio_warning_count()
    let faults = cfolio_faults_injected()
    if isTraced {
      if !options.isTraced { ReferenceTrace.clear() }
      ReferenceTrace.setEnabled(true)
    }
    defer { if isTraced { ReferenceTrace.setEnabled(false) } }

    let round: any StressRound
    do {
      round = try scenario.makeRound(settings)
    } catch {
      result.note(
        [Violation("setup", frame: nil, "the round could not be made: \(error)")], round: seed,
        isTraced: false)
      return
    }
    cfolio_fault_injection(UInt32(clamping: options.faultRate), seed)
    let runner = ThreadRunner(
      threads: options.threads + round.helpers, seed: seed, nanoseconds: nanoseconds)
    let outcome: RunOutcome
    do throws(ThreadRefused) {
      outcome = try runner.run(interrupted: interrupted) { round.work(&$0) }
    } catch {
      cfolio_fault_injection(0, 0)
      result.note(
        [Violation("threads", frame: nil, "the system refused a thread")], round: seed,
        isTraced: false)
      return
    }
    cfolio_fault_injection(0, 0)
    result.count(outcome, audited: isAudited, faults: cfolio_faults_injected() - faults)

    guard outcome.stuck.isEmpty else {
      // Those threads still use the round.
      _ = unsafe Unmanaged.passRetained(round as AnyObject)
      result.noteStuck(outcome.stuck, log: settings.log, round: seed, isTraced: isTraced)
      return
    }
    round.settle()
    for map in round.maps { settings.log.add(map.audit()) }
    do throws(PageMapError) {
      try round.close()
    } catch {
      settings.log.add(
        "CI32", frame: error.frame, "the round's maps could not be taken down: \(error)")
    }
    settings.log.add(Violation.takeRecorded())
    if cfolio_warning_count() != warnings {
      let text = unsafe String(cString: cfolio_last_warning())
      settings.log.add("WARN", "\(cfolio_warning_count() - warnings) warnings, the last: \(text)")
    }
    let (violations, dropped) = settings.log.take()
    result.note(violations, dropped: dropped, round: seed, isTraced: isTraced)
  }
}
