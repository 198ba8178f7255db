// SPDX-License-Identifier: MIT

// The command line of folio-fuzz: names of subcommands, and how they speak and end.

import ArgumentParser
import FolioLab
import FolioTools
import Foundation

/// libFuzzer runs its own program again for merges, with arguments of its own.
@main
enum Main {
  static func main() {
    if let header = ProcessInfo.processInfo.environment[Worker.variable] {
      Worker.run(header, CommandLine.arguments)
    }
    FolioFuzzTool.runTool()
  }
}

struct FolioFuzzTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "folio-fuzz",
    abstract: "Fuzzes Folio: inputs are a program and the schedule of its threads.",
    discussion: """
      EXAMPLES
        folio-fuzz run                                 all programs in turn, 60 s
        folio-fuzz run --program counters --seconds 600 --memory c11
        folio-fuzz run --program gup-pin --mutant P02  until the planted bug is found
        folio-fuzz replay Fuzz/corpus                  each file once
        folio-fuzz replay .build-fuzz/alarms/CI22-1f0c.input
        folio-fuzz museum                              every bug of the museum within 30 s each
        folio-fuzz merge --into Fuzz/corpus .build-fuzz/corpus/*
        afl-fuzz -i Fuzz/corpus -o out -- folio-fuzz afl --program counters

      EXIT CODES
        0 pass, 1 a violation was found, 64 usage, 66 missing file, 73 cannot create,
        74 cannot write, 77 cannot run here, 130 interrupted
      """,
    version: "folio-fuzz \(Tool.version)",
    subcommands: [
      RunCommand.self, ReplayCommand.self, MuseumCommand.self, MergeCommand.self,
      CoverageCommand.self, AFLCommand.self,
    ],
    defaultSubcommand: RunCommand.self)
}

extension ToolError {
  init(_ error: LabError) {
    switch error {
    case .settings: self.init(.usage, error.description)
    default: self.init(.cannotRun, error.description)
    }
  }
}

/// Ends the process at once: engines have exit handlers of their own.
func leave(_ status: ToolStatus) -> Never {
  var status = status
  if let failure = Console.failure {
    Console.writeMessage("\(Tool.name): \(failure)")
    if status == .pass { status = failure.status }
  }
  _exit(status.rawValue)
}

/// Writes the results first.
func leave(_ status: ToolStatus, writing results: [FuzzResult], to path: String?) -> Never {
  var status = status
  do throws(ToolError) {
    try ToolReport(results).write(to: path)
  } catch {
    Console.writeMessage("\(Tool.name): \(error)")
    status = error.status
  }
  leave(status)
}

func makeFolder(_ path: String) throws(ToolError) {
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    throw ToolError(.cannotCreate, "\(path): \(error.localizedDescription)")
  }
}
