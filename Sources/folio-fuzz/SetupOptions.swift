// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioCore
import FolioFuzz
import FolioLab
import FolioWorkloads

/// Which programs inputs are for.
struct SetupOptions: ParsableArguments {
  @Option(
    help: "counters, structures or memory (generated programs), a scenario's name, or all, in turn."
  )
  var program = "all"
  @Option(help: "Threads of generated programs; a scenario's size.") var size: Int?
  @Option(help: "strict, kernel or legacy; else the first that the scenario names.")
  var rules: String?
  @Option(help: "Memory model: sc, tso, c11.") var memory = "sc"
  @Option(help: "Switch this bug of the museum on.") var mutant: String?

  func validate() throws {
    guard MemoryModel(rawValue: memory) != nil else {
      throw ValidationError("no memory model is called \(memory)")
    }
    guard mutant == nil || Mutant.named(mutant!) != nil else {
      throw ValidationError("no mutant is called \(mutant!)")
    }
    guard rules == nil || PageMap.Rules(rawValue: rules!) != nil else {
      throw ValidationError("rules are strict, kernel or legacy")
    }
    if let family {
      guard size.map(GeneratedProgram.threads.contains) ?? true else {
        throw ValidationError("\(family.name) have 2 to 4 threads")
      }
      guard rules.flatMap(PageMap.Rules.init).map(family.rules.contains) ?? true else {
        throw ValidationError("\(family.name) run under strict rules")
      }
    } else if let scenario {
      guard size.map(scenario.sizes.contains) ?? true else {
        throw ValidationError(
          "\(scenario.name) has sizes \(scenario.sizes.lowerBound)...\(scenario.sizes.upperBound)")
      }
    } else if program != "all" {
      throw ValidationError("no program is called \(program); `folio-lab list` names scenarios")
    }
  }

  private var family: GeneratedProgram.Family? {
    GeneratedProgram.Family.allCases.first { $0.name == program }
  }

  private var scenario: Scenario? { Scenario.all.first { $0.name == program } }

  /// nil: all of them.
  var setup: FuzzSetup? {
    let model = MemoryModel(rawValue: memory)!
    if let family {
      return FuzzSetup(
        family, threads: size ?? 3, rules: rules.flatMap(PageMap.Rules.init), model: model)
    }
    return scenario.map {
      FuzzSetup($0, size: size, rules: rules.flatMap(PageMap.Rules.init), model: model)
    }
  }

  var switched: Mutant? { mutant.flatMap(Mutant.named) }
}
