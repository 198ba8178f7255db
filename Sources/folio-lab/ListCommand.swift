// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioCore
import FolioLab
import FolioWorkloads

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Names scenarios, and the bugs that each of them finds.")

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
