// SPDX-License-Identifier: MIT

// Order mutants under each memory model against the table of expectations, the shipped code under all
// of them, and what silences an alarm.

import FolioLab
import FolioWorkloads
import Testing

#if LAB

  private let shapes = Scenario.all.map(\.name).filter { $0.hasPrefix("litmus-") }

  extension LabTests { @Suite("Orders") struct OrderTests {} }

  extension LabTests.OrderTests {
    @Test("the table has every order mutant once")
    func table() {
      #expect(OrderRow.all.count >= 15)
      let ids = Mutant.all.filter { $0.id.hasPrefix("O") }.map(\.id)
      #expect(OrderRow.all.map(\.mutant) == ids)
      for row in OrderRow.all {
        #expect(row.caught.contains(Mutant.named(row.mutant)!.model))
      }
    }

    @Test("a mutant is caught where the table says, and nowhere else", arguments: OrderRow.all)
    func mutants(_ row: OrderRow) throws {
      let mutant = try #require(Mutant.named(row.mutant))
      defer { _ = Mutant.switch(nil) }
      for model in MemoryModel.allCases {
        var caught: Set<String> = []
        for name in mutant.scenarios {
          let scenario = try #require(Scenario.named(name))
          #expect(Mutant.switch(mutant))
          for search in [Search.random, .pos, .classes] {
            let result = try LabWorld(scenario).explore(
              search, model: model, executions: search == .classes ? 20_000 : 2_000)
            if let finding = result.finding { caught.insert(finding.invariant) }
          }
        }
        #expect(!caught.isEmpty == row.caught.contains(model), "\(row.mutant) \(model): \(caught)")
        #expect(caught.isSubset(of: mutant.expected), "\(row.mutant) \(model): \(caught)")
      }
    }

    @Test(
      "the shipped code raises no alarm", arguments: shapes, MemoryModel.allCases)
    func shipped(_ name: String, _ model: MemoryModel) throws {
      let world = try LabWorld(#require(Scenario.named(name)))
      let classes = world.explore(.classes, model: model)
      #expect(classes.verdict == .exhaustive)
      #expect(classes.finding == nil)
      #expect(classes.unreached.isEmpty)
      let walks = world.explore(.pos, model: model, executions: 5_000)
      #expect(walks.finding == nil)
    }

    @Test(
      "an alarm names what was reordered and the least that silences it",
      arguments: [
        ("O04", "litmus-split", MemoryModel.c11, "page_ref_unfreeze", false),
        ("O15", "litmus-completion", .tso, "waitqueue_active", true),
        ("O10", "litmus-bit-lock", .c11, "bit_spin_unlock", false),
        ("O11", "litmus-bit-lock", .c11, "bit_spin_lock", false),
        ("O12", "litmus-spin-lock", .c11, "spin_unlock", false),
        ("O19", "rmap-scan", .c11, "folio_sub_large_mapcount", false),
        ("O22", "split-try-get", .c11, "page_ref_add", false),
      ])
    func remedies(
      _ id: String, _ scenario: String, _ model: MemoryModel, _ function: String, _ isFull: Bool
    ) throws {
      #expect(Mutant.switch(Mutant.named(id)))
      defer { _ = Mutant.switch(nil) }
      let world = try LabWorld(#require(Scenario.named(scenario)))
      let finding = try #require(world.explore(.pos, model: model, executions: 20_000).finding)
      let remedy = try #require(world.remedy(for: finding))
      // A race names its two plain accesses itself: no order of theirs was given up.
      #expect(remedy.reordered.count == 2 || finding.invariant == "DATA-RACE")
      #expect(remedy.isProved)
      let place = try #require(remedy.strengthening.first)
      #expect(remedy.strengthening.count == 1)
      #expect(place.function == function)
      #expect(place.isFull == isFull)
    }

    /// Long enough to have found each alarm that was ever settled; longer searches are `make lab`.
    @Test("no scenario raises an alarm under any rules or model", arguments: Scenario.all)
    func everyScenario(_ scenario: Scenario) throws {
      for rules in scenario.rules {
        let world = try LabWorld(scenario, rules: rules)
        let steps = world.explore(.random, executions: 16).statistics.longest
        let runs = max(32, min(1_500, 30_000 / max(steps, 1)))
        for model in MemoryModel.allCases where world.refusal(.pos, model: model) == nil {
          for search in [Search.classes, .pos, .random] {
            let result = world.explore(search, model: model, executions: runs)
            #expect(
              result.finding == nil,
              "\(rules) \(model) \(search.name): \(String(describing: result.finding?.message))")
          }
        }
      }
    }

    @Test("a weak execution is found again by its token", arguments: ["O04", "O15"])
    func tokens(_ id: String) throws {
      let mutant = try #require(Mutant.named(id))
      #expect(Mutant.switch(mutant))
      defer { _ = Mutant.switch(nil) }
      let world = try LabWorld(#require(Scenario.named(mutant.scenarios.last!)))
      let finding = try #require(
        world.explore(.random, model: mutant.model, executions: 20_000).finding)
      let text = world.token(of: finding.trace, mutant: id).description
      let token = try #require(ReplayToken(text))
      let again = world.replay(token)
      #expect(again.divergence == nil)
      #expect(again.finding?.invariant == finding.invariant)
    }
  }

#endif
