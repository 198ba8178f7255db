// SPDX-License-Identifier: MIT

// The search of states against Spin, which counted the states of models of the same scenarios
// (Counts/README.md says what can be compared), and against itself without the merging of threads that
// do the same.

import FolioLab
import FolioWorkloads
import Foundation
import Testing

#if LAB

  /// A world whose threads have nothing in common, as far as the lab knows.
  private final class Ungrouped: ScenarioWorld {
    private let world: any ScenarioWorld
    let threads: [ScenarioThread]

    init(_ world: any ScenarioWorld) {
      self.world = world
      threads = world.threads.enumerated().map { ScenarioThread($1.name, group: $0 + 1) }
    }

    var hasOnlyWords: Bool { world.hasOnlyWords }
    var checksSteps: Bool { world.checksSteps }
    func run(_ thread: Int) { world.run(thread) }
    func prepare() { world.prepare() }
    func conclude() { world.conclude() }
    func check() { world.check() }
    func tearDown() { world.tearDown() }
  }

  extension Scenario {
    /// The same, without saying which threads do the same.
    fileprivate var ungrouped: Scenario {
      Scenario(
        name, title, rules: rules, size: size, sizes: sizes, obligations: obligations
      ) { Ungrouped(try self.world($0)) }
    }
  }

  extension LabTests {
    @Suite("States")
    struct StateCountTests {
      /// A line of Counts/spin.txt.
      struct Count: Sendable, CustomTestStringConvertible {
        let scenario: String
        let size: Int
        let states: Int
        /// "holds", "assertion", "deadlock".
        let verdict: String
        var testDescription: String { "\(scenario) \(size)" }
      }

      static let counts: [Count] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
          .appendingPathComponent("Counts/spin.txt")
        let text: String
        do {
          text = try String(contentsOf: file, encoding: .utf8)
        } catch {
          preconditionFailure("Counts/spin.txt cannot be read: \(error)")
        }
        return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
          let fields = line.split(separator: " ").map(String.init)
          guard fields.count == 7, let size = Int(fields[1]), let states = Int(fields[4]) else {
            preconditionFailure("not a line of counts: \(line)")
          }
          return Count(scenario: fields[0], size: size, states: states, verdict: fields[6])
        }
      }()

      /// The scenario of a model, and the mutant that the model has.
      private func subject(_ name: String) throws -> (Scenario, Mutant?) {
        switch name {
        case "counter": (TestScenario.counter, nil)
        case "racy-counter": (TestScenario.racyCounter, nil)
        case "store-buffer": (TestScenario.storeBuffer, nil)
        case "lock-order": (TestScenario.lockOrder, nil)
        case "gup-pin-lost-update":
          (try #require(Scenario.named("gup-pin")), Mutant.named("P02"))
        default: (try #require(Scenario.named(name)), nil)
        }
      }

      /// A debug build takes minutes for the millions of states of five pinners.
      static let small = counts.filter { $0.states < 100_000 }

      @Test("the lab's verdict is Spin's, and its states are not many more", arguments: small)
      func spin(_ count: Count) throws {
        let (scenario, mutant) = try subject(count.scenario)
        #expect(Mutant.switch(mutant))
        defer { #expect(Mutant.switch(nil)) }
        func explore(_ scenario: Scenario) throws -> ExplorationResult {
          let world = try LabWorld(scenario, size: count.size)
          // Payload that is no word of the seam is a word of Spin's: the verdict alone is compared.
          return world.explore(world.hasOnlyWords ? .states : .classes)
        }
        let merged = try explore(scenario)
        let single = try explore(scenario.ungrouped)
        #expect(merged.verdict == (count.verdict == "holds" ? .exhaustive : .failed))
        #expect(single.verdict == merged.verdict)
        guard count.verdict == "holds" else {
          let isDeadlock = merged.finding?.invariant == "DEADLOCK"
          #expect(isDeadlock == (count.verdict == "deadlock"))
          return
        }
        guard merged.search == .states else {
          #expect(["litmus-try-get", "litmus-unfreeze"].contains(scenario.name))
          return
        }
        #expect(merged.statistics.states <= single.statistics.states)
        // Goal L4. Spin stores a state for the beginning and one for the judge besides.
        #expect(single.statistics.states <= 5 * count.states)
        #expect(5 * single.statistics.states + 10 >= count.states)
      }

      /// Scenarios with threads that do the same and states that can be told apart.
      private func symmetric() throws -> [Scenario] {
        try [TestScenario.counter, TestScenario.racyCounter]
          + Scenario.all.filter { scenario in
            let world = try LabWorld(scenario)
            return world.refusal(.states, model: .sc) == nil
              && Set(world.threads.map(\.group)).count < world.threads.count
          }
      }

      @Test("states of a world that is more than words cannot be told apart")
      func onlyWords() throws {
        let scenario = try #require(Scenario.named("litmus-try-get"))
        let world = try LabWorld(scenario)
        #expect(world.refusal(.classes, model: .sc) == nil)
        #expect("\(try #require(world.refusal(.states, model: .sc)))".contains("hasOnlyWords"))
      }

      /// Both ways, each at most this long: larger ones say nothing here.
      private func compare(_ scenario: Scenario, size: Int? = nil) throws -> Bool {
        let merged = try LabWorld(scenario, size: size).explore(.states, executions: 40_000)
        let single = try LabWorld(scenario.ungrouped, size: size)
          .explore(.states, executions: 40_000)
        guard merged.isComplete || merged.verdict == .failed else { return false }
        guard single.isComplete || single.verdict == .failed else { return false }
        #expect(merged.verdict == single.verdict, "\(scenario.name)")
        if merged.verdict == .exhaustive {
          #expect(merged.unreached == single.unreached, "\(scenario.name)")
          #expect(merged.statistics.states <= single.statistics.states)
        }
        return true
      }

      @Test("merging threads that do the same changes no verdict")
      func symmetry() throws {
        let compared = try symmetric().filter { try compare($0) }.map(\.name)
        #expect(compared.contains("gup-pin") && compared.contains("racy-counter"))
        #expect(compared.count >= 6, "only \(compared)")
      }

      @Test("nor with a bug of the museum")
      func symmetryOfMutants() throws {
        let names = Set(try symmetric().map(\.name))
        var compared: [String] = []
        defer { #expect(Mutant.switch(nil)) }
        for mutant in Mutant.all where mutant.model == .sc {
          for name in mutant.scenarios where names.contains(name) {
            let scenario = try #require(Scenario.named(name))
            #expect(Mutant.switch(mutant))
            if try compare(scenario) { compared.append("\(mutant.id) \(name)") }
            #expect(Mutant.switch(nil))
          }
        }
        #expect(compared.count >= 8, "only \(compared)")
      }
    }
  }

#endif
