// SPDX-License-Identifier: MIT

// All programs in turn, a process each.

import ArgumentParser
import FolioCore
import FolioFuzz
import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

/// Who gets which share of the time.
struct FuzzPlan {
  private let command: RunCommand
  private let seed: UInt32
  private var parts: [(setup: FuzzSetup, share: Double)] = []

  /// Three fifths for generated programs, two for scenarios.
  init(_ command: RunCommand, seed: UInt32) {
    self.command = command
    self.seed = seed
    let weights = [
      (3, MemoryModel.sc, 4.0), (2, .c11, 4), (3, .c11, 3), (3, .tso, 2), (4, .sc, 2),
    ]
    let whole = weights.reduce(0) { $0 + $1.2 }
    let families = GeneratedProgram.Family.allCases
    for family in families {
      for rules in family.rules {
        for (threads, model, weight) in weights {
          let share = 0.6 / Double(families.count * family.rules.count) * weight / whole
          parts.append((FuzzSetup(family, threads: threads, rules: rules, model: model), share))
        }
      }
    }
    // In another order each time: where time is too short for all, others are left out each time.
    var generator = SplitMix64(seed: UInt64(seed))
    for scenario in Scenario.all.shuffled(using: &generator) {
      parts.append((FuzzSetup(scenario), 0.4 / Double(Scenario.all.count)))
    }
  }

  func run() throws {
    try makeFolder(command.work)
    Console.writeMessage("seed \(seed), \(parts.count) programs, \(command.seconds.digits(0)) s")
    let options =
      ["--work", command.work, "--alarms", command.alarms]
      + (command.options.mutant.map { ["--mutant", $0] } ?? [])
      + (command.runs.map { ["--runs", "\($0)"] } ?? []) + command.corpus
    var results: [FuzzResult] = []
    var status = ToolStatus.pass
    let clock = ContinuousClock()
    let begin = clock.now
    var planned = 0.0
    for (index, part) in parts.enumerated() {
      planned += part.share * command.seconds
      let elapsed = (clock.now - begin) / .seconds(1)
      guard elapsed < command.seconds else { break }
      // Whose predecessors took longer than planned has a moment at least.
      let left = planned - elapsed
      let child = try ChildProcess(
        part.setup, seconds: max(left, 0.2), seed: seed &+ UInt32(index), folder: command.work,
        options: options)
      results += child.results
      if Tool.isInterrupted {
        status = .interrupted
        break
      }
      switch child.status {
      case ToolStatus.pass.rawValue: break
      default:
        if child.results.isEmpty {
          Console.writeMessage("folio-fuzz: \(part.setup.name) ended with status \(child.status)")
        }
        status = .failed
      }
      let executions = results.reduce(0) { $0 + $1.executions }
      ProgressLine.show(
        "\(index + 1)/\(parts.count) programs, \(executions.grouped) executions, "
          + "\(results.count { $0.violation != nil }) violations, "
          + "\(((clock.now - begin) / .seconds(1)).digits(0)) s; last: "
          + (child.results.first?.line ?? part.setup.name))
    }
    ProgressLine.end()
    try ToolReport(results).write(to: command.json)
    summarize(results, (clock.now - begin) / .seconds(1))
    if status != .pass { throw ExitCode(status.rawValue) }
  }

  private func summarize(_ results: [FuzzResult], _ seconds: Double) {
    let executions = results.reduce(0) { $0 + $1.executions }
    let violations = results.filter { $0.violation != nil }
    Console.writeMessage(
      "\(results.count) of \(parts.count) programs, \(executions.grouped) executions, "
        + "\(results.reduce(0) { $0 + $1.inputs }) inputs kept, \(seconds.digits(0)) s: "
        + (violations.isEmpty ? "no violation" : "\(violations.count) VIOLATIONS"))
    for result in violations {
      let found = result.violation!
      Console.writeMessage(
        "  \(result.program): \(found.invariant): \(found.message)\n    folio-lab replay "
          + (found.token ?? "(no token)"))
    }
  }
}
