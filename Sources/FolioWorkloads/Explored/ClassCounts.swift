// SPDX-License-Identifier: MIT

// How many classes of equivalent schedules scenarios have, as others than the lab found: the
// enumerator of Tests/Enumerator, which runs every schedule, and checkers of programs. What lab counts
// are held against. The table itself is in ClassCounts+Table.swift.

package import FolioCore

/// The number of Mazurkiewicz classes of one scenario, with one memory for all threads.
package struct ClassCount: Sendable, Hashable {
  /// `Scenario.name`.
  package let scenario: String
  package let size: Int
  package let rules: PageMap.Rules
  package let classes: Int
  /// All schedules; nil: the source does not count them.
  package let schedules: Int?
  /// Who counted: "enumerator", or a checker with its version.
  package let source: String

  package init(
    scenario: String, size: Int, rules: PageMap.Rules, classes: Int, schedules: Int?,
    source: String
  ) {
    self.scenario = scenario
    self.size = size
    self.rules = rules
    self.classes = classes
    self.schedules = schedules
    self.source = source
  }

  /// A line of the table: the fields, one blank between two, `-` for no number of schedules.
  package init?(line: Substring) {
    let fields: [String] = line.split(separator: " ", maxSplits: 5).map { String($0) }
    guard fields.count == 6, let size = Int(fields[1]),
      let rules = PageMap.Rules(rawValue: fields[2]), let classes = Int(fields[3]),
      fields[4] == "-" || Int(fields[4]) != nil
    else { return nil }
    self.init(
      scenario: fields[0], size: size, rules: rules, classes: classes, schedules: Int(fields[4]),
      source: fields[5])
  }

  /// As `init(line:)` reads it.
  package var line: String {
    "\(scenario) \(size) \(rules.rawValue) \(classes) \(schedules.map(String.init) ?? "-") \(source)"
  }

  /// Nobody has counted otherwise, as far as the table goes: no line of it says another number.
  package static func agrees(
    _ classes: Int, scenario: String, size: Int, rules: PageMap.Rules
  ) -> Bool {
    recorded.allSatisfy {
      $0.scenario != scenario || $0.size != size || $0.rules != rules || $0.classes == classes
    }
  }

  /// The recorded counts, by scenario in the order of the catalogue.
  package static let recorded: [ClassCount] = table.split(separator: "\n").map { line in
    guard let count = ClassCount(line: line) else {
      preconditionFailure("not a line of class counts: \(line)")
    }
    return count
  }
}
