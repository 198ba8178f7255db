// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioFuzz
import FolioLab
import FolioTools
import Foundation

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Makes a small corpus of large ones: inputs shortened, then libFuzzer's -merge=1.")

  @Option(help: "The folder of the corpus, which is taken into account and replaced.")
  var into: String
  @Option(help: "Inputs of one program at most.") var most = 100
  @Option(help: "Folder for what is made on the way.") var work = ".build-fuzz/merge"
  @Argument(help: "Folders of inputs.") var folders: [String]

  func run() throws {
    try makeFolder(into)
    let corpus: FuzzCorpus
    do throws(FuzzCorpus.Failure) {
      corpus = try FuzzCorpus([into] + folders)
    } catch {
      throw ToolError(error)
    }
    if FileManager.default.fileExists(atPath: work) {
      try FileManager.default.removeItem(atPath: work)
    }
    var merged: [(name: String, bytes: [UInt8])] = []
    for (setup, inputs) in corpus.bySetup {
      let short: [[UInt8]]
      do throws(LabError) {
        short = try FuzzWorld.shortened(inputs.map(\.bytes), setup)
      } catch {
        throw ToolError(error)
      }
      let kept = try merge(setup, short)
      Console.writeMessage(
        "\(setup.name): \(inputs.count) inputs, \(short.count) pass, \(kept.count) kept")
      merged += kept
    }
    // Only now that everything went well.
    for (path, _) in try FuzzCorpus([into]).inputs {
      try FileManager.default.removeItem(atPath: path)
    }
    for (name, bytes) in merged {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(into)/\(name)"))
    }
    let size = merged.reduce(0) { $0 + $1.bytes.count }
    print("\(merged.count) inputs, \(size.grouped) bytes in \(into)")
  }

  /// What libFuzzer keeps of these inputs, which are all for one setup.
  private func merge(_ setup: FuzzSetup, _ inputs: [[UInt8]]) throws -> [(String, [UInt8])] {
    let (from, to) = ("\(work)/from", "\(work)/to")
    for folder in [from, to] {
      if FileManager.default.fileExists(atPath: folder) {
        try FileManager.default.removeItem(atPath: folder)
      }
      try makeFolder(folder)
    }
    for (index, bytes) in inputs.enumerated() {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(from)/\(index)"))
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.environment = ProcessInfo.processInfo.environment
      .merging([Worker.variable: Worker.text(setup)]) { $1 }
    // Whether a pair was reached counts, not how often.
    process.arguments = [
      "-merge=1", "-use_counters=0", "-rss_limit_mb=0", "-detect_leaks=0", "-verbosity=0", to, from,
    ]
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw ToolError(
        .failed, "\(setup.name): the merge ended with \(process.terminationStatus)")
    }
    do throws(FuzzCorpus.Failure) {
      return try FuzzCorpus([to]).inputs.prefix(most).map {
        (URL(fileURLWithPath: $0.path).lastPathComponent, $0.bytes)
      }
    } catch {
      throw ToolError(error)
    }
  }
}

extension ToolError {
  init(_ failure: FuzzCorpus.Failure) {
    switch failure {
    case .lab(let error): self.init(error)
    case .file(let text): self.init(.noInput, text)
    }
  }
}
