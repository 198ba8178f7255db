// SPDX-License-Identifier: MIT

// The command line of folio-fuzz: names of subcommands, and how they speak and end.

import ArgumentParser
import FolioBenchmark
import FolioLab
import Foundation

/// libFuzzer runs its own program again for merges, with arguments of its own.
@main
enum Main {
  static func main() {
    if let header = ProcessInfo.processInfo.environment[Worker.variable] {
      Worker.run(header, CommandLine.arguments)
    }
    FolioFuzzTool.main()
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
        folio-fuzz run --program gup-pin --mutant C01  until the planted bug is found
        folio-fuzz replay Fuzz/corpus                  each file once
        folio-fuzz replay .build-fuzz/alarms/CI22-1f0c.input
        folio-fuzz museum                              every bug of the museum within 30 s each
        folio-fuzz merge --into Fuzz/corpus .build-fuzz/corpus/*
        afl-fuzz -i Fuzz/corpus -o out -- folio-fuzz afl --program counters

      EXIT CODES
        0 pass, 1 a violation was found, 64 usage, 66 missing file, 73 cannot create,
        77 cannot run here, 130 interrupted
      """,
    version: "folio-fuzz \(BenchmarkTool.version)",
    subcommands: [
      RunCommand.self, ReplayCommand.self, MuseumCommand.self, MergeCommand.self,
      CoverageCommand.self, AFLCommand.self,
    ],
    defaultSubcommand: RunCommand.self)
}

/// Output and exit codes.
enum Output {
  static func message(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  /// Ends with exit code and message.
  static func stop(_ status: ToolStatus, _ text: String) -> ExitCode {
    message("folio-fuzz: \(text)")
    return ExitCode(status.rawValue)
  }

  static func stop(_ error: LabError) -> ExitCode {
    switch error {
    case .settings: stop(.usage, error.description)
    default: stop(.cannotRun, error.description)
    }
  }

  /// Ends the process at once: engines have exit handlers of their own.
  static func exit(_ status: ToolStatus) -> Never {
    fflush(nil)
    _exit(status.rawValue)
  }

  /// Writes the results first.
  static func exit(_ status: ToolStatus, writing results: [FuzzResult], to path: String?) -> Never {
    do {
      try FuzzReport(results).write(to: path)
    } catch {
      exit(.cannotCreate)
    }
    exit(status)
  }

  static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw stop(.cannotCreate, "\(path): \(error.localizedDescription)")
    }
  }

  /// A line on a terminal that is written over; elsewhere a line.
  static func progress(_ text: String) {
    if Terminal.standardErrorIsTerminal {
      FileHandle.standardError.write(Data("\r\u{1b}[2K\(text)".utf8))
    } else {
      message(text)
    }
  }

  static func endProgress() {
    if Terminal.standardErrorIsTerminal { progress("") }
  }
}

extension Double {
  /// With so many digits behind the point.
  func digits(_ count: Int) -> String { String(format: "%.\(count)f", self) }
}

extension Int {
  /// 1_234_567 as 1,234,567.
  var grouped: String {
    var (digits, grouped) = (Array(String(magnitude)), "")
    while digits.count > 3 {
      grouped = "," + String(digits.suffix(3)) + grouped
      digits.removeLast(3)
    }
    return (self < 0 ? "-" : "") + String(digits) + grouped
  }
}
