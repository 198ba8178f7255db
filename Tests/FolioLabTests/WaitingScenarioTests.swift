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
      /// Classes under the first rules that the scenario names.
      struct Count: CustomTestStringConvertible, Sendable {
        let name: String
        var size: Int?
        var rules: PageMap.Rules?
        let classes: Int
        var testDescription: String {
          name + (size.map { ", size \($0)" } ?? "") + (rules.map { ", \($0)" } ?? "")
        }
      }

      static let counts: [Count] = [
        Count(name: "wait-variable", classes: 125_221),
        Count(name: "wait-variable", size: 1, classes: 42),
        Count(name: "wait-exclusive", classes: 5_027),
        Count(name: "wait-bit", classes: 10),
        Count(name: "completion", classes: 3_203),
        Count(name: "wait-count", classes: 42),
        Count(name: "wait-callback", classes: 18),
        Count(name: "wait-cancel", classes: 9),
        Count(name: "wait-cancel-wake", classes: 100),
        Count(name: "wait-killable", classes: 26),
        Count(name: "wait-timeout", classes: 15),
        Count(name: "locks", classes: 20),
        Count(name: "wait-spinlock", classes: 5),
        Count(name: "wait-spinlock", size: 2, classes: 82),
        Count(name: "wait-mutex", classes: 19),
        Count(name: "idle-last-put", classes: 32),
        Count(name: "idle-last-put", rules: .kernel, classes: 32),
        Count(name: "idle-last-put", size: 2, classes: 3_842),
        Count(name: "idle-unpin", classes: 14),
        Count(name: "idle-insertion", classes: 73),
        Count(name: "idle-begin", classes: 24),
        Count(name: "idle-callback", classes: 90),
        Count(name: "percpu-atomic", classes: 65),
        Count(name: "percpu-round-trip", classes: 360),
        Count(name: "percpu-kill", classes: 77),
        Count(name: "percpu-kill", size: 2, classes: 2_333),
        Count(name: "percpu-last-put", classes: 340),
        Count(name: "percpu-resurrect", classes: 666),
        Count(name: "percpu-life", classes: 50),
        Count(name: "rcu-synchronize", classes: 9),
        Count(name: "rcu-synchronize", size: 3, classes: 27),
        Count(name: "rcu-call", classes: 3),
        Count(name: "rcu-barrier", classes: 4),
        Count(name: "map-teardown", classes: 9_531),
        Count(name: "map-window", classes: 9),
        Count(name: "map-overlap", classes: 2),
        Count(name: "xarray-erase", classes: 5),
        Count(name: "xarray-erase", size: 2, classes: 25),
        Count(name: "xarray-shrink", classes: 26),
        Count(name: "xarray-grow", classes: 5),
        Count(name: "xarray-siblings", classes: 9),
        Count(name: "xarray-iterate", classes: 455),
        Count(name: "xarray-insert", classes: 2),
        Count(name: "rmap-owners", classes: 53),
        Count(name: "rmap-unslotted", classes: 162),
        Count(name: "rmap-entire", classes: 6),
        Count(name: "rmap-scan", classes: 16),
        Count(name: "rmap-scan-unslotted", classes: 16),
        Count(name: "rmap-scan-rise", classes: 127),
        Count(name: "trace-rings", classes: 3),
        Count(name: "ledger-stop", classes: 32),
      ]

      @Test(
        "every class is completed once, raises no alarm, and obligations are met", arguments: counts
      )
      func exhaustive(_ count: Count) throws {
        let scenario = try #require(Scenario.named(count.name))
        let world = try LabWorld(scenario, rules: count.rules, size: count.size)
        let result = world.explore(.classes, seconds: 30)
        #expect(result.verdict == .exhaustive, "\(String(describing: result.finding))")
        #expect(result.statistics.complete == count.classes)
        #expect(result.unreached.isEmpty, "\(result.unreached)")
      }

      /// Mutants with the scenarios that they name.
      static let mutants = Mutant.all.filter { mutant in
        mutant.model == .sc && counts.contains { $0.name == mutant.scenarios.first }
      }

      @Test("the exhaustive search finds each bug in each of its scenarios", arguments: mutants)
      func caught(_ mutant: Mutant) throws {
        try #require(Mutant.switch(mutant))
        defer { _ = Mutant.switch(nil) }
        for name in mutant.scenarios {
          let world = try LabWorld(#require(Scenario.named(name)))
          let found = try #require(world.explore(.classes, seconds: 30).finding, "\(name)")
          #expect(mutant.expected.contains(found.invariant), "\(name): \(found.invariant)")
        }
      }
    }
  }

#endif
