// SPDX-License-Identifier: MIT

// One `folio-bench stress` behind its command line: the places of the results, the scenarios one
// after the other, what is said meanwhile, and the exit status.

import FolioCore

/// How a stress session ended.
package enum StressStatus: Sendable {
  case pass
  /// Something was violated, whatever else went wrong.
  case violated
  /// Threads or memory are missing.
  case refused
  /// A place for results. Found before anything was run.
  case cannotCreate
  /// The results.
  case cannotWrite
  case interrupted
}

/// Scenarios to run and places for what comes of them.
package struct StressSession: Sendable {
  package var scenarios: [StressScenario]
  package var options: StressOptions
  /// The JSON report; "-" is standard output, and the table is then said.
  package var jsonPath: String?
  /// The event log; JSON lines for *.jsonl.
  package var tracePath: String?
  /// Version of the tool and description of the machine (a JSON object), for the report.
  package var version = ""
  package var host = "{}"

  package init(_ scenarios: [StressScenario], _ options: StressOptions) {
    self.scenarios = scenarios
    self.options = options
  }

  /// Runs everything. `say` gets lines for a person: before each run the command that repeats it,
  /// then what it found. The results are written last.
  package func run(
    output: ResultFile = .standardOutput, interrupted: StopFlag,
    say: (String) -> Void
  ) -> StressStatus {
    let json: ResultFile?
    let trace: ResultFile?
    do throws(ResultFile.Failure) {
      json = jsonPath == "-" ? nil : try Self.open(jsonPath)
      trace = try Self.open(tracePath)
    } catch {
      say(error.description)
      return .cannotCreate
    }
    var options = options
    options.isTraced = tracePath != nil
    var results: [StressResult] = []
    for scenario in scenarios where !interrupted.isSet {
      // Said before the run, so that a crash has its replay command too.
      say(options.replayCommand(scenario: scenario.name, seed: options.seed))
      let result = StressRun(scenario, options, interrupted: interrupted).run()
      results.append(result)
      for finding in result.findings { say(finding.description) }
      if let failure = result.failure { say("\(scenario.name): \(failure)") }
      if result.isStuck || result.failure != nil { break }
    }
    let report = StressReport(results, version: version)
    var isWritten = true
    func attempt(_ body: () throws(ResultFile.Failure) -> Void) {
      do throws(ResultFile.Failure) {
        try body()
      } catch {
        say(error.description)
        isWritten = false
      }
    }
    if jsonPath == "-" { say(report.table) }
    attempt { () throws(ResultFile.Failure) in
      try output.write(jsonPath == "-" ? report.json(host: host) : report.table)
    }
    attempt { () throws(ResultFile.Failure) in try json?.write(report.json(host: host)) }
    attempt { () throws(ResultFile.Failure) in
      guard trace != nil else { return }
      let events = ReferenceTrace.events()
      try trace?.write(
        tracePath!.hasSuffix(".jsonl")
          ? ReferenceTrace.jsonLines(events) : ReferenceTrace.perfettoJSON(events))
      say("\(events.count) events in \(tracePath!), \(ReferenceTrace.lost) lost")
    }
    if results.contains(where: { $0.violationCount > 0 }) { return .violated }
    if results.contains(where: { $0.failure != nil }) { return .refused }
    guard isWritten else { return .cannotWrite }
    return interrupted.isSet ? .interrupted : .pass
  }

  private static func open(_ path: String?) throws(ResultFile.Failure) -> ResultFile? {
    guard let path else { return nil }
    return try ResultFile(path: path)
  }
}
