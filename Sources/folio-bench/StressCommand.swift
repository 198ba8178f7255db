// SPDX-License-Identifier: MIT

// `folio-bench stress`: runs scenarios on native threads and reports. What a scenario does, how it is
// judged and where results go is in FolioWorkloads; here are the command line and the signals.

import ArgumentParser
import FolioBenchmark
import FolioCore
import FolioWorkloads
import Glibc

/// Set by the signal handler, read by the run.
private let interrupted = StopFlag()

struct Stress: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stress",
    abstract: "Runs refcount operations on many threads and audits every counter.",
    discussion: """
      Rounds of a quarter of a second, every second one with the ledger and the event log. An \
      untraced round that finds something is repeated with the log on. A run is longer than asked \
      for until every thread had a turn and everything that a scenario is about has happened. Exit \
      status: 0 no violation, 1 a violation, 64 usage, 71 threads or memory refused, 73 or 74 the \
      results cannot be written, 130 interrupted. Under kernel rules the hazards C29, C41 and C72 \
      are reported and are no failure.
      """)

  @Option(help: "Scenario, or all.")
  var scenario = "all"
  @Option(help: "Rule set: strict, kernel or legacy.", transform: rules(named:))
  var rules = PageMap.Rules.strict
  @Option(help: "Threads, beside a scenario's helpers.")
  var threads = 4
  @Option(help: "Seconds per scenario.")
  var seconds = 10.0
  @Option(help: "Seed; chosen and printed when missing.")
  var seed: UInt64?
  @Option(help: "About one allocation in so many fails, one wait in so many is cancelled; 0: none.")
  var faultRate = 0
  @Option(help: "Write the last refcount events: Perfetto JSON, or JSON lines for *.jsonl.")
  var trace: String?
  @Option(help: "Write the results as JSON; - is standard output.")
  var json: String?

  private static func rules(named name: String) throws -> PageMap.Rules {
    guard let rules = PageMap.Rules(rawValue: name) else {
      throw ValidationError("no rule set '\(name)'; there are: strict, kernel, legacy")
    }
    return rules
  }

  func validate() throws {
    guard scenario == "all" || StressScenario.named(scenario) != nil else {
      let names = StressScenario.all.map(\.name).joined(separator: ", ")
      throw ValidationError("no scenario '\(scenario)'; there are: all, \(names)")
    }
    guard (1...1024).contains(threads) else { throw ValidationError("--threads is 1 to 1024") }
    guard seconds > 0, seconds.isFinite, seconds <= 1e6 else {
      throw ValidationError("--seconds is above 0 and at most 1000000")
    }
    guard (0...Int(Int32.max)).contains(faultRate) else {
      throw ValidationError("--fault-rate is 0 or more")
    }
    guard trace == nil || (trace != json && trace != "-") else {
      throw ValidationError("--trace is a file of its own")
    }
  }

  func run() throws {
    let seed = self.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    Self.note("seed \(seed)")
    _ = signal(SIGINT) { _ in interrupted.set() }
    // Writing into a pipe without a reader is then an error like any other.
    _ = signal(SIGPIPE, SIG_IGN)

    var options = StressOptions()
    options.rules = rules
    options.threads = threads
    options.seconds = seconds
    options.seed = seed
    options.faultRate = faultRate
    var session = StressSession(
      StressScenario.all.filter { scenario == "all" || $0.name == scenario }, options)
    session.jsonPath = json
    session.tracePath = trace
    session.version = BenchmarkTool.version
    session.host = Self.host
    let status = session.run(interrupted: interrupted, say: Self.note)
    if status != .pass { throw ExitCode(status.rawValue) }
  }

  private static var host: String { HostDescription.current.json }

  /// One line to standard error.
  private static func note(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = unsafe line.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress!, $0.count) }
  }
}
