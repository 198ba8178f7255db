// SPDX-License-Identifier: MIT

// The command line of folio-bench: names of subcommands and what they have in common. What they do
// is in the library target FolioBenchmark.

import ArgumentParser
import FolioBenchmark
import FolioTools

@main
enum Main {
  static func main() { FolioBench.runTool() }
}

struct FolioBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "folio-bench",
    abstract: "Checks and measures the reference-count paths of Folio beside their peers.",
    discussion: """
      EXAMPLES
        folio-bench run                          everything, a few minutes
        folio-bench run --quick --json -         short, as JSON on standard output
        folio-bench run --filter '^folio_' --threads 1
        folio-bench compare old.json new.json --fail-over 10
        folio-bench stress --rules strict --threads 4 --seconds 60

      EXIT CODES
        0 pass, 1 a check failed, 64 usage, 65 bad data file, 66 missing file,
        71 threads or memory refused, 73 cannot create, 74 cannot write, 77 cannot run here,
        130 interrupted
      """,
    version: "folio-bench \(Tool.version)",
    subcommands: [RunCommand.self, CompareCommand.self, ListCommand.self, Stress.self],
    defaultSubcommand: RunCommand.self)
}

extension Console {
  static var resultStyle: TextStyle {
    TextStyle(usesColor: Terminal.standardOutputIsTerminal && Terminal.allowsColor)
  }

  static var messageStyle: TextStyle {
    TextStyle(usesColor: Terminal.standardErrorIsTerminal && Terminal.allowsColor)
  }
}

extension ToolStatus {
  /// Ends the command with this status, unless that is `pass`.
  func check() throws {
    if self != .pass { throw ExitCode(rawValue) }
  }
}
