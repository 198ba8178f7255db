// SPDX-License-Identifier: MIT

// What there is to explore and to find: scenarios, mutants, and which breaks which.

import ArgumentParser
import FolioCore
import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Names scenarios and mutants, and the matrix of both.",
    discussion: """
      For each scenario: what races, the rule sets that it knows, how many of
      the threads that come in numbers it can have, and the mutants that break
      it. In the matrix x marks a mutant that breaks a scenario. `explore NAME`
      runs one; `museum --mutant ID` looks for a mutant there.

      EXAMPLES
        folio-lab list
        folio-lab list --mutants                      what each of them changes
        folio-lab list --json -
      """)

  @Flag(help: "Name the mutants too, one line each.") var mutants = false
  @Option(help: "Columns of mutants beside each other in the matrix.") var columns = 40
  @Option(help: "Write the lists to this file; - is standard output.") var json: String?

  /// A scenario, as reports carry it.
  struct Entry: Codable {
    var scenario, title: String
    var rules: [String]
    /// Rules that it has no meaning under, and why.
    var without: [String: String]
    var sizes: [Int]
    var obligations: [String]
    var mutants: [String]
  }

  func validate() throws {
    guard columns > 0 else { throw ValidationError("--columns is at least 1") }
  }

  func run() throws {
    try ToolReport(Scenario.all.map(Self.entry)).write(to: json)
    if json == "-" { return }
    let width = Scenario.all.map(\.name.count).max() ?? 0
    func column(_ name: String) -> String {
      name + String(repeating: " ", count: width + 2 - name.count)
    }
    for scenario in Scenario.all {
      print(column(scenario.name) + scenario.title)
      var facts = "rules \(scenario.rules.map(\.rawValue).joined(separator: ", "))"
      if scenario.sizes.count > 1 {
        facts += "; size \(scenario.sizes.lowerBound)...\(scenario.sizes.upperBound)"
      }
      print(column("") + facts)
    }
    if mutants {
      print("")
      for mutant in Mutant.all { print("\(mutant.id)  \(mutant.title) (\(mutant.source))") }
    }
    matrix(column)
    print("\n\(Scenario.all.count) scenarios, \(Mutant.all.count) mutants")
  }

  /// Mutants are columns, their names written downwards; only scenarios with a mark have a row.
  private func matrix(_ column: (String) -> String) {
    var rest = Mutant.all[...]
    while !rest.isEmpty {
      let block = rest.prefix(columns)
      rest = rest.dropFirst(columns)
      print("")
      for line in 0..<(block.map(\.id.count).max() ?? 0) {
        print(column("") + block.map { String($0.id.dropFirst(line).first ?? " ") }.joined())
      }
      for scenario in Scenario.all {
        let marks = block.map { $0.scenarios.contains(scenario.name) ? "x" : "." }
        if marks.contains("x") { print(column(scenario.name) + marks.joined()) }
      }
    }
    let bare = Scenario.all.filter { scenario in
      !Mutant.all.contains { $0.scenarios.contains(scenario.name) }
    }
    if !bare.isEmpty { print("\nwithout a mutant: \(bare.map(\.name).joined(separator: " "))") }
  }

  private static func entry(_ scenario: Scenario) -> Entry {
    var without: [String: String] = [:]
    for rules in PageMap.Rules.allCases {
      if let reason = scenario.reason(against: rules) { without[rules.rawValue] = reason }
    }
    return Entry(
      scenario: scenario.name, title: scenario.title, rules: scenario.rules.map(\.rawValue),
      without: without, sizes: Array(scenario.sizes), obligations: scenario.obligations,
      mutants: Mutant.all.filter { $0.scenarios.contains(scenario.name) }.map(\.id))
  }
}
