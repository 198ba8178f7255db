// SPDX-License-Identifier: MIT

// What afl-fuzz runs, and what it needs before: Tools/fuzz.sh --afl calls both.

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
      `Tools/fuzz.sh --afl` links AFL++'s run-time library, takes seeds from the corpus and calls \
      afl-fuzz. A violation is shrunk and told by the process that met it, which then ends with 1; \
      AFL_CRASH_EXITCODE=1 makes that a crash for afl-fuzz.

      EXAMPLES
        Tools/fuzz.sh --afl --program counters
        AFL_SECONDS=600 Tools/fuzz.sh --afl --program gup-pin --memory c11
        Tools/fuzz.sh --afl --check                    finds a planted bug, and nothing else
      """)

  @OptionGroup(title: "Programs") var options: SetupOptions
  @Option(help: "Write the corpus's inputs of the program there, run each once, and end.")
  var seeds: String?
  @Option(help: "Descriptor for what is said: afl-fuzz takes 1 and 2 away.") var messages: Int32?
  @Option(help: "Folder for what is known of violations.") var alarms = ".build-fuzz/alarms"
  @Option(help: "Write a violation to this file.") var json: String?
  @Option(help: "Inputs of one process.") var inputs = UInt32.max
  @Argument(help: "Folders of inputs to begin with.") var corpus = ["Fuzz/corpus"]

  func run() throws {
    guard let setup = options.setup else {
      throw ToolError(.usage, "afl needs one program: --program counters")
    }
    if let messages {
      guard dup2(messages, 1) >= 0, dup2(messages, 2) >= 0 else {
        throw ToolError(.usage, "descriptor \(messages) is not open")
      }
    }
    ProgressLine.begin(isAsked: true)
    let session: FuzzSession
    do throws(LabError) {
      session = try FuzzSession(setup, mutant: options.switched, takesAll: true)
    } catch {
      throw ToolError(error)
    }
    let files = AlarmFiles(folder: alarms)
    let json = json
    session.alarm = { session, input, finding in
      ProgressLine.end()
      let result = FuzzResult(session, session.status, inputs: 0)
      session.close()
      files.report(session, input, finding, result, to: json)
    }
    if let seeds {
      try plant(seeds, session)
      return
    }
    var next = 1.0
    session.look = { status in
      guard status.seconds >= next else { return }
      next = status.seconds + 1
      ProgressLine.show(
        "\(setup.name): \(status.executions.grouped) executions, \(status.pairs) racing pairs, "
          + "\(status.seconds.digits(0)) s")
    }
    guard session.runAFL(inputs: inputs) else {
      throw ToolError(.cannotRun, "built without AFL++; use `Tools/fuzz.sh --afl`")
    }
  }

  /// afl-fuzz leaves seeds out that fail, so they are run before.
  private func plant(_ folder: String, _ session: FuzzSession) throws {
    var inputs: [[UInt8]]
    do throws(FuzzCorpus.Failure) {
      let corpus = try FuzzCorpus(corpus)
      inputs = corpus.inputs.map(\.bytes).filter { FuzzCorpus.setup(of: $0) == session.setup }
    } catch {
      throw ToolError(error)
    }
    if inputs.isEmpty { inputs = [session.setup.header] }
    try makeFolder(folder)
    for (number, input) in inputs.enumerated() {
      session.run(input)
      let path = "\(folder)/\(number)"
      do {
        try Data(input).write(to: URL(fileURLWithPath: path))
      } catch {
        throw ToolError(.cannotCreate, "\(path): \(error.localizedDescription)")
      }
    }
    Console.writeMessage("\(session.setup.name): \(inputs.count) seeds")
  }
}
