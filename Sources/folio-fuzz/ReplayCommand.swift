// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioBenchmark
import FolioFuzz
import FolioLab
import FolioWorkloads
import Foundation

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Runs each input once and says what became of it.")

  @Argument(help: "Files, or folders of them.") var paths: [String]
  @Option(help: "Switch this bug of the museum on.") var mutant: String?

  func validate() throws {
    guard mutant == nil || Mutant.named(mutant!) != nil else {
      throw ValidationError("no mutant is called \(mutant!)")
    }
  }

  func run() throws {
    do throws(FuzzCorpus.Failure) {
      let corpus = try FuzzCorpus(paths)
      let failed = try corpus.run(mutant: mutant.flatMap(Mutant.named)) { setup, count in
        Output.message("\(setup.name): \(count) inputs")
      }
      for entry in failed {
        print("\(entry.path): \(entry.finding.invariant): \(entry.finding.message)")
        print("  folio-lab replay \(entry.token)")
      }
      print("\(corpus.inputs.count) inputs, \(failed.count) fail")
      if !failed.isEmpty { Output.exit(.failed) }
    } catch {
      switch error {
      case .lab(let error): throw Output.stop(error)
      case .file(let text): throw Output.stop(.noInput, text)
      }
    }
  }
}
