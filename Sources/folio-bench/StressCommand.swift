// SPDX-License-Identifier: MIT

// `folio-bench stress`: runs scenarios on native threads and reports. What a scenario does and how
// it is judged is in FolioWorkloads; here are the command line, the signal and the files.

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
      Rounds of a quarter of a second, every second one with the ledger. Exit status: 0 no \
      violation, 1 a violation, 64 usage, 130 interrupted. Under kernel rules the hazards C29, C41 \
      and C72 are reported and are no failure.
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
  }

  func run() throws {
    let seed = self.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    Self.note("seed \(seed)")
    _ = signal(SIGINT) { _ in interrupted.set() }

    var options = StressOptions()
    options.rules = rules
    options.threads = threads
    options.seconds = seconds
    options.seed = seed
    options.faultRate = faultRate
    options.isTraced = trace != nil

    var results: [StressResult] = []
    for scenario in StressScenario.all
    where self.scenario == "all" || scenario.name == self.scenario {
      guard !interrupted.isSet else { break }
      // Printed before the run, so that a crash has its replay command too.
      Self.note(options.replayCommand(scenario: scenario.name, seed: seed))
      let result = StressRun(scenario, options, interrupted: interrupted).run()
      results.append(result)
      for finding in result.findings { Self.note(finding.description) }
      if result.isStuck { break }
    }
    try report(StressReport(results, version: BenchmarkTool.version))
    if !results.allSatisfy(\.passed) { throw ExitCode(1) }
    if interrupted.isSet { throw ExitCode(130) }
  }

  private func report(_ report: StressReport) throws {
    if json == "-" {
      print(report.json(host: Self.host), terminator: "")
    } else {
      print(report.table, terminator: "")
      if let json { try Self.write(report.json(host: Self.host), to: json) }
    }
    guard let trace else { return }
    let events = ReferenceTrace.events()
    try Self.write(
      trace.hasSuffix(".jsonl")
        ? ReferenceTrace.jsonLines(events) : ReferenceTrace.perfettoJSON(events), to: trace)
    Self.note("\(events.count) events in \(trace), \(ReferenceTrace.lost) lost")
  }

  private static var host: String {
    var name = utsname()
    unsafe uname(&name)
    let system = unsafe withUnsafeBytes(of: name.release) { unsafe text($0) }
    let machine = unsafe withUnsafeBytes(of: name.machine) { unsafe text($0) }
    let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
    return #"{"os": "Linux", "release": \#(StressReport.quoted(system)), "#
      + #""machine": \#(StressReport.quoted(machine)), "processors": \#(processors)}"#
  }

  private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// One line to standard error.
  private static func note(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = unsafe line.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress!, $0.count) }
  }

  private static func write(_ text: String, to path: String) throws {
    guard let file = unsafe fopen(path, "w") else {
      note("cannot write \(path): \(unsafe String(cString: strerror(errno)))")
      throw ExitCode(73)
    }
    let bytes = Array(text.utf8)
    let written = unsafe bytes.withUnsafeBytes { unsafe fwrite($0.baseAddress, 1, $0.count, file) }
    let closed = unsafe fclose(file)
    guard written == bytes.count, closed == 0 else {
      note("cannot write \(path)")
      throw ExitCode(74)
    }
  }
}
