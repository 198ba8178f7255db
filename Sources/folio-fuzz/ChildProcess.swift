// SPDX-License-Identifier: MIT

// A run of this tool in a process of its own: libFuzzer ends its process, and a world that crashes
// takes nothing with it.

import ArgumentParser
import FolioCore
import FolioFuzz
import FolioTools
import FolioWorkloads
import Foundation

/// What became of it.
struct ChildProcess {
  let status: Int32
  let results: [FuzzResult]

  /// Runs `folio-fuzz run` on one setup and waits for its end.
  ///
  /// - Parameter folder: where it leaves its output and its results.
  init(
    _ setup: FuzzSetup, seconds: Double, seed: UInt32, folder: String, options: [String]
  ) throws {
    let json = "\(folder)/result.json"
    if FileManager.default.fileExists(atPath: json) {
      try FileManager.default.removeItem(atPath: json)
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments =
      [
        "run", "--program", setup.programName, "--size", "\(setup.size)", "--rules",
        setup.rules.rawValue, "--memory", setup.model.rawValue, "--seconds", "\(seconds)",
        "--seed", "\(seed)", "--json", json,
      ] + options
    // What libFuzzer says is of use when the process crashed, and only then.
    let log = "\(folder)/last.log"
    guard FileManager.default.createFile(atPath: log, contents: nil),
      let output = FileHandle(forWritingAtPath: log)
    else {
      throw ToolError(.cannotCreate, "\(log): cannot be written")
    }
    process.standardOutput = output
    process.standardError = output
    do {
      try process.run()
    } catch {
      throw ToolError(.cannotRun, "\(error.localizedDescription)")
    }
    process.waitUntilExit()
    status = process.terminationStatus
    // A process that crashed leaves none.
    let hasResults = FileManager.default.fileExists(atPath: json)
    results = hasResults ? try ToolReport<FuzzResult>(contentsOf: json).results : []
    if status == ToolStatus.cannotRun.rawValue || (status != 0 && results.isEmpty) {
      ProgressLine.end()
      Console.writeMessage(try String(contentsOfFile: log, encoding: .utf8))
    }
    if status == ToolStatus.cannotRun.rawValue { throw ExitCode(status) }
  }
}
