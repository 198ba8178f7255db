// SPDX-License-Identifier: MIT

// `folio-bench run`.

import ArgumentParser
import FolioBenchmark
import FolioTools

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Measures every operation beside its peers and checks every counter it touched.",
    discussion: """
      EXAMPLES
        folio-bench run --filter 'try_get|pfn-page' --threads 1,2
        folio-bench run --json run.json --plot charts
      """)

  @Flag(help: "Short batches, devices of up to 2^22 pages: less than a minute.")
  var quick = false

  @Option(help: ArgumentHelp("Only operations whose name has a match.", valueName: "RE"))
  var filter: String?

  @Option(
    help: ArgumentHelp("Numbers of threads, with commas between. Default: 1,2.", valueName: "LIST"))
  var threads: ThreadList?

  @Option(
    help: ArgumentHelp(
      "Write the results as JSON; - is standard output (the table then goes to standard error).",
      valueName: "FILE"), completion: .file(extensions: ["json"]))
  var json: String?

  @Option(
    help: ArgumentHelp("Draw charts (SVG and PNG) into a directory.", valueName: "DIR"),
    completion: .directory)
  var plot: String?

  @Flag(help: "A speed gate that does not hold makes the run fail.")
  var gates = false

  @Option(help: ArgumentHelp("Seed of the order in which sides are timed.", valueName: "N"))
  var seed: UInt64?

  /// A self-test of the checks: the run must end with exit status 1 and name the counter.
  @Option(
    name: .customLong("break"),
    help: ArgumentHelp(
      "Self-test: break one operation, which must fail the run.", valueName: "NAME",
      visibility: .hidden))
  var brokenOperation: String?

  func run() throws {
    var options = RunOptions()
    if let seed { options.seed = seed }
    options.isQuick = quick
    options.filter = filter
    options.threads = threads?.counts
    options.jsonPath = json
    options.plotDirectory = plot
    options.failsOnGates = gates
    options.brokenOperation = brokenOperation
    BenchmarkTool.catchInterrupts()
    let output = RunOutput(
      results: Console.writeResult, messages: Console.writeMessage,
      resultStyle: Console.resultStyle, messageStyle: Console.messageStyle,
      showsProgress: Terminal.standardErrorIsTerminal)
    try BenchmarkRun(options, output: output).execute().check()
  }
}

/// `1,2,4`.
struct ThreadList: ExpressibleByArgument {
  let counts: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let counts = parts.compactMap { Int($0) }
    guard !counts.isEmpty, counts.count == parts.count, counts.allSatisfy({ $0 > 0 }) else {
      return nil
    }
    self.counts = counts
  }
}
