// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioLab
import FolioTools

struct SitesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sites",
    abstract: "Lists places that touch shared words and that no scenario comes to.",
    discussion: """
      Walks through all scenarios under all of their rules, and through the bugs of the museum. A place
      that is never reached fails the command unless Sites+Unreachable.swift says why.

      EXAMPLES
        folio-lab sites                   what is never reached, and why
        folio-lab sites --all             every place, with how it was reached
        folio-lab sites --walks 3000      longer walks
      """)

  @Option(help: "Executions of each of three kinds of walk, per scenario.") var walks = 300
  @Flag(help: "List every place.") var all = false
  @Option(help: "Write the places to this file; - is standard output.") var json: String?

  /// A place, as reports carry it.
  struct Entry: Codable {
    var file, function, text: String
    var reach: String
    var reason: String?
  }

  func run() throws {
    let census: SiteCensus
    do throws(LabError) {
      census = try SiteCensus.take(walks: walks) { ProgressLine.show("sites: \($0)") }
    } catch {
      throw ToolError(error)
    }
    ProgressLine.end()
    let entries = census.reach.sorted { $0.key < $1.key }.map { site, reach in
      Entry(
        file: site.file, function: site.function, text: site.text, reach: "\(reach)",
        reason: Unreachable.all.first { $0.site == site }?.reason)
    }
    if json != "-" {
      for entry in entries where all || entry.reach == "\(SiteCensus.Reach.never)" {
        print("\(entry.file): \(entry.function): \(entry.text)")
        print("  \(entry.reach == "never" ? entry.reason ?? "NEVER REACHED" : entry.reach)")
      }
      for site in census.wronglyExcused {
        print("\(site.file): \(site.function): \(site.text)\n  SAID TO BE UNREACHABLE, AND IS NOT")
      }
    }
    try ToolReport(entries).write(to: json)
    let never = census.sites(.never).count
    Console.writeMessage(
      "\(entries.count) places, \(census.sites(.byThread).count) reached by threads, "
        + "\(census.sites(.outside).count) only in setting up, looking and taking down, "
        + "\(census.sites(.byMutant).count) only by bugs of the museum, \(never) never, of which "
        + "\(never - census.unexplained.count) cannot be")
    if !census.unexplained.isEmpty || !census.wronglyExcused.isEmpty {
      throw ExitCode(ToolStatus.failed.rawValue)
    }
  }
}
