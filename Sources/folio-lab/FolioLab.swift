// SPDX-License-Identifier: MIT

// The command line of folio-lab: names of subcommands and what they have in common.

import ArgumentParser
import FolioLab
import FolioTools

@main
enum Main {
  static func main() { FolioLabTool.runTool() }
}

struct FolioLabTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "folio-lab",
    abstract: "Explores the interleavings of Folio's own code.",
    discussion: """
      EXAMPLES
        folio-lab list                                scenarios
        folio-lab explore gup-pin                     every search in turn, 10 s
        folio-lab explore gup-pin --size 3 --search classes
        folio-lab explore gup-pin --size 5 --search states
        folio-lab explore all --seconds 5 --json -
        folio-lab explore gup-pin --size 3 --search classes --shard 1/4 \\
          --json part1.json
        folio-lab merge part*.json
        folio-lab museum                              finds each known bug again
        folio-lab museum --mutant C01
        folio-lab replay folio:v1:...
        folio-lab certify                             all scenarios against their certificates
        folio-lab goals                               the lab against its promises
        folio-lab sites                               places that no scenario comes to

      EXIT CODES
        0 pass, 1 a check failed, 64 usage, 65 bad data file, 66 missing file,
        73 cannot create, 77 cannot run here, 130 interrupted
      """,
    version: "folio-lab \(Tool.version)",
    subcommands: [
      ListCommand.self, ExploreCommand.self, MuseumCommand.self, ReplayCommand.self,
      MergeCommand.self, CertifyCommand.self, GoalsCommand.self, SitesCommand.self,
    ],
    defaultSubcommand: ListCommand.self)
}

extension ToolError {
  init(_ error: LabError) {
    switch error {
    case .settings: self.init(.usage, error.description)
    default: self.init(.cannotRun, error.description)
    }
  }
}

extension ToolReport {
  /// What folio-lab found.
  init(_ results: [Result]) { self.init(tool: "folio-lab", results: results) }
}
