// SPDX-License-Identifier: MIT

// What a round finds, noted by any thread at the moment it is found, with the events of its page
// up to then: rings go on turning, so later the events that led there would be gone.

package import FolioCore
import CFolio

/// One finding of a round.
package struct Finding: Sendable {
  package let violation: Violation
  /// Recorded events of the page before the finding was noted, oldest first.
  package var events: [PageEvent] = []
  /// The events are of another run of the same round.
  package var isOfRepetition = false
}

/// Findings of a round: the first of each invariant, and how many there were.
package struct Findings: Sendable {
  package var kept: [Finding] = []
  package var counts: [String: Int] = [:]

  package var isEmpty: Bool { counts.isEmpty }

  /// Adds those of another round whose invariants were not found here.
  mutating func merge(newOf other: Findings) {
    let known = Set(counts.keys)
    kept += other.kept.filter { !known.contains($0.violation.invariant) }
    counts.merge(other.counts.filter { !known.contains($0.key) }) { first, _ in first }
  }
}

/// Violations that a round found, from any thread.
package final class FindingLog: Sendable {
  private struct State: Sendable {
    var findings = Findings()
    var captures = 0
    /// Step violations that were taken out of the library's store, and whether it was ever full.
    var taken = 0
    var wasFull = false
  }
  private let state = SharedValue(State())
  /// Step violations recorded when the log was made and when it last looked.
  private let seenBefore: Int
  private let drainedAt: SharedCount
  /// Events before this are of other rounds, ns of the monotonic clock.
  private let begin: Int64

  /// More of one invariant are counted, not kept.
  private static let limit = 16
  /// Events are copied for so many findings of a round: each copy reads every ring.
  private static let captureLimit = 8

  package init() {
    begin = cfolio_clock_ns()
    seenBefore = cfolio_violation_count()
    drainedAt = SharedCount(seenBefore)
  }

  /// Notes a violation. Any thread; may be inside a read scope.
  package func add(_ invariant: String, frame: UInt? = nil, _ message: String) {
    add([Violation(invariant, frame: frame, message)])
  }

  package func add(_ violations: [Violation]) {
    for violation in violations { add(violation) }
  }

  private func add(_ violation: Violation) {
    guard isKept(violation) else { return }
    // Outside of the lock: others go on finding meanwhile.
    let events = violation.frame.map { PageEvent.last(of: $0, since: begin) } ?? []
    state.withLock { $0.findings.kept.append(Finding(violation: violation, events: events)) }
  }

  /// Counts the violation; keeps it at once when its events are not to be copied. True: the caller
  /// copies them and keeps it.
  private func isKept(_ violation: Violation) -> Bool {
    state.withLock { state in
      let count = state.findings.counts[violation.invariant, default: 0]
      state.findings.counts[violation.invariant] = count + 1
      guard count < Self.limit else { return false }
      guard violation.frame != nil, count < Self.captureLimit / 2,
        state.captures < Self.captureLimit
      else {
        state.findings.kept.append(Finding(violation: violation))
        return false
      }
      state.captures += 1
      return true
    }
  }

  /// Notes a violation unless the condition holds.
  package func require(
    _ holds: Bool, _ invariant: String, frame: UInt? = nil, _ message: @autoclosure () -> String
  ) {
    if !holds { add(invariant, frame: frame, message()) }
  }

  /// Moves what steps have recorded here. The library keeps no more than 256, so this is called all
  /// the time; it costs a load when there is nothing. Any thread.
  package func drain() {
    let seen = cfolio_violation_count()
    guard seen > drainedAt.value else { return }
    takeRecorded()
    drainedAt.set(seen)
  }

  private func takeRecorded() {
    let violations = Violation.takeRecorded()
    state.withLock { state in
      state.taken += violations.count
      state.wasFull = state.wasFull || violations.count >= Int(FOLIO_VIOLATIONS_MAX)
    }
    add(violations)
  }

  /// How many were noted so far. Any thread.
  package var count: Int { state.withLock { $0.findings.counts.values.reduce(0, +) } }

  /// What was noted since the log was made. Says so when steps recorded more than the library could
  /// keep: among those may be anything. Context: the threads of the round have come back.
  package func take() -> Findings {
    takeRecorded()
    let (taken, wasFull) = state.withLock { ($0.taken, $0.wasFull) }
    let lost = cfolio_violation_count() - seenBefore - taken
    // Only a full store drops any; an audit takes some past this log.
    if wasFull && lost > 0 {
      add("lost", "up to \(lost) step violations were recorded and not kept: unknown ones")
    }
    return state.withLock { state in
      defer { state.findings = Findings() }
      return state.findings
    }
  }
}
