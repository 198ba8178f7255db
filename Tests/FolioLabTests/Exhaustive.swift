// SPDX-License-Identifier: MIT

// What the suites of scenarios ask of the exhaustive search: it ends, says nothing of the library as it
// is, and finds what a mutant breaks.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  /// Every class of the scenario was completed, without an alarm and with all obligations met, and
  /// there are as many as anybody has counted, or as `classes` says.
  func expectExhaustive(
    _ name: String, size: Int? = nil, rules: PageMap.Rules? = nil, classes: Int? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let scenario = try #require(Scenario.named(name), sourceLocation: sourceLocation)
    let rules = rules ?? scenario.rules[0]
    let world = try LabWorld(scenario, rules: rules, size: size)
    let result = world.explore(.classes, seconds: 30)
    #expect(
      result.verdict == .exhaustive, "\(rules): \(String(describing: result.finding))",
      sourceLocation: sourceLocation)
    let complete = result.statistics.complete
    let agrees = ClassCount.agrees(
      complete, scenario: name, size: size ?? scenario.size, rules: rules)
    #expect(
      classes.map { complete == $0 } ?? agrees, "\(rules): \(complete) classes",
      sourceLocation: sourceLocation)
    #expect(
      result.unreached.isEmpty, "\(rules): \(result.unreached)", sourceLocation: sourceLocation)
  }

  /// Each scenario that the mutant names shows it, by an invariant that the mutant expects.
  func expectCaught(
    _ mutant: Mutant, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try #require(Mutant.switch(mutant), sourceLocation: sourceLocation)
    defer { _ = Mutant.switch(nil) }
    for name in mutant.scenarios {
      let world = try LabWorld(
        #require(Scenario.named(name), sourceLocation: sourceLocation))
      let finding = try #require(
        world.explore(.classes, seconds: 30).finding, "\(name)", sourceLocation: sourceLocation)
      #expect(
        mutant.expected.contains(finding.invariant), "\(name): \(finding.message)",
        sourceLocation: sourceLocation)
    }
  }

#endif
