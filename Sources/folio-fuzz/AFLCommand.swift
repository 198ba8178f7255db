// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioFuzz
import FolioLab
import FolioTools
import Foundation

struct AFLCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "afl",
    abstract: "What afl-fuzz runs: inputs in persistent mode.",
    discussion: """
      `Tools/fuzz.sh --afl` links AFL++'s run-time library and calls afl-fuzz. A violation aborts the \
      process, which afl-fuzz takes for a crash; `folio-fuzz replay` shows what it was.
      """)

  @OptionGroup(title: "Programs") var options: SetupOptions
  @Option(help: "Inputs of one process.") var inputs: UInt32 = 100_000

  func run() throws {
    guard let setup = options.setup else {
      throw ToolError(.usage, "afl needs one program: --program counters")
    }
    do throws(LabError) {
      let session = try FuzzSession(setup, mutant: options.switched, takesAll: true)
      session.alarm = { _, _, finding in
        Console.writeMessage("\(finding.invariant): \(finding.message)")
        abort()
      }
      guard session.runAFL(inputs: inputs) else {
        throw LabError.settings("built without AFL++; use `Tools/fuzz.sh --afl`")
      }
    } catch {
      throw ToolError(.cannotRun, error.description)
    }
  }
}
