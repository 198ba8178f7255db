// SPDX-License-Identifier: MIT

// `folio-bench compare` and `folio-bench list`.

import ArgumentParser
import FolioBenchmark
import FolioTools
import FolioWorkloads

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compares two JSON reports of run.",
    discussion: """
      Ratios to a peer are compared where both reports have them, medians elsewhere. With
      --fail-over a result that only the old report has is a failure too.

      EXAMPLES
        folio-bench compare before.json after.json --fail-over 10
      """)

  @Argument(
    help: ArgumentHelp("The report to compare with.", valueName: "OLD.json"),
    completion: .file(extensions: ["json"]))
  var old: String

  @Argument(
    help: ArgumentHelp("The report to judge.", valueName: "NEW.json"),
    completion: .file(extensions: ["json"]))
  var new: String

  @Option(
    help: ArgumentHelp("Exit 1 when something is slower by more, or lost.", valueName: "PERCENT"))
  var failOver: Double?

  func run() throws {
    try Comparison.run(
      oldPath: old, newPath: new, failOver: failOver, style: Console.resultStyle,
      print: Console.writeResult
    ).check()
  }
}

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Lists the operations that run measures, with their peers, and stress scenarios.")

  @Option(
    help: ArgumentHelp("Only operations whose name has a match; no scenarios.", valueName: "RE"))
  var filter: String?

  func run() throws {
    let operations = try BenchmarkRun.select(Catalog.operations, filter: filter)
    Console.writeResult(Catalog.listing(operations))
    if filter == nil {
      Console.writeResult("\nstress --scenario\n\n" + StressScenario.listing())
    }
  }
}
