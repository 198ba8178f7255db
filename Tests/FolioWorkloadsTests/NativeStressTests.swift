// SPDX-License-Identifier: MIT

// Explored scenarios on native threads: memory is put back between rounds, and each way in which a round
// can fail is seen for what it is. Each test is a process of its own, because rounds take one over.
// Lab builds only.

#if LAB

  import CFolio
  import FolioCore
  import FolioWorkloads
  import Glibc
  import Testing

  /// What two threads do in a round, by a closure; and what must hold at its end.
  @safe
  private final class Probe: ScenarioWorld {
    let threads = [ScenarioThread("first", group: 1), ScenarioThread("second", group: 2)]
    let word: SharedWord
    private let body: (Probe, Int) -> Void
    private let end: (Probe) -> Void

    init(_ body: @escaping (Probe, Int) -> Void, _ end: @escaping (Probe) -> Void) throws {
      word = try SharedWord("word", 7)
      (self.body, self.end) = (body, end)
    }

    func run(_ thread: Int) { body(self, thread) }
    func conclude() { end(self) }
    func tearDown() { word.free() }

    /// A second of rounds.
    static func stress(
      _ body: @escaping @Sendable (Probe, Int) -> Void,
      conclude: @escaping @Sendable (Probe) -> Void = { _ in }
    ) -> NativeOutcome {
      let scenario = Scenario("probe", "a probe", obligations: []) { _ in
        try Probe(body, conclude)
      }
      return stress(scenario)
    }

    static func stress(_ scenario: Scenario, mutant: Mutant? = nil) -> NativeOutcome {
      NativeStress(scenario, rules: scenario.rules[0], mutant: mutant, seed: 1, seconds: 1)
        .run(interrupted: StopFlag())
    }
  }

  /// Ends an exit test that did not see what it should.
  private func require(_ condition: Bool, _ outcome: NativeOutcome) {
    if !condition {
      print(outcome)
      exit(1)
    }
  }

  @Suite("Explored scenarios on native threads")
  struct NativeStressTests {
    @Test("words, globals and the arena are put back between rounds")
    func putBack() async {
      await #expect(processExitsWith: .success) {
        let outcome = Probe.stress { probe, thread in
          let seen = probe.word.add(1)
          if seen != 8 && seen != 9 { unsafe cfolio_violation_text("WORD", .max, "not put back") }
          // Were the globals kept, a hundredth of a million warnings would be there.
          if cfolio_warning_count() > 1 {
            unsafe cfolio_violation_text("GLOBAL", .max, "not put back")
          }
          if thread == 0 { unsafe cfolio_warn_text("a warning") }
          // 64 MiB would be gone after 512 rounds of two threads.
          guard let memory = unsafe cfolio_zalloc(1 << 16) else {
            unsafe cfolio_violation_text("ARENA", .max, "not put back")
            return
          }
          unsafe cfolio_free(memory)
        }
        require(outcome.rounds > 600 && outcome.failed == 0, outcome)
      }
    }

    @Test("deferred calls are through when a round is judged")
    func deferred() async {
      await #expect(processExitsWith: .success) {
        let outcome = Probe.stress(
          { probe, _ in
            let size = unsafe MemoryLayout<rcu_head>.size
            let head = unsafe cfolio_zalloc(size)!.bindMemory(to: rcu_head.self, capacity: 1)
            unsafe call_rcu(head) { unsafe cfolio_free($0) }
            _ = probe.word.add(1)
          },
          conclude: { probe in
            if probe.word.load() != 9 { unsafe cfolio_violation_text("ENDS", .max, "too early") }
          })
        require(outcome.rounds > 20 && outcome.failed == 0, outcome)
      }
    }

    @Test("a violation is counted once a round, and the first is kept")
    func violation() async {
      await #expect(processExitsWith: .success) {
        let outcome = Probe.stress { _, _ in unsafe cfolio_violation_text("BAD", .max, "a text") }
        require(outcome.rounds > 20 && outcome.failed == outcome.rounds, outcome)
        require(outcome.firstRound == 1 && outcome.processes == 1, outcome)
        require(outcome.invariant == "BAD" && outcome.message == "a text", outcome)
      }
    }

    @Test(
      "a BUG, a crash and threads that never come back each end a process, and the next goes on")
    func stops() async {
      await #expect(processExitsWith: .success) {
        var outcome = Probe.stress { _, _ in unsafe cfolio_bug_text("CI21", nil, "put of nothing") }
        require(outcome.invariant == "CI21" && outcome.message == "put of nothing", outcome)
        require(outcome.failed == outcome.processes && outcome.processes > 1, outcome)
        outcome = Probe.stress { _, thread in if thread == 1 { raise(SIGSEGV) } }
        require(outcome.invariant == "CRASH" && outcome.failed == outcome.processes, outcome)
        outcome = Probe.stress { _, thread in while thread == 1 { cfolio_sleep_ns(1_000_000) } }
        require(outcome.invariant == "STUCK" && outcome.failed == 1, outcome)
      }
    }

    @Test("a mutant is on in its rounds, and the shipped code has none of it")
    func mutant() async {
      await #expect(processExitsWith: .success) {
        let mutant = Mutant.named("P05")!
        let scenario = Scenario.named(mutant.scenarios[0])!
        var outcome = Probe.stress(scenario, mutant: mutant)
        require(outcome.failed > 0, outcome)
        outcome = Probe.stress(scenario)
        require(outcome.failed == 0 && outcome.rounds > 20, outcome)
      }
    }
  }

#endif
