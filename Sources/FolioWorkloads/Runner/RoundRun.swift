// SPDX-License-Identifier: MIT

// One round of a scenario from its making to its end, and what came of it. Which rounds there are is
// the business of StressRun.swift.

import FolioCore
import CFolio

/// Why a run ended before its time, if not by what it found.
package enum RunFailure: Error, CustomStringConvertible {
  /// The system has no more threads.
  case threads(ThreadRefused)
  /// The system has no more memory for a round's maps.
  case memory

  package var description: String {
    switch self {
    case .threads(let refusal): refusal.description
    case .memory: "no memory for the maps of a round"
    }
  }
}

/// What came of a round.
struct RoundReport {
  let seed: UInt64
  let isAudited: Bool
  let isTraced: Bool
  /// What `coverage` counts are counts of.
  var coverage: [CoverageItem] = []
  /// nil: the round did not begin.
  var outcome: RunOutcome?
  var faults = 0
  var failure: RunFailure?
  var findings = Findings()

  var isStuck: Bool { outcome?.stuck.isEmpty == false }
  /// Nothing of the round is left over.
  var canBeRepeated: Bool { outcome?.stuck.isEmpty == true }

  /// Gives findings of an untraced round the events that a traced repetition of it has for the same
  /// invariant, of the same page if possible. What the repetition found beyond that is noted too.
  mutating func explain(by repetition: RoundReport) {
    let explained = repetition.findings.kept.filter { !$0.events.isEmpty }
    for index in findings.kept.indices where findings.kept[index].events.isEmpty {
      let violation = findings.kept[index].violation
      guard violation.frame != nil else { continue }
      let same = explained.filter { $0.violation.invariant == violation.invariant }
      let source = same.first { $0.violation.frame == violation.frame } ?? same.first
      guard let source else { continue }
      findings.kept[index].events = source.events
      findings.kept[index].isOfRepetition = true
    }
    guard repetition.outcome != nil else { return }
    findings.merge(newOf: repetition.findings)
    if repetition.isStuck { outcome = repetition.outcome }
  }
}

/// One round.
struct RoundRun {
  private let scenario: StressScenario
  private let options: StressOptions
  private let seed: UInt64
  private let isTraced: Bool
  private let interrupted: StopFlag
  private let settings: RoundSettings

  init(
    _ scenario: StressScenario, _ options: StressOptions, seed: UInt64, isTraced: Bool,
    _ interrupted: StopFlag
  ) {
    self.scenario = scenario
    self.options = options
    self.seed = seed
    self.isTraced = isTraced
    self.interrupted = interrupted
    settings = RoundSettings(
      rules: options.rules, threads: options.threads, seed: seed,
      isAudited: StressRun.isAudited(seed), faultRate: options.faultRate, log: FindingLog())
  }

  func run(nanoseconds: Int64) -> RoundReport {
    var report = RoundReport(seed: seed, isAudited: settings.isAudited, isTraced: isTraced)
    let warnings = cfolio_warning_count()
    if isTraced {
      if !options.isTraced { ReferenceTrace.clear() }
      ReferenceTrace.setEnabled(true)
    }
    perform(nanoseconds, &report)
    if isTraced { ReferenceTrace.setEnabled(false) }
    if cfolio_warning_count() != warnings {
      let text = unsafe String(cString: cfolio_last_warning())
      settings.log.add("WARN", "\(cfolio_warning_count() - warnings) warnings, the last: \(text)")
    }
    report.findings = settings.log.take()
    return report
  }

  private func perform(_ nanoseconds: Int64, _ report: inout RoundReport) {
    let round: any StressRound
    do {
      round = try scenario.makeRound(settings)
    } catch let error as PageMapError where error.code == .outOfMemory {
      report.failure = .memory
      return
    } catch let error as MemoryError where error.code == .outOfMemory {
      report.failure = .memory
      return
    } catch {
      settings.log.add("setup", "the round could not be made: \(error)")
      return
    }
    report.coverage = round.coverage
    let faults = cfolio_faults_injected()
    cfolio_fault_injection(UInt32(clamping: options.faultRate), seed)
    let runner = ThreadRunner(
      threads: options.threads + round.helpers, seed: seed, nanoseconds: nanoseconds,
      stackBytes: options.stackBytes)
    do throws(ThreadRefused) {
      report.outcome = try runner.run(interrupted: interrupted, poll: settings.log.drain) {
        round.work(&$0)
      }
    } catch {
      report.failure = .threads(error)
    }
    cfolio_fault_injection(0, 0)
    report.faults = cfolio_faults_injected() - faults
    guard !report.isStuck else {
      for thread in report.outcome?.stuck ?? [] {
        settings.log.add(
          "CI46", frame: thread.frame,
          "thread \(thread.thread) never came back from: \(thread.step)")
      }
      // Those threads still use the round.
      _ = unsafe Unmanaged.passRetained(round as AnyObject)
      return
    }
    finish(round)
  }

  /// Nothing runs any more: compare, audit, take down. A round without threads is taken down too.
  private func finish(_ round: any StressRound) {
    round.settle()
    settings.log.drain()
    for map in round.maps { settings.log.add(map.audit()) }
    do throws(PageMapError) {
      try round.close()
    } catch {
      settings.log.add(
        "CI32", frame: error.frame, "the round's maps could not be taken down: \(error)")
    }
  }
}
