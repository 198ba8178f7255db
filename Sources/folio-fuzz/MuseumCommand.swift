// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioFuzz
import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

struct MuseumCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "museum",
    abstract: "Switches each known bug on and lets the fuzzer find it, from nothing.",
    discussion: """
      Each bug is fuzzed in the scenarios that it breaks, under its memory model, without a corpus. The \
      last line says how much of goal L12 is reached; the command fails when it is not.
      """)

  @Option(help: "Only this one.") var mutant: String?
  @Option(help: "Seconds at most, per mutant.") var seconds = 30.0
  @Option(help: "Seed.") var seed: UInt32 = 1
  @Option(help: "Executions per second that are asked for, in millions; 0: not measured.")
  var rate = 0.5
  @Option(help: "Folder for what the runs leave.") var work = ".build-fuzz/museum"
  @Option(help: "Write results to this file; - is standard output.") var json: String?

  /// A result, as reports of the museum carry it.
  struct Entry: Codable {
    var id, title, scenario: String
    var memoryModel: String
    var caught: Bool
    var invariant: String?
    var by = "fuzz"
    var executions: Int
    var seconds: Double

    enum CodingKeys: String, CodingKey {
      case id, title, scenario, caught, invariant, by, executions, seconds
      case memoryModel = "memory_model"
    }
  }

  func validate() throws {
    guard mutant == nil || Mutant.named(mutant!) != nil else {
      throw ValidationError("no mutant is called \(mutant!)")
    }
  }

  func run() throws {
    ProgressLine.begin(isAsked: true)
    try makeFolder(work)
    let mutants = mutant.flatMap(Mutant.named).map { [$0] } ?? Mutant.all
    var entries: [Entry] = []
    for (index, mutant) in mutants.enumerated() {
      if Terminal.standardErrorIsTerminal {
        ProgressLine.show("\(index)/\(mutants.count) \(mutant.id) \(mutant.title)")
      }
      let entry = try visit(mutant)
      ProgressLine.end()
      if Tool.isInterrupted { throw ExitCode(ToolStatus.interrupted.rawValue) }
      entries.append(entry)
      if json != "-" { show(entry) }
    }
    try ToolReport(entries).write(to: json)
    var isReached = finds(entries)
    if mutant == nil, rate > 0 { isReached = try measureRate() && isReached }
    if !isReached { throw ExitCode(ToolStatus.failed.rawValue) }
  }

  /// In its scenarios under all their rules, in turn, with growing shares of the time.
  private func visit(_ mutant: Mutant) throws -> Entry {
    var entry = Entry(
      id: mutant.id, title: mutant.title, scenario: mutant.scenarios.first ?? "",
      memoryModel: mutant.model.rawValue, caught: false, executions: 0, seconds: 0)
    let setups = mutant.scenarios.compactMap(Scenario.named).flatMap { scenario in
      scenario.rules.map { FuzzSetup(scenario, rules: $0, model: mutant.model) }
    }
    var share = 1.0
    var round: UInt32 = 0
    while entry.seconds < seconds, !setups.isEmpty {
      for setup in setups where entry.seconds < seconds {
        let folder = "\(work)/\(mutant.id)"
        if FileManager.default.fileExists(atPath: folder) {
          try FileManager.default.removeItem(atPath: folder)
        }
        try makeFolder(folder)
        let child = try ChildProcess(
          setup, seconds: min(share, seconds - entry.seconds), seed: seed &+ round, folder: folder,
          options: [
            "--quick", "--mutant", mutant.id, "--work", folder, "--alarms", folder, folder,
          ])
        if Tool.isInterrupted { return entry }
        guard let result = child.results.first else {
          // A crash is no report of an oracle.
          entry.seconds += share
          continue
        }
        entry.executions += result.executions
        entry.seconds += result.seconds
        guard let found = result.violation, mutant.expected.contains(found.invariant) else {
          continue
        }
        entry.caught = true
        entry.invariant = found.invariant
        entry.scenario = result.program
        return entry
      }
      share *= 4
      round += 1
    }
    return entry
  }

  private func finds(_ entries: [Entry]) -> Bool {
    let caught = entries.filter(\.caught)
    let times = caught.map(\.seconds).sorted()
    let missing = entries.filter { !$0.caught }.map(\.id)
    Console.writeMessage(
      "\(missing.isEmpty ? "reached" : "MISSED")  L12  asked every mutant found by fuzzing within "
        + "\(seconds.digits(0)) s; reached \(caught.count) of \(entries.count), median "
        + "\((times.isEmpty ? 0 : times[times.count / 2]).digits(3)) s"
        + (missing.isEmpty ? "" : "; not \(missing.joined(separator: " "))"))
    return missing.isEmpty
  }

  /// Of the scenario that rates are compared on.
  private func measureRate() throws -> Bool {
    let scenario = Scenario.named("gup-pin")!
    var rates: [Double] = []
    try makeFolder("\(work)/rate")
    for round in 0..<3 {
      let child = try ChildProcess(
        FuzzSetup(scenario), seconds: 3, seed: seed &+ UInt32(round), folder: work,
        options: ["--work", "\(work)/rate", "--alarms", work, "\(work)/rate"])
      guard let result = child.results.first else { return false }
      rates.append(Double(result.executions) / result.seconds / 1e6)
    }
    let reached = rates.sorted()[1]
    Console.writeMessage(
      "\(reached >= rate ? "reached" : "MISSED")  L12  asked >= \(rate) M executions/s of gup-pin "
        + "under libFuzzer; reached \(reached.digits(2)) M/s")
    return reached >= rate
  }

  private func show(_ e: Entry) {
    let outcome =
      e.caught
      ? "\(e.invariant ?? "") after \(e.executions.grouped) executions, \(e.seconds.digits(2)) s"
      : "NOT CAUGHT in \(e.executions.grouped) executions, \(e.seconds.digits(1)) s"
    print("\(e.id.padding(toLength: 6, withPad: " ", startingAt: 0)) \(e.scenario): \(outcome)")
  }
}
