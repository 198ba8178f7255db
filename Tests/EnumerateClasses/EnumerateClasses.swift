// SPDX-License-Identifier: MIT

// Counts classes with the enumerator, in release, with as many schedules as it takes; holds the
// lab's counts and the recorded ones against it, and prints the table that is recorded.

import ArgumentParser
import ClassOracle
import FolioCore
import FolioLab
import FolioWorkloads
import Foundation

@main
struct EnumerateClasses: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "enumerate-classes",
    abstract: "Counts classes by running every schedule, and compares with the lab.",
    discussion: """
      Examples:
        enumerate-classes                        every scenario, up to 2,000,000 schedules each
        enumerate-classes gup-pin --sizes        all sizes of one scenario
        enumerate-classes --sizes --rules --table > counts.txt   the lines of the recorded table
      """)

  @Argument(help: "Scenarios; none: all.") var names: [String] = []
  @Option(help: "Schedules at most, per scenario.") var limit = 2_000_000
  @Flag(help: "Every size of a scenario, up to the first that has too many schedules.")
  var sizes = false
  @Flag(help: "All rules of a scenario, not only the first.") var rules = false
  @Flag(
    help: "Go on once behind beginnings that are equivalent: for millions of schedules and more.")
  var merged = false
  @Flag(help: "Print lines of the recorded table on standard output.") var table = false

  private func say(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  func run() throws {
    let all =
      try names.isEmpty
      ? Scenario.all
      : names.map { name in
        guard let scenario = Scenario.named(name) else {
          throw ValidationError("there is no scenario \(name): `folio-lab list` names them")
        }
        return scenario
      }
    var disagreements = 0
    for scenario in all {
      for rules in rules ? scenario.rules : [scenario.rules[0]] {
        for size in sizes ? Array(scenario.sizes) : [scenario.size] {
          guard try compare(scenario, rules, size, &disagreements) else { break }
        }
      }
    }
    say("\(disagreements) disagreements")
    if disagreements > 0 { throw ExitCode(1) }
  }

  /// False: there are too many schedules.
  private func compare(
    _ scenario: Scenario, _ rules: PageMap.Rules, _ size: Int, _ disagreements: inout Int
  ) throws -> Bool {
    let begin = ContinuousClock.now
    let answer = try ClassOracle.enumerate(
      scenario, rules: rules, size: size, kind: merged ? .merged : .all, limit: limit)
    let what = "\(scenario.name) \(size) \(rules.rawValue)"
    let time = (ContinuousClock.now - begin) / .seconds(1)
    let seconds = String(format: "%.2f s", time)
    switch answer {
    case .tooMany:
      say("\(what)  more than \(limit) schedules  \(seconds)")
      return false
    case .failed(let invariant):
      disagreements += 1
      say("\(what)  FAILED \(invariant)  \(seconds)")
    case .counted(let classes, let schedules):
      let result = try LabWorld(scenario, rules: rules, size: size).explore(.classes)
      let agrees = result.verdict == .exhaustive && result.statistics.complete == classes
      if !agrees { disagreements += 1 }
      let lab = agrees ? "" : "  DIFFERS: lab \(result.statistics.complete) \(result.verdict)"
      say("\(what)  \(classes) classes, \(schedules) schedules run  \(seconds)\(lab)")
      let count = ClassCount(
        scenario: scenario.name, size: size, rules: rules, classes: classes,
        schedules: merged ? nil : schedules,
        source: merged ? "enumerator, beginnings merged" : "enumerator")
      let recorded = ClassCount.recorded.first {
        ($0.scenario, $0.size, $0.rules, $0.source)
          == (count.scenario, count.size, count.rules, count.source)
      }
      if let recorded, recorded != count {
        disagreements += 1
        say("\(what)  DIFFERS from the record: \(recorded.line)")
      }
      if table { FileHandle.standardOutput.write(Data((count.line + "\n").utf8)) }
    }
    return true
  }
}
