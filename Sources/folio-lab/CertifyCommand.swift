// SPDX-License-Identifier: MIT

// The certificates of all scenarios: earned again and held against the recorded ones, or recorded.

import ArgumentParser
import FolioCore
import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

struct CertifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certify",
    abstract: "Proves every scenario again and compares with the recorded certificates.",
    discussion: """
      A scenario that loses its grade (EXHAUSTIVE, BOUNDED), whose number of classes differs, that does
      not reach what it reached, or that was never recorded fails the command.

      EXAMPLES
        folio-lab certify                             compares; run in the project's root
        folio-lab certify --scenario gup-pin
        folio-lab certify --record                    after a change that is meant
        folio-lab certify --json -                    today's certificates
      """)

  @Option(help: "The recorded certificates.") var certificates = CertificateFile.path
  @Option(help: "Only this scenario.") var scenario: String?
  @Option(help: "Executions at most, per proof; else 400,000 under sc, 20,000 under weak models.")
  var runs: Int?
  @Flag(help: "Write the file instead of comparing with it.") var record = false
  @Option(help: "Write today's certificates to this file; - is standard output.") var json: String?
  @OptionGroup var progress: ProgressOptions

  func validate() throws {
    guard scenario == nil || Scenario.named(scenario!) != nil else {
      throw ValidationError("no scenario is called \(scenario!); `folio-lab list` names them")
    }
    guard runs.map({ $0 > 0 }) ?? true else { throw ValidationError("--runs is at least 1") }
    guard !record || scenario == nil else {
      throw ValidationError("certificates are recorded all together: --record without --scenario")
    }
  }

  func run() throws {
    progress.begin()
    let today = try Self.earn(runs: runs) { scenario == nil || $0.scenario.name == scenario }
    try ToolReport(today).write(to: json)
    if record {
      if let failed = today.first(where: { $0.grade == .failed || !$0.unreached.isEmpty }) {
        throw ToolError(
          .failed, "nothing recorded: \(failed.subject) \(failed.verdict) \(failed.unreached)")
      }
      try CertificateFile.write(today, to: certificates)
      Console.writeMessage("\(today.count) certificates in \(certificates)")
      return
    }
    let recorded = try CertificateFile.read(certificates)
      .filter { scenario == nil || $0.scenario == scenario }
    let comparison = CertificateComparison(recorded: recorded, today: today)
    if json != "-" {
      for gain in comparison.gains { print("won   \(gain); --record keeps it") }
      for loss in comparison.losses { print("LOST  \(loss)") }
    }
    Console.writeMessage(CertificateFile.summary(today, comparison))
    if !comparison.losses.isEmpty { throw ExitCode(ToolStatus.failed.rawValue) }
  }

  /// Earns the certificates of those that are chosen.
  static func earn(
    runs: Int? = nil, of isChosen: (CertificationSubject) -> Bool = { _ in true }
  ) throws -> [Certificate] {
    let subjects = CertificationSubject.all.filter(isChosen)
    var certificates: [Certificate] = []
    for (index, subject) in subjects.enumerated() {
      do throws(LabError) {
        let certificate = try Certificate.earn(subject, executions: runs) {
          ProgressLine.show(
            "certificate \(index + 1)/\(subjects.count) \(subject.name): "
              + "\($0.executions.grouped) executions, \($0.complete.grouped) complete")
          return !Tool.isInterrupted
        }
        certificates.append(certificate)
      } catch {
        throw ToolError(error)
      }
      if Tool.isInterrupted { throw ToolError(.interrupted, "nothing was compared") }
    }
    ProgressLine.end()
    return certificates
  }
}

/// Certificates as the project keeps them: one line each, so that a change of one is a change of a line.
enum CertificateFile {
  static let path = "Tests/FolioLabTests/Golden/Certificates.json"

  private struct Contents: Codable {
    var results: [Certificate]
  }

  static func read(_ path: String) throws -> [Certificate] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ToolError(
        .noInput, "\(path): cannot be read; run in the project's root, or `certify --record` first")
    }
    do {
      return try JSONDecoder().decode(Contents.self, from: data).results
    } catch {
      throw ToolError(.dataError, "\(path): no certificates: \(error)")
    }
  }

  static func write(_ certificates: [Certificate], to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let lines = try certificates.map { certificate in
      var kept = certificate
      // Of one build only, and of one run.
      kept.buildHash = nil
      kept.seconds = (kept.seconds * 1e6).rounded() / 1e6
      return "    " + String(decoding: try encoder.encode(kept), as: UTF8.self)
    }
    let text = """
      {
        "schema": 1,
        "tool": "folio-lab",
        "results": [
      \(lines.joined(separator: ",\n"))
        ]
      }

      """
    try ReportFile(path).write(Data(text.utf8))
  }

  static func summary(_ today: [Certificate], _ comparison: CertificateComparison) -> String {
    let proved = today.count { $0.grade == .exhaustive }
    let classes = today.reduce(0) { $0 + $1.classes }
    return "\(today.count) certificates, \(proved) EXHAUSTIVE, \(classes.grouped) classes; "
      + "\(comparison.losses.count) lost, \(comparison.gains.count) won"
  }
}
