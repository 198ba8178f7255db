// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioCore
import FolioFuzz
import FolioLab
import FolioTools
import FolioWorkloads

struct CoverageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage",
    abstract: "How many of the racing pairs that there are a corpus executes.",
    discussion: """
      A pair is two places in the source that touch one word in conflict, by different threads, one \
      directly behind the other. What there are is known where all classes of a scenario can be \
      searched; elsewhere it is the product of the places that touched one word, an upper bound.
      """)

  @Option(help: "Seconds at most for the classes of one scenario.") var seconds = 2.0
  @Flag(help: "Name the pairs that no input executes.") var missing = false
  @Option(help: "Write results to this file; - is standard output.") var json: String?
  @Argument(help: "Folders of inputs.") var corpus = ["Fuzz/corpus"]

  struct Entry: Codable {
    var program: String
    var size: Int
    var rules: String
    var memoryModel: String
    var inputs, reached, possible: Int
    /// All classes were searched: `possible` is no bound.
    var exact: Bool
    var missing: [[String]]

    enum CodingKeys: String, CodingKey {
      case program, size, rules, inputs, reached, possible, exact, missing
      case memoryModel = "memory_model"
    }
  }

  func run() throws {
    var entries: [Entry] = []
    do throws(FuzzCorpus.Failure) {
      for (setup, inputs) in try FuzzCorpus(corpus).bySetup {
        do throws(LabError) {
          let coverage = try FuzzCoverage(setup, inputs: inputs.map(\.bytes), seconds: seconds)
          entries.append(show(coverage))
        } catch {
          throw .lab(error)
        }
      }
    } catch {
      throw ToolError(error)
    }
    for isExact in [true, false] {
      let part = entries.filter { $0.exact == isExact }
      let (reached, possible) = (
        part.reduce(0) { $0 + $1.reached }, part.reduce(0) { $0 + $1.possible }
      )
      Console.writeMessage(
        "\(reached.grouped) of \(possible.grouped) racing pairs in \(part.count) programs "
          + (isExact ? "whose classes are all known" : "with an upper bound"))
    }
    try ToolReport(entries).write(to: json)
  }

  private func show(_ coverage: FuzzCoverage) -> Entry {
    let setup = coverage.setup
    if json != "-" {
      print(
        "\(setup.name): \(coverage.reached.count) of \(coverage.possible.count) pairs"
          + "\(coverage.isExact ? "" : " at most"), \(coverage.inputs) inputs")
      if missing {
        for pair in coverage.missing.sorted(by: { ($0.first, $0.second) < ($1.first, $1.second) }) {
          print("  \(pair.first)\n    then \(pair.second)")
        }
      }
    }
    return Entry(
      program: setup.programName, size: setup.size, rules: setup.rules.rawValue,
      memoryModel: setup.model.rawValue, inputs: coverage.inputs, reached: coverage.reached.count,
      possible: coverage.possible.count, exact: coverage.isExact,
      missing: coverage.missing.map { [$0.first, $0.second] })
  }
}
