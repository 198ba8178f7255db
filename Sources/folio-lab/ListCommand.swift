// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioCore
import FolioLab
import FolioWorkloads

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Names scenarios, and the bugs that each of them finds.",
    discussion: """
      For each scenario: what races, the rule sets that it knows, how many of
      the threads that come in numbers it can have, and the mutants that break
      it. `explore NAME` runs one; `museum --mutant ID` switches a mutant on.
      """)

  func run() {
    let width = Scenario.all.map(\.name.count).max() ?? 0
    for scenario in Scenario.all {
      let name = scenario.name + String(repeating: " ", count: width - scenario.name.count)
      print("\(name)  \(scenario.title)")
      let mutants = Mutant.all.filter { $0.scenarios.contains(scenario.name) }.map(\.id)
      let indent = String(repeating: " ", count: width + 2)
      var facts = "rules \(scenario.rules.map(\.rawValue).joined(separator: ", "))"
      if scenario.sizes.count > 1 {
        facts += "; size \(scenario.sizes.lowerBound)...\(scenario.sizes.upperBound)"
      }
      facts += "; finds \(mutants.isEmpty ? "nothing planted" : mutants.joined(separator: " "))"
      print(indent + facts)
    }
    print("\(Scenario.all.count) scenarios, \(Mutant.all.count) mutants")
  }
}
