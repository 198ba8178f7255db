// SPDX-License-Identifier: MIT

// What a stress run found, as values, as text and as JSON (design.md section 5 names the fields).
// Finding things is the business of StressRun.swift and the scenarios.

import CFolio
package import FolioCore

/// One violation with what is needed to look into it.
package struct StressFinding: Sendable {
  package let violation: Violation
  /// The last recorded events of the page, oldest first; empty when nothing was recorded.
  package let events: [ReferenceEvent]
  /// Whether events were being recorded.
  package let isTraced: Bool
  /// The command that repeats the round.
  package let replay: String
  /// A hazard that kernel rules keep on purpose.
  package let isKnownHazard: Bool

  /// Hazards that `kernel` rules keep (spec: core.md section 18).
  package static let knownHazards: Set<String> = ["C29", "C41", "C72"]

  /// Invariant, page, message, events and replay command, one per line.
  package var description: String {
    var lines = [
      "\(isKnownHazard ? "hazard" : "violation") \(violation)",
      "  replay: \(replay)",
    ]
    if violation.frame == nil { return lines.joined(separator: "\n") }
    if events.isEmpty {
      lines.append(
        isTraced
          ? "  no event of this page is left in the rings"
          : "  events of this page: replay with --trace FILE")
    } else {
      lines.append("  last events of frame \(violation.frame!), oldest first:")
      let origin = events[0].time
      for event in events {
        lines.append(
          "    +\(event.time - origin) ns thread \(event.thread) \(event.kind.name)"
            + " delta \(event.delta) result \(event.result)")
      }
    }
    return lines.joined(separator: "\n")
  }
}

/// The result of one scenario.
package struct StressResult: Sendable {
  package let scenario: String
  package let options: StressOptions
  package var seconds = 0.0
  /// Operations of each thread; helpers come last.
  package private(set) var operations: [Int] = []
  /// The first findings; the rest is counted.
  package private(set) var findings: [StressFinding] = []
  package private(set) var violationCount = 0
  package private(set) var hazardCount = 0
  package private(set) var rounds = 0
  package private(set) var auditedRounds = 0
  package private(set) var faults = 0
  package private(set) var isStuck = false
  package var isInterrupted = false

  static let findingLimit = 16

  package init(scenario: String, options: StressOptions) {
    self.scenario = scenario
    self.options = options
  }

  package var totalOperations: Int { operations.reduce(0, +) }

  /// Only hazards that the rules keep on purpose were found, or nothing.
  package var passed: Bool { violationCount == 0 }

  mutating func count(_ outcome: RunOutcome, audited: Bool, faults: Int) {
    if operations.count < outcome.operations.count {
      operations += Array(repeating: 0, count: outcome.operations.count - operations.count)
    }
    for (index, count) in outcome.operations.enumerated() { operations[index] += count }
    rounds += 1
    if audited { auditedRounds += 1 }
    self.faults += faults
  }

  /// A thread that did nothing has tested nothing.
  mutating func requireProgress() {
    for (index, count) in operations.enumerated() where count == 0 {
      note(
        [Violation("progress", frame: nil, "thread \(index) did no operation")],
        round: options.seed, isTraced: false)
    }
    if operations.isEmpty {
      note(
        [Violation("progress", frame: nil, "no round was run")], round: options.seed,
        isTraced: false)
    }
  }

  mutating func noteStuck(
    _ stuck: [RunOutcome.Stuck], log: FindingLog, round: UInt64, isTraced: Bool
  ) {
    isStuck = true
    let hanging = stuck.map {
      Violation(
        "CI46", frame: $0.frame, "thread \($0.thread) never came back from: \($0.step)")
    }
    let (violations, dropped) = log.take()
    note(
      hanging + violations + Violation.takeRecorded(), dropped: dropped, round: round,
      isTraced: isTraced)
  }

  /// Adds the violations of one round.
  mutating func note(
    _ violations: [Violation], dropped: Int = 0, round: UInt64, isTraced: Bool
  ) {
    violationCount += dropped
    for violation in violations {
      let known =
        options.rules == .kernel && StressFinding.knownHazards.contains(violation.invariant)
      if known { hazardCount += 1 } else { violationCount += 1 }
      // One of each hazard is enough to read; of violations, the first few.
      let seen = findings.filter { $0.violation.invariant == violation.invariant }
      guard findings.count < Self.findingLimit, !(known && !seen.isEmpty) else { continue }
      let events =
        isTraced ? violation.frame.map { ReferenceTrace.lastEvents(of: $0) } ?? [] : []
      findings.append(
        StressFinding(
          violation: violation, events: events, isTraced: isTraced,
          replay: options.replayCommand(scenario: scenario, seed: round), isKnownHazard: known))
    }
  }
}
