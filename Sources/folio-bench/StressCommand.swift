// SPDX-License-Identifier: MIT

// `folio-bench stress`: runs scenarios on native threads and reports. What a scenario does, how it is
// judged and where results go is in FolioWorkloads; here are the command line and the signals.

import ArgumentParser
import FolioCore
import FolioTools
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

      A build with the trait Lab also runs what folio-lab explores, on native threads: the \
      scenarios lab:NAME (folio-lab list names them) and lab:all, and mutants, each in its own \
      scenarios. A mutant that is found is reported and is no failure.

      EXAMPLES
        folio-bench stress --scenario waits --threads 8 --seconds 60
        folio-bench stress --rules legacy --seed 42 --json results.json
        folio-bench stress --scenario lab:gup-pin
        folio-bench stress --mutant C01
        folio-bench stress --mutant all --seconds 2
      """)

  @Option(help: "Scenario, or all; with the trait Lab lab:NAME or lab:all.")
  var scenario = "all"
  @Option(
    help: "Switch this bug of the museum on, or all one after the other. Needs the trait Lab.")
  var mutant: String?
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
    guard
      scenario == "all" || StressScenario.named(scenario) != nil || exploredScenarios != nil
    else {
      let names = StressScenario.all.map(\.name).joined(separator: ", ")
      throw ValidationError(
        "no scenario '\(scenario)'; there are: all, \(names); lab:NAME, lab:all")
    }
    guard mutant == nil || mutant == "all" || Mutant.named(mutant!) != nil else {
      throw ValidationError("no mutant '\(mutant!)'; `folio-lab list` names them")
    }
    guard mutant == nil || scenario == "all" || exploredScenarios != nil else {
      throw ValidationError("a mutant breaks explored scenarios: --scenario lab:NAME, or none")
    }
    guard !isExplored || trace == nil && faultRate == 0 else {
      throw ValidationError("--trace and --fault-rate are not for explored scenarios")
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

  /// Scenarios of the lab that were asked for; nil: none were.
  private var exploredScenarios: [Scenario]? {
    guard scenario.hasPrefix("lab:") else { return nil }
    let name = String(scenario.dropFirst(4))
    return name == "all" ? Scenario.all : Scenario.named(name).map { [$0] }
  }

  private var isExplored: Bool { mutant != nil || exploredScenarios != nil }

  func run() throws {
    let seed = self.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    Console.writeMessage("seed \(seed)")
    _ = signal(SIGINT) { _ in interrupted.set() }
    // Writing into a pipe without a reader is then an error like any other.
    _ = signal(SIGPIPE, SIG_IGN)

    if isExplored { return try runExplored(seed) }
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
    session.version = Tool.version
    session.host = Self.host
    let status = session.run(interrupted: interrupted, say: Console.writeMessage)
    try ToolStatus(status).check()
  }

  /// Explored scenarios on native threads, with or without a mutant.
  private func runExplored(_ seed: UInt64) throws {
    guard NativeStress.isBuiltIn else {
      Console.writeMessage(
        """
        folio-bench: \(mutant == nil ? "scenarios of the lab" : "mutants") need a build with the \
        trait Lab:
          swift run -c release --traits Lab --scratch-path .build-lab folio-bench stress \
        \(mutant.map { "--mutant \($0)" } ?? "--scenario \(scenario)")
        """)
      throw ExitCode(ToolStatus.cannotRun.rawValue)
    }
    var session: NativeSession
    if let mutant {
      let mutants = Mutant.named(mutant).map { [$0] } ?? Mutant.all
      session = NativeSession(
        mutants, within: exploredScenarios.map { ($0, rules) }, seed: seed, seconds: seconds)
    } else {
      session = NativeSession(
        exploredScenarios ?? [], rules: rules, seed: seed, seconds: seconds)
    }
    session.isBrief = mutant == "all"
    session.jsonPath = json
    session.version = Tool.version
    session.host = Self.host
    let status = session.run(interrupted: interrupted, say: Console.writeMessage)
    try ToolStatus(status).check()
  }

  private static var host: String { HostDescription.current.json }
}

extension ToolStatus {
  fileprivate init(_ status: StressStatus) {
    switch status {
    case .pass: self = .pass
    case .violated: self = .failed
    case .refused: self = .refused
    case .cannotCreate: self = .cannotCreate
    case .cannotWrite: self = .inputOutput
    case .interrupted: self = .interrupted
    }
  }
}
