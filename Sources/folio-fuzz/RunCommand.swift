// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioFuzz
import FolioLab
import FolioTools
import Foundation

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Lets libFuzzer look for violations.")

  @OptionGroup(title: "Programs") var options: SetupOptions
  @Option(help: "Seconds at most.") var seconds = 60.0
  @Option(help: "Executions at most, per program.") var runs: Int?
  @Option(help: "Seed; else another one each time.") var seed: UInt32?
  @Option(help: "Folder for new inputs that reach something new.")
  var work = ".build-fuzz/corpus"
  @Option(help: "Folder for what is known of violations.") var alarms = ".build-fuzz/alarms"
  @Option(help: "Write results to this file; - is standard output.") var json: String?
  @Flag(help: "Neither shrink a violation nor write what is known of it.") var quick = false
  @Argument(help: "Folders of inputs to begin with.") var corpus = ["Fuzz/corpus"]

  func validate() throws {
    guard seconds > 0 else { throw ValidationError("--seconds is above 0, as in --seconds 60") }
    guard runs ?? 1 > 0 else { throw ValidationError("--runs is above 0, as in --runs 100000") }
  }

  func run() throws {
    for path in corpus where !FileManager.default.fileExists(atPath: path) {
      throw ToolError(.noInput, "\(path): there is no such folder")
    }
    let seed = seed ?? UInt32.random(in: 1...UInt32.max)
    ProgressLine.begin(isAsked: true)
    guard let setup = options.setup else {
      try FuzzPlan(self, seed: seed).run()
      return
    }
    let session: FuzzSession
    do throws(LabError) {
      session = try FuzzSession(setup, mutant: options.switched)
    } catch {
      throw ToolError(error)
    }
    let folder = "\(work)/\(setup.name.replacingOccurrences(of: " ", with: "-"))"
    for path in [folder, alarms] { try makeFolder(path) }
    Console.writeMessage("seed \(seed), \(setup.name)")
    let known = Self.files(folder)
    func result(_ status: FuzzStatus) -> FuzzResult {
      FuzzResult(session, status, inputs: max(0, Self.files(folder) - known))
    }
    let json = json
    let limits = (seconds: seconds, runs: runs ?? .max)
    func end(_ status: FuzzStatus, _ code: ToolStatus) -> Never {
      ProgressLine.end()
      let result = result(status)
      if json != "-" { print("no violation; \(result.line)") }
      leave(code, writing: [result], to: json)
    }
    var next = 1.0
    session.look = { status in
      if Tool.isInterrupted { end(status, .interrupted) }
      if status.seconds >= limits.seconds || status.executions >= limits.runs { end(status, .pass) }
      if status.seconds >= next {
        next = status.seconds + 1
        ProgressLine.show(result(status).line)
      }
    }
    let files = AlarmFiles(folder: alarms)
    let quick = quick
    session.alarm = { session, input, finding in
      var result = result(session.status)
      ProgressLine.end()
      Console.writeMessage(result.line)
      if quick {
        result.violation = .init(invariant: finding.invariant, message: finding.message)
        leave(.failed, writing: [result], to: json)
      }
      session.close()
      files.report(session, input, finding, result, to: json)
    }
    session.runLibFuzzer(
      [
        "folio-fuzz", "-seed=\(seed)", "-max_len=\(setup.decisionsOffset + 384)", "-verbosity=0",
        "-use_counters=0",  // that a pair was reached counts, not how often: a twentieth faster
        "-timeout=120", "-rss_limit_mb=0", "-handle_int=0", "-handle_term=0", "-reload=0",
        "-detect_leaks=0", "-error_exitcode=1", "-artifact_prefix=\(alarms)/", folder,
      ] + corpus)
    throw ToolError(.cannotRun, "built without libFuzzer; use `make fuzz`")
  }

  private static func files(_ folder: String) -> Int {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).count
    } catch {
      return 0
    }
  }
}
