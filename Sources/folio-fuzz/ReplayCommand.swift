// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioFuzz
import FolioLab
import FolioTools

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Runs each input once and says what became of it.")

  @OptionGroup(title: "Instead of what the inputs say") var options: SetupOptions
  @Argument(help: "Files, or folders of them.") var paths: [String]

  func run() throws {
    do throws(FuzzCorpus.Failure) {
      var corpus = try FuzzCorpus(paths)
      if let setup = options.setup { corpus.assume(setup) }
      let failed = try corpus.run(mutant: options.switched) { setup, count in
        Console.writeMessage("\(setup.name): \(count) inputs")
      }
      for entry in failed {
        print("\(entry.path): \(entry.finding.invariant): \(entry.finding.message)")
        print("  folio-lab replay \(entry.token)")
      }
      print("\(corpus.inputs.count) inputs, \(failed.count) fail")
      if !failed.isEmpty { leave(.failed) }
    } catch {
      throw ToolError(error)
    }
  }
}
