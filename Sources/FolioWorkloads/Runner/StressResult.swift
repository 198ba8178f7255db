// SPDX-License-Identifier: MIT

// What a stress run found, as values and as text (the field names are a contract; the table
// and JSON are in StressReport.swift). Finding things is the business of StressRun.swift and the
// scenarios.

package import FolioCore

/// One violation with what is needed to look into it.
package struct StressFinding: Sendable {
  package let violation: Violation
  /// The last recorded events of the page before the finding was noted, oldest first. Empty when
  /// none is known; `eventSource` says why.
  package let events: [PageEvent]
  package let eventSource: EventSource
  /// The command that repeats the round.
  package let replay: String
  /// A hazard that kernel rules keep on purpose.
  package let isKnownHazard: Bool

  /// Where the events are from.
  package enum EventSource: Hashable, Sendable {
    /// No page is concerned.
    case noPage
    /// The round was traced.
    case round
    /// A repetition of the round with tracing on, which found the same.
    case repetition
    /// The round was not traced and so many traced repetitions did not find the same.
    case unknown(repetitions: Int)
  }

  /// Hazards that `kernel` rules keep (spec: core.md section 18).
  package static let knownHazards: Set<String> = ["C29", "C41", "C72"]

  /// Invariant, page, message, replay command and events, one per line.
  package var description: String {
    var lines = [
      "\(isKnownHazard ? "hazard" : "violation") \(violation)",
      "  replay: \(replay)",
      "  \(eventHeading)",
    ]
    guard let origin = events.first?.time else { return lines[0...2].joined(separator: "\n") }
    for event in events {
      lines.append(
        "    +\(event.time - origin) ns thread \(event.thread) \(event.kind.name)"
          + " delta \(event.delta) result \(event.result)")
    }
    return lines.joined(separator: "\n")
  }

  private var eventHeading: String {
    let frame = events.first?.frame ?? violation.frame ?? 0
    return switch eventSource {
    case .noPage: "no page is concerned, so there are no events of one"
    case .round where events.isEmpty: "no event of frame \(frame) was recorded before"
    case .round: "last events of frame \(frame) before, oldest first:"
    case .repetition:
      "last events of frame \(frame) before the same was found in a traced repetition of the "
        + "untraced round, oldest first:"
    case .unknown(let repetitions):
      "no events: the round was not traced, and \(repetitions) traced repetitions of it did not "
        + "find the same; --trace FILE traces every round"
    }
  }
}

/// The result of one scenario.
package struct StressResult: Sendable {
  package let scenario: String
  package let options: StressOptions
  package var seconds = 0.0
  /// Operations of each thread; helpers come last.
  package private(set) var operations: [Int] = []
  /// What the scenario is about, and how often it happened.
  package private(set) var coverage: [(item: CoverageItem, count: Int)] = []
  /// The first findings; the rest is counted.
  package private(set) var findings: [StressFinding] = []
  package private(set) var violationCount = 0
  package private(set) var hazardCount = 0
  package private(set) var rounds = 0
  package private(set) var auditedRounds = 0
  package private(set) var faults = 0
  /// Some threads never came back.
  package private(set) var isStuck = false
  /// Why a round could not begin.
  package private(set) var failure: RunFailure?
  /// A round could not be made, for a reason that is a finding.
  private var isUnmade = false
  package var isInterrupted = false

  /// Findings to keep, of all invariants and of one; the first of each is kept in any case.
  private static let findingLimit = 32
  private static let sameLimit = 4

  package init(scenario: String, options: StressOptions) {
    self.scenario = scenario
    self.options = options
  }

  package var totalOperations: Int { operations.reduce(0, +) }

  /// Only hazards that the rules keep on purpose were found, or nothing, in a run that took place.
  package var passed: Bool { violationCount == 0 && failure == nil }

  /// No further round can be run.
  var isOver: Bool { isStuck || isUnmade || failure != nil }

  /// A round was audited, and everything that must happen has happened.
  var isComplete: Bool {
    auditedRounds > 0 && coverage.allSatisfy { $0.count > 0 || !$0.item.isRequired }
  }

  mutating func count(_ report: RoundReport) {
    guard let outcome = report.outcome else { return }
    if operations.count < outcome.operations.count {
      operations += Array(repeating: 0, count: outcome.operations.count - operations.count)
    }
    for (index, count) in outcome.operations.enumerated() { operations[index] += count }
    if coverage.isEmpty { coverage = report.coverage.map { ($0, 0) } }
    for (index, count) in outcome.covered.prefix(coverage.count).enumerated() {
      coverage[index].count += count
    }
    rounds += 1
    if report.isAudited { auditedRounds += 1 }
    faults += report.faults
  }

  /// Who did nothing has tested nothing.
  mutating func requireProgress() {
    for (index, count) in operations.enumerated() where count == 0 {
      note(
        "progress", "thread \(index) finished no operation, all threads \(totalOperations)")
    }
    if operations.isEmpty { note("progress", "no round was run") }
    if auditedRounds == 0 { note("progress", "no round was audited") }
    for (item, count) in coverage where item.isRequired && count == 0 {
      note("progress", "this never happened: \(item.name)")
    }
  }

  private mutating func note(_ invariant: String, _ message: String) {
    note(
      Finding(violation: Violation(invariant, frame: nil, message)), .noPage, seed: options.seed)
    violationCount += 1
  }

  /// Adds what a round found. `repetitions`: how often it was run again with tracing on.
  mutating func note(_ report: RoundReport, repetitions: Int) {
    isStuck = isStuck || report.isStuck
    isUnmade = isUnmade || (report.outcome == nil && report.failure == nil)
    failure = failure ?? report.failure
    // A round without threads has nothing to say.
    guard report.failure == nil else { return }
    for (invariant, count) in report.findings.counts {
      if isKnownHazard(invariant) { hazardCount += count } else { violationCount += count }
    }
    for finding in report.findings.kept {
      let source: StressFinding.EventSource =
        if finding.violation.frame == nil {
          .noPage
        } else if finding.events.isEmpty {
          report.isTraced ? .round : .unknown(repetitions: repetitions)
        } else {
          finding.isOfRepetition ? .repetition : .round
        }
      note(finding, source, seed: report.seed)
    }
  }

  private mutating func note(
    _ finding: Finding, _ source: StressFinding.EventSource, seed: UInt64
  ) {
    guard isWanted(finding.violation) else { return }
    findings.append(
      StressFinding(
        violation: finding.violation, events: finding.events, eventSource: source,
        replay: options.replayCommand(scenario: scenario, seed: seed),
        isKnownHazard: isKnownHazard(finding.violation.invariant)))
  }

  /// One of each hazard is enough to read; of violations, the first few.
  func isWanted(_ violation: Violation) -> Bool {
    let same = findings.count { $0.violation.invariant == violation.invariant }
    guard same > 0 else { return true }
    return !isKnownHazard(violation.invariant) && same < Self.sameLimit
      && findings.count < Self.findingLimit
  }

  private func isKnownHazard(_ invariant: String) -> Bool {
    options.rules == .kernel && StressFinding.knownHazards.contains(invariant)
  }
}
