// SPDX-License-Identifier: MIT

// Scenarios of references, shapes and batches: how many classes each has, that it shows something,
// and that the exhaustive search finds every bug that is planted for it.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("References, shapes, batches")
    struct ReferenceScenarioTests {
      /// A scenario with its classes per rule set. What source-DPOR completes, one execution each;
      /// a change of the steps of the code under test changes them.
      struct Count: CustomTestStringConvertible, Sendable {
        let name: String
        var size: Int?
        let classes: [PageMap.Rules: Int]
        var testDescription: String { size.map { "\(name), size \($0)" } ?? name }
      }

      static let counts: [Count] = [
        Count(name: "pin-bias", classes: [.strict: 52]),
        Count(name: "two-puts", classes: [.strict: 2]),
        Count(name: "two-puts", size: 4, classes: [.strict: 24]),
        Count(name: "reuse", classes: [.strict: 43, .kernel: 43]),
        Count(name: "hand-out", classes: [.strict: 16, .kernel: 16, .legacy: 16]),
        Count(name: "hand-out", size: 3, classes: [.strict: 144]),
        Count(name: "owner-raise", classes: [.strict: 2, .kernel: 2, .legacy: 2]),
        Count(name: "owner-raise", size: 3, classes: [.strict: 18]),
        Count(name: "raise-late", classes: [.strict: 9, .kernel: 9, .legacy: 18]),
        Count(name: "split-try-get", classes: [.strict: 27, .kernel: 34]),
        Count(name: "split-try-get", size: 2, classes: [.strict: 26_288]),
        Count(name: "form-try-get", classes: [.strict: 11, .kernel: 11]),
        Count(name: "owner-split", classes: [.strict: 12, .kernel: 17]),
        Count(name: "owner-split", size: 2, classes: [.strict: 810]),
        Count(name: "split-reuse", classes: [.strict: 14, .kernel: 21]),
        Count(name: "head-word", classes: [.strict: 7]),
        Count(name: "head-word", size: 2, classes: [.strict: 49]),
        Count(name: "freeze-get", classes: [.strict: 714]),
        Count(name: "cache-split", classes: [.strict: 20]),
        Count(name: "vmemmap-remap", classes: [.strict: 11]),
        Count(name: "batch-put", classes: [.strict: 174]),
        Count(name: "generic-base", classes: [.strict: 16, .kernel: 16, .legacy: 16]),
        Count(name: "split-page", classes: [.strict: 31]),
        Count(name: "legacy-wake", classes: [.legacy: 3_086]),
        Count(name: "retire", classes: [.strict: 170, .kernel: 170]),
        Count(name: "form-late", classes: [.strict: 31, .kernel: 31]),
        Count(name: "raise-kill", classes: [.strict: 18]),
      ]

      @Test(
        "every class is completed once, raises no alarm, and obligations are met", arguments: counts
      )
      func exhaustive(_ count: Count) throws {
        let scenario = try #require(Scenario.named(count.name))
        for (rules, classes) in count.classes {
          let world = try LabWorld(scenario, rules: rules, size: count.size)
          let result = world.explore(.classes, seconds: 30)
          #expect(result.verdict == .exhaustive, "\(rules): \(String(describing: result.finding))")
          #expect(result.statistics.complete == classes, "\(rules)")
          #expect(result.unreached.isEmpty, "\(rules)")
        }
      }

      /// Mutants that name one of these scenarios first.
      static let mutants = Mutant.all.filter { mutant in
        mutant.model == .sc && counts.contains { $0.name == mutant.scenarios.first }
      }

      @Test("the exhaustive search finds each bug, for the right reason", arguments: mutants)
      func caught(_ mutant: Mutant) throws {
        try #require(Mutant.switch(mutant))
        defer { _ = Mutant.switch(nil) }
        var found: [String] = []
        for name in mutant.scenarios {
          let world = try LabWorld(#require(Scenario.named(name)))
          found += world.explore(.classes, seconds: 30).finding.map { [$0.invariant] } ?? []
        }
        #expect(!found.isEmpty)
        #expect(found.allSatisfy(mutant.expected.contains), "\(mutant.id) gave \(found)")
      }
    }
  }

#endif
