// SPDX-License-Identifier: MIT

// Scenarios of waiting, percpu counts, maps, the XArray and mappings: how many classes each has, that
// it shows something, and that the exhaustive search finds every bug that is planted for it.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Waiting, counting, maps, trees")
    struct WaitingScenarioTests {
      /// Rules: those that the scenario names first. Classes are recorded (ClassCount).
      struct Count: CustomTestStringConvertible, Sendable {
        let name: String
        var size: Int?
        var rules: PageMap.Rules?
        var testDescription: String {
          name + (size.map { ", size \($0)" } ?? "") + (rules.map { ", \($0)" } ?? "")
        }
      }

      static let counts: [Count] = [
        Count(name: "wait-variable"),
        Count(name: "wait-variable", size: 1),
        Count(name: "wait-exclusive"),
        Count(name: "wait-bit"),
        Count(name: "completion"),
        Count(name: "wait-count"),
        Count(name: "wait-callback"),
        Count(name: "wait-cancel"),
        Count(name: "wait-cancel-wake"),
        Count(name: "wait-killable"),
        Count(name: "wait-timeout"),
        Count(name: "locks"),
        Count(name: "wait-spinlock"),
        Count(name: "wait-spinlock", size: 2),
        Count(name: "wait-mutex"),
        Count(name: "idle-last-put"),
        Count(name: "idle-last-put", rules: .kernel),
        Count(name: "idle-last-put", size: 2),
        Count(name: "idle-unpin"),
        Count(name: "idle-insertion"),
        Count(name: "idle-begin"),
        Count(name: "idle-callback"),
        Count(name: "percpu-atomic"),
        Count(name: "percpu-round-trip"),
        Count(name: "percpu-kill"),
        Count(name: "percpu-kill", size: 2),
        Count(name: "percpu-last-put"),
        Count(name: "percpu-resurrect"),
        Count(name: "percpu-life"),
        Count(name: "rcu-synchronize"),
        Count(name: "rcu-synchronize", size: 3),
        Count(name: "rcu-call"),
        Count(name: "rcu-barrier"),
        Count(name: "map-teardown"),
        Count(name: "map-window"),
        Count(name: "map-overlap"),
        Count(name: "xarray-erase"),
        Count(name: "xarray-erase", size: 2),
        Count(name: "xarray-shrink"),
        Count(name: "xarray-grow"),
        Count(name: "xarray-siblings"),
        Count(name: "xarray-iterate"),
        Count(name: "xarray-insert"),
        Count(name: "rmap-owners"),
        Count(name: "rmap-unslotted"),
        Count(name: "rmap-entire"),
        Count(name: "rmap-scan"),
        Count(name: "rmap-scan-unslotted"),
        Count(name: "rmap-scan-rise"),
        Count(name: "trace-rings"),
        Count(name: "ledger-stop"),
      ]

      @Test(
        "every class is completed once, raises no alarm, and obligations are met", arguments: counts
      )
      func exhaustive(_ count: Count) throws {
        try expectExhaustive(count.name, size: count.size, rules: count.rules)
      }

      /// Mutants with the scenarios that they name.
      static let mutants = Mutant.all.filter { mutant in
        mutant.model == .sc && counts.contains { $0.name == mutant.scenarios.first }
      }

      @Test("the exhaustive search finds each bug in each of its scenarios", arguments: mutants)
      func caught(_ mutant: Mutant) throws {
        try expectCaught(mutant)
      }
    }
  }

#endif
