// SPDX-License-Identifier: MIT

// The command line of folio-bench: names of subcommands and what they have in common. What they do
// is in the library target FolioBenchmark.

import ArgumentParser
import FolioBenchmark
import Foundation

@main
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
    version: "folio-bench \(BenchmarkTool.version)",
    subcommands: [RunCommand.self, CompareCommand.self, ListCommand.self, Stress.self],
    defaultSubcommand: RunCommand.self)
}

/// Standard streams, and leaving with an exit status.
enum Console {
  static func writeResult(_ text: String) {
    FileHandle.standardOutput.write(Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
  }

  static func writeMessage(_ text: String) {
    FileHandle.standardError.write(Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
  }

  static var resultStyle: TextStyle {
    TextStyle(usesColor: Terminal.standardOutputIsTerminal && Terminal.allowsColor)
  }

  static var messageStyle: TextStyle {
    TextStyle(usesColor: Terminal.standardErrorIsTerminal && Terminal.allowsColor)
  }

  /// Runs the body and ends the process with what it says.
  static func finish(_ body: () throws(ToolError) -> ToolStatus) throws {
    let status: ToolStatus
    do throws(ToolError) {
      status = try body()
    } catch {
      writeMessage("folio-bench: \(error)")
      throw ExitCode(error.status.rawValue)
    }
    if status != .pass { throw ExitCode(status.rawValue) }
  }
}
