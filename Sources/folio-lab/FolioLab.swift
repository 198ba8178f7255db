// SPDX-License-Identifier: MIT

// The command line of folio-lab: names of subcommands and what they have in common.

import ArgumentParser
import FolioBenchmark
import FolioLab
import FolioWorkloads
import Foundation

@main
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
    version: "folio-lab \(BenchmarkTool.version)",
    subcommands: [
      ListCommand.self, ExploreCommand.self, MuseumCommand.self, ReplayCommand.self,
      MergeCommand.self, CertifyCommand.self, GoalsCommand.self, SitesCommand.self,
    ],
    defaultSubcommand: ListCommand.self)
}

/// Output and exit codes.
enum Output {
  static func message(_ text: String) {
    error(text + "\n")
  }

  /// Ends with exit code and message.
  static func stop(_ status: ToolStatus, _ text: String) -> ExitCode {
    message("folio-lab: \(text)")
    return ExitCode(status.rawValue)
  }

  static func stop(_ error: LabError) -> ExitCode {
    switch error {
    case .settings: stop(.usage, error.description)
    default: stop(.cannotRun, error.description)
    }
  }

  /// One object for all results, as every tool of the package writes it.
  struct Report<Result: Codable>: Codable {
    var schema = 1
    var tool = "folio-lab"
    var version = BenchmarkTool.version
    var host = HostDescription.current
    var results: [Result]
  }

  static func write<Result: Codable>(_ results: [Result], to path: String?) throws {
    guard let path else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(Report(results: results)) + Data("\n".utf8)
    if path == "-" {
      FileHandle.standardOutput.write(data)
      return
    }
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw stop(.cannotCreate, "\(path): \(error.localizedDescription)")
    }
  }

  static func read<Result: Codable>(_ path: String, of type: Result.Type) throws -> [Result] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw stop(.noInput, "\(path): cannot be read")
    }
    do {
      return try JSONDecoder().decode(Report<Result>.self, from: data).results
    } catch {
      throw stop(.dataError, "\(path): not a report of folio-lab: \(error)")
    }
  }

  /// As it is, to standard error.
  static func error(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}

extension Double {
  /// With so many digits behind the point.
  func digits(_ count: Int) -> String { String(format: "%.\(count)f", self) }
}

extension Int {
  /// 1_234_567 as 1,234,567.
  var grouped: String {
    var (digits, text) = (Array(String(magnitude)), "")
    while digits.count > 3 {
      text = "," + String(digits.suffix(3)) + text
      digits.removeLast(3)
    }
    return (self < 0 ? "-" : "") + String(digits) + text
  }
}
