// SPDX-License-Identifier: MIT

// Every bug of the museum, switched on and found again. What is written of each is in MuseumEntry.swift.

import ArgumentParser
import FolioLab
import FolioTools
import FolioWorkloads

struct MuseumCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "museum", abstract: "Switches each known bug on and finds it again.",
    discussion: """
      Of each bug: which engine caught it and which check noticed, after how many executions and how
      long, the preemptions of its smallest failing execution, the least PCT depth that fails, and
      how likely each walk is to fail, with 95 % intervals. The command fails when fewer are caught
      than --at-least asks of those that can be expressed, or when PCT fails less often than it
      promises, by more than chance explains.

      EXAMPLES
        folio-lab museum                              all of them; about a minute and a half
        folio-lab museum --mutant C01
        folio-lab museum --search classes --seconds 10
        folio-lab museum --no-odds                    no rates, no depth
        folio-lab museum --json -                     with the entries that cannot be expressed

      The same bugs under plain stress, on native threads:
        folio-bench stress --mutant C39
      """)

  @Option(help: "Only this one.") var mutant: String?
  @Option(help: "Search by this alone; as in explore.") var search = "portfolio"
  @Option(help: "Seconds at most, per mutant.") var seconds = 60.0
  @Option(help: "Seed of random searches.") var seed: UInt64 = 1
  @Option(help: "Share of expressible mutants that must be caught, in percent.") var atLeast = 95.0
  @Flag(inversion: .prefixedNo, help: "Measure how likely each walk is to fail.") var odds = true
  @Option(help: "Executions of each walk at most, for its rate.") var oddsRuns = 5_000
  @Option(help: "Seconds of each walk at most, for its rate.") var oddsSeconds = 0.05
  @Option(help: "Write results to this file; - is standard output.") var json: String?
  @OptionGroup var progress: ProgressOptions

  func validate() throws {
    guard mutant == nil || Mutant.named(mutant!) != nil else {
      throw ValidationError("no mutant is called \(mutant!); `folio-lab list` names them")
    }
    guard search == "portfolio" || Search(name: search) != nil else {
      throw ValidationError("no search is called \(search)")
    }
    guard seconds > 0, oddsSeconds > 0, oddsRuns > 0, 0...100 ~= atLeast else {
      throw ValidationError("seconds and runs are above 0, shares at most 100")
    }
  }

  func run() throws {
    progress.begin()
    let mutants = mutant.flatMap(Mutant.named).map { [$0] } ?? Mutant.all
    var entries: [MuseumEntry] = []
    if json != "-" { print(MuseumEntry.header) }
    for (index, mutant) in mutants.enumerated() where !Tool.isInterrupted {
      do throws(LabError) {
        entries.append(try entry(mutant, "\(index + 1)/\(mutants.count)"))
      } catch {
        throw ToolError(error)
      }
      ProgressLine.end()
      if json != "-" { entries.last!.lines.forEach { print($0) } }
    }
    if mutant == nil { entries += MuseumEntry.withoutMutants }
    try ToolReport(entries).write(to: json)
    try judge(entries)
  }

  private func entry(_ mutant: Mutant, _ number: String) throws(LabError) -> MuseumEntry {
    let result = try Museum.visit(
      mutant, search: Search(name: search), seed: seed, seconds: seconds
    ) { now in
      ProgressLine.show(
        "\(number) \(mutant.id) \(mutant.title): \(now.executions.grouped) executions")
      return !Tool.isInterrupted
    }
    guard odds, result.isCaught, !Tool.isInterrupted else {
      return MuseumEntry(result, nil, search: search)
    }
    ProgressLine.show("\(number) \(mutant.id): how likely each walk fails")
    let report = try Museum.odds(
      of: result, executions: oddsRuns, seconds: oddsSeconds, seed: seed)
    return MuseumEntry(result, report, search: search)
  }

  private func judge(_ entries: [MuseumEntry]) throws {
    let summary = MuseumSummary(entries)
    Console.writeMessage(summary.text)
    if odds {
      Console.writeMessage(
        "rates from at most \(oddsRuns.grouped) executions and \(oddsSeconds) s of each walk; "
          + summary.promise)
    }
    if Tool.isInterrupted { throw ExitCode(ToolStatus.interrupted.rawValue) }
    if summary.share < atLeast || !summary.broken.isEmpty {
      throw ExitCode(ToolStatus.failed.rawValue)
    }
  }
}
