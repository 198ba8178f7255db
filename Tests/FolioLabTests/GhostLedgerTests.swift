// SPDX-License-Identifier: MIT

// The ghost ledger of scenarios: bugs that lose or double references are found at the step that does it,
// and liveness: what never ends although threads take turns.

import CFolio
import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Ghost ledger")
    struct GhostLedgerTests {
      /// Bugs that change R by another number than their callers hold, each with its scenario.
      static let mutants = [
        ("C03", "split-try-get"), ("C10", "freeze-get"), ("P01", "two-puts"), ("P02", "reuse"),
        ("P04", "freeze-get"), ("P05", "freeze-get"), ("P05", "cache-split"), ("P10", "batch-put"),
        ("P11", "batch-put"), ("P12", "batch-put"), ("P13", "batch-put"), ("P14", "batch-put"),
        ("P15", "split-page"),
      ]

      @Test("a lost or doubled reference is found at the step that does it", arguments: mutants)
      func caught(_ id: String, _ name: String) throws {
        let mutant = try #require(Mutant.named(id))
        try #require(Mutant.switch(mutant))
        defer { _ = Mutant.switch(nil) }
        let world = try LabWorld(#require(Scenario.named(name)))
        let finding = try #require(world.explore(.classes, seconds: 30).finding)
        #expect(finding.invariant == "LEDGER", "\(finding.invariant): \(finding.message)")
        // A thread was at it: nobody had to wait for the end.
        #expect(finding.thread != nil)
      }

      @Test("no alarm under any memory model", arguments: MemoryModel.allCases)
      func silent(_ model: MemoryModel) throws {
        let others = ["hand-out", "owner-split", "split-reuse"]
        for name in Set(Self.mutants.map(\.1)).sorted() + others {
          let world = try LabWorld(#require(Scenario.named(name)))
          for search in [Search.random, .pct(depth: nil)] {
            let finding = world.explore(search, model: model, executions: 2_000).finding
            #expect(finding == nil, "\(name): \(finding?.message ?? "")")
          }
        }
      }
    }

    @Suite("Liveness")
    struct LivenessTests {
      /// One spins until the other stores; `isStored` says whether it does.
      private static func spin(isStored: Bool) -> Scenario {
        Scenario("spin", "a spin for a flag", rules: [.strict], obligations: ["seen"]) { settings in
          let (flag, other) = (try SharedWord("flag"), try SharedWord("other"))
          return WordsWorld(
            [flag, other],
            [
              {
                while flag.load() == 0 {}
                settings.obligations.reach(0)
              },
              { if isStored { flag.store(1) } else { flag.store(0) } },
            ]
          ) {}
        }
      }

      @Test(
        "a spin that ends in turns is no alarm, and no proof",
        arguments: [
          Search.random, .pct(depth: 2), .pos, .urw, .schedules(preemptions: 0), .classes,
        ])
      func ends(_ search: Search) throws {
        let world = try LabWorld(Self.spin(isStored: true))
        let result = world.explore(search, executions: 50)
        #expect(result.finding == nil, "\(result.finding?.message ?? "")")
        #expect(result.verdict != .exhaustive)
        if case .schedules = search { #expect(result.statistics.unfair > 0) }
      }

      @Test(
        "a spin that never ends is a livelock, whoever searches",
        arguments: [Search.random, .pct(depth: 2), .schedules(preemptions: 0), .classes])
      func livelock(_ search: Search) throws {
        let world = try LabWorld(Self.spin(isStored: false))
        let finding = try #require(world.explore(search, executions: 50).finding)
        #expect(finding.invariant == "LIVELOCK")
        #expect(finding.message.hasPrefix("thread 0 "), "\(finding.message)")
      }

      @Test("a thread that waits while another goes on for ever starves")
      func starvation() throws {
        let scenario = Scenario(
          "starved", "a lock that is never given back", rules: [.strict], obligations: ["never"]
        ) { _ in try StarvingWorld() }
        let finding = try #require(LabWorld(scenario).explore(.random, executions: 50).finding)
        #expect(finding.invariant == "STARVATION")
        #expect(finding.message.hasPrefix("thread 1 waits while thread 0 goes on"))
      }
    }
  }

  /// The first thread has the lock and spins, the second wants it.
  @safe
  private final class StarvingWorld: ScenarioWorld {
    let threads = [ScenarioThread("spinner", group: 1), ScenarioThread("waiter", group: 2)]
    private let lock: UnsafeMutablePointer<CFolio.mutex>
    private let flag: SharedWord

    init() throws {
      guard let memory = unsafe cfolio_zalloc(64) else { throw ScenarioMemoryError() }
      unsafe lock = memory.bindMemory(to: CFolio.mutex.self, capacity: 1)
      unsafe mutex_init(lock, nil)
      unsafe mutex_lock(lock)
      flag = try SharedWord("flag")
    }

    func run(_ thread: Int) {
      if thread == 0 {
        while flag.load() == 0 {}
      } else {
        unsafe mutex_lock(lock)
        flag.store(1)
        unsafe mutex_unlock(lock)
      }
    }

    func tearDown() {
      unsafe cfolio_free(lock)
      flag.free()
    }
  }

#endif
