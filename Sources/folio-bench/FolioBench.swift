// SPDX-License-Identifier: MIT

// The command line of folio-bench: names of subcommands and what they have in common. What they do
// is in the library target FolioBenchmark.

import ArgumentParser
import FolioBenchmark
import Glibc
import Synchronization

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
  /// The first result that could not be written: the run goes on, its files may still be made.
  private static let failure = Mutex<ToolError?>(nil)

  static func writeResult(_ text: String) {
    do throws(ToolError) {
      try StandardStream.write(ended(text), to: STDOUT_FILENO, name: "standard output")
    } catch {
      failure.withLock { $0 = $0 ?? error }
    }
  }

  /// Nobody can be told when standard error does not take it.
  static func writeMessage(_ text: String) {
    do throws(ToolError) {
      try StandardStream.write(ended(text), to: STDERR_FILENO, name: "standard error")
    } catch {}
  }

  private static func ended(_ text: String) -> String {
    text.hasSuffix("\n") ? text : text + "\n"
  }

  static var resultStyle: TextStyle {
    TextStyle(usesColor: Terminal.standardOutputIsTerminal && Terminal.allowsColor)
  }

  static var messageStyle: TextStyle {
    TextStyle(usesColor: Terminal.standardErrorIsTerminal && Terminal.allowsColor)
  }

  /// Runs the body and ends the process with what it says, or with what kept its results back.
  static func finish(_ body: () throws(ToolError) -> ToolStatus) throws {
    var status: ToolStatus
    do throws(ToolError) {
      status = try body()
    } catch {
      writeMessage("folio-bench: \(error)")
      status = error.status
    }
    if let failure = failure.withLock({ $0 }) {
      writeMessage("folio-bench: \(failure)")
      if status == .pass { status = failure.status }
    }
    if status != .pass { throw ExitCode(status.rawValue) }
  }
}
