// SPDX-License-Identifier: MIT

// What a scenario is: a name and the making of a round. A round is a set of maps and shared words,
// a body that every thread runs, and checks for when they have come back. The loop over rounds is
// in StressRun.swift, the scenarios are in Scenarios/.

package import FolioCore

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

/// Something that must have happened in a run: without it the scenario has tested nothing.
package struct CoverageItem: Sendable {
  package let name: String
  /// False where the rules or the number of threads do not let it happen.
  package let isRequired: Bool

  package init(_ name: String, isRequired: Bool = true) {
    self.name = name
    self.isRequired = isRequired
  }
}

/// One round of a scenario.
package protocol StressRound: AnyObject, Sendable {
  /// Threads that the scenario needs beside those asked for.
  var helpers: Int { get }
  /// What `Worker.cover` counts, in the order of its numbers; at most 8.
  var coverage: [CoverageItem] { get }
  /// Maps to audit when the threads have come back and `settle()` has run.
  var maps: [PageMap] { get }
  /// Runs on every thread; returns soon after `worker.isRunning` is false.
  func work(_ worker: inout Worker)
  /// Every thread has come back, or none was ever made: compare counters with what they must be.
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
    FileRound.pins, FileRound.faults, ForkRound.scenario, MigrationRound.scenario,
    AreaRound.scenario, PeerRound.scenario, DeviceDAXRound.scenario,
  ]

  /// Name and summary of each scenario, for people.
  package static func listing(_ scenarios: [StressScenario] = all) -> String {
    scenarios.map { "\($0.name)\n    \($0.summary)\n" }.joined()
  }

  /// The scenario of a name, or nil.
  package static func named(_ name: String) -> StressScenario? {
    all.first { $0.name == name }
  }
}
