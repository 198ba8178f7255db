// SPDX-License-Identifier: MIT

// What a scenario is: a name and the making of a round. A round is a set of maps and shared words,
// a body that every thread runs, and checks for when they have come back. The loop over rounds is
// in StressRun.swift, the scenarios are in Scenarios/.

package import FolioCore
import CFolio
import Glibc

/// What a round is told.
package struct RoundSettings: Sendable {
  package let rules: PageMap.Rules
  /// Threads that the user asked for.
  package let threads: Int
  /// Seed of this round.
  package let seed: UInt64
  /// The ledger runs: every step is checked and counters are compared with it at the end.
  package let isAudited: Bool
  /// About one allocation in so many fails and one wait in so many is cancelled; 0: none.
  package let faultRate: Int
  package let log: FindingLog

  package init(
    rules: PageMap.Rules, threads: Int, seed: UInt64, isAudited: Bool, faultRate: Int,
    log: FindingLog
  ) {
    self.rules = rules
    self.threads = threads
    self.seed = seed
    self.isAudited = isAudited
    self.faultRate = faultRate
    self.log = log
  }

  /// R of an idle page of a file-system DAX map.
  package var idleCount: Int { rules == .legacy ? 1 : 0 }

  /// A new map under the round's rules, its ledger started if the round is audited.
  package func makeMap(
    _ kind: PageMap.Kind, pages: Int, _ change: (inout PageMap.Options) -> Void = { _ in }
  ) throws(PageMapError) -> PageMap {
    var options = PageMap.Options(rules: rules)
    change(&options)
    let map = try PageMap(kind, pages: pages, options)
    if isAudited { try map.startAuditing() }
    return map
  }
}

/// One round of a scenario.
package protocol StressRound: AnyObject, Sendable {
  /// Threads that the scenario needs beside those asked for.
  var helpers: Int { get }
  /// Maps to audit when the threads have come back and `settle()` has run.
  var maps: [PageMap] { get }
  /// Runs on every thread; returns soon after `worker.isRunning` is false.
  func work(_ worker: inout Worker)
  /// Every thread has come back: compare counters with what they must be.
  func settle()
  /// The audit is over: give back what is held and take the maps down.
  func close() throws(PageMapError)
}

extension StressRound {
  package var helpers: Int { 0 }
}

/// One subject of stress.
package struct StressScenario: Sendable {
  /// As `--scenario` takes it.
  package let name: String
  /// One line for `list`.
  package let summary: String
  package let makeRound: @Sendable (RoundSettings) throws -> any StressRound

  package init(
    _ name: String, _ summary: String,
    makeRound: @escaping @Sendable (RoundSettings) throws -> any StressRound
  ) {
    self.name = name
    self.summary = summary
    self.makeRound = makeRound
  }

  /// Every scenario of `folio-bench stress`, in the order of `--scenario all`.
  package static let all: [StressScenario] = [
    StormRound.scenario, LastPutRound.scenario, FreezeRound.scenario, ShapeRound.scenario,
    RemapRound.scenario, PercpuRound.scenario, WaitRound.scenario, BatchRound.scenario,
    XArrayRound.scenario, RmapRound.scenario, TraceRound.scenario, GracePeriodRound.scenario,
  ]

  /// The scenario of a name, or nil.
  package static func named(_ name: String) -> StressScenario? {
    all.first { $0.name == name }
  }
}

/// Violations that a round found, from any thread.
@safe
package final class FindingLog: @unchecked Sendable {
  // @unchecked: `found` is touched only with `mutex` held.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var found: [Violation] = []
  private var total = 0
  /// More than this are counted, not kept.
  private static let limit = 256

  package init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  /// Notes a violation. Any thread.
  package func add(_ invariant: String, frame: UInt? = nil, _ message: String) {
    add([Violation(invariant, frame: frame, message)])
  }

  package func add(_ violations: [Violation]) {
    guard !violations.isEmpty else { return }
    unsafe pthread_mutex_lock(mutex)
    total += violations.count
    found.append(contentsOf: violations.prefix(max(0, Self.limit - found.count)))
    unsafe pthread_mutex_unlock(mutex)
  }

  /// Notes a violation unless the condition holds.
  package func require(
    _ holds: Bool, _ invariant: String, frame: UInt? = nil, _ message: @autoclosure () -> String
  ) {
    if !holds { add(invariant, frame: frame, message()) }
  }

  /// What was noted since the last call, and how many more there were.
  package func take() -> (violations: [Violation], dropped: Int) {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    let result = (found, total - found.count)
    found = []
    total = 0
    return result
  }
}
