// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioBenchmark
import FolioLab
import FolioWorkloads
import Foundation

struct MuseumCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "museum", abstract: "Switches each known bug on and finds it again.",
    discussion: """
      Bugs that kernels had, nearly had or could have, and weakened memory
      orders; each is one line at its site. One line of output for each: what
      was violated, which search found it, how small the failing execution is.

      EXAMPLES
        folio-lab museum
        folio-lab museum --mutant C39
        folio-lab museum --seconds 10 --json museum.json

      The same bugs under plain stress, on native threads:
        folio-bench stress --mutant C39
      """)

  @Option(help: "Only this one.") var mutant: String?
  @Option(help: "Seconds at most, per mutant.") var seconds = 60.0
  @Option(help: "Seed of random searches.") var seed: UInt64 = 1
  @Option(help: "Share of mutants that must be caught, in percent.") var atLeast = 95.0
  @Option(help: "Write results to this file; - is standard output.") var json: String?

  /// A result, as reports carry it.
  struct Entry: Codable {
    var id, title: String
    var caught: Bool
    var by: String?
    var invariant: String?
    var scenario: String
    var executions: Int
    var seconds, shrinkSeconds: Double
    var preemptions, steps: Int?
    var token: String?

    enum CodingKeys: String, CodingKey {
      case id, title, caught, by, invariant, scenario, executions, seconds, preemptions, steps
      case token
      case shrinkSeconds = "shrink_seconds"
    }
  }

  func run() throws {
    guard mutant == nil || Mutant.named(mutant!) != nil else {
      throw ValidationError("no mutant is called \(mutant!)")
    }
    let mutants = mutant.flatMap(Mutant.named).map { [$0] } ?? Mutant.all
    var entries: [Entry] = []
    for (index, mutant) in mutants.enumerated() {
      Output.progress("\(index)/\(mutants.count) \(mutant.id) \(mutant.title)")
      do throws(LabError) {
        let result = try Museum.visit(mutant, seed: seed, seconds: seconds)
        entries.append(Self.entry(result))
      } catch {
        throw Output.stop(error)
      }
      Output.endProgress()
      if json != "-" { show(entries[entries.count - 1]) }
    }
    try Output.write(entries, to: json)
    let caught = entries.count(where: \.caught)
    let times = entries.filter(\.caught).map(\.seconds).sorted()
    let median = times.isEmpty ? 0 : times[times.count / 2]
    Output.message("\(caught) of \(entries.count) caught, median \(median.digits(4)) s")
    if Double(caught) * 100 < atLeast * Double(entries.count) {
      throw ExitCode(ToolStatus.failed.rawValue)
    }
  }

  private static func entry(_ result: MuseumResult) -> Entry {
    Entry(
      id: result.mutant.id, title: result.mutant.title, caught: result.isCaught,
      by: result.by?.name, invariant: result.finding?.invariant, scenario: result.scenario,
      executions: result.executions, seconds: result.seconds, shrinkSeconds: result.shrinkSeconds,
      preemptions: result.preemptions, steps: result.finding?.trace.steps.count,
      token: result.token)
  }

  private func show(_ e: Entry) {
    let outcome =
      e.caught
      ? "\(e.invariant ?? "") by \(e.by ?? "") after \(e.executions.grouped) executions, "
        + "\(e.seconds.digits(4)) s; \(e.preemptions ?? 0) preemptions, \(e.steps ?? 0) steps"
      : "NOT CAUGHT in \(e.executions.grouped) executions, \(e.seconds.digits(1)) s"
    print("\(e.id.padding(toLength: 6, withPad: " ", startingAt: 0)) \(e.scenario): \(outcome)")
  }
}
