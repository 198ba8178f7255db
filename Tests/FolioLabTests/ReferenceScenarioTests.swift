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
      /// A scenario with its rule sets. How many classes each has is recorded (ClassCount, and the
      /// certificates): source-DPOR completes one execution of each.
      struct Count: CustomTestStringConvertible, Sendable {
        let name: String
        var size: Int?
        let rules: [PageMap.Rules]
        var testDescription: String { size.map { "\(name), size \($0)" } ?? name }
      }

      static let counts: [Count] = [
        Count(name: "pin-bias", rules: [.strict]),
        Count(name: "two-puts", rules: [.strict]),
        Count(name: "two-puts", size: 4, rules: [.strict]),
        Count(name: "reuse", rules: [.strict, .kernel]),
        Count(name: "hand-out", rules: [.strict, .kernel, .legacy]),
        Count(name: "hand-out", size: 3, rules: [.strict]),
        Count(name: "owner-raise", rules: [.strict, .kernel, .legacy]),
        Count(name: "owner-raise", size: 3, rules: [.strict]),
        Count(name: "raise-late", rules: [.strict, .kernel, .legacy]),
        Count(name: "split-try-get", rules: [.strict, .kernel]),
        Count(name: "split-try-get", size: 2, rules: [.strict]),
        Count(name: "form-try-get", rules: [.strict, .kernel]),
        Count(name: "owner-split", rules: [.strict, .kernel]),
        Count(name: "owner-split", size: 2, rules: [.strict]),
        Count(name: "split-reuse", rules: [.strict, .kernel]),
        Count(name: "head-word", rules: [.strict]),
        Count(name: "head-word", size: 2, rules: [.strict]),
        Count(name: "freeze-get", rules: [.strict]),
        Count(name: "cache-split", rules: [.strict]),
        Count(name: "vmemmap-remap", rules: [.strict]),
        Count(name: "batch-put", rules: [.strict]),
        Count(name: "generic-base", rules: [.strict, .kernel, .legacy]),
        Count(name: "split-page", rules: [.strict]),
        Count(name: "legacy-wake", rules: [.legacy]),
        Count(name: "retire", rules: [.strict, .kernel]),
        Count(name: "form-late", rules: [.strict, .kernel]),
        Count(name: "raise-kill", rules: [.strict]),
      ]

      @Test(
        "every class is completed once, raises no alarm, and obligations are met", arguments: counts
      )
      func exhaustive(_ count: Count) throws {
        for rules in count.rules {
          try expectExhaustive(count.name, size: count.size, rules: rules)
        }
      }

      /// Mutants that name one of these scenarios first.
      static let mutants = Mutant.all.filter { mutant in
        mutant.model == .sc && counts.contains { $0.name == mutant.scenarios.first }
      }

      @Test("the exhaustive search finds each bug, for the right reason", arguments: mutants)
      func caught(_ mutant: Mutant) throws {
        try expectCaught(mutant)
      }
    }
  }

#endif
