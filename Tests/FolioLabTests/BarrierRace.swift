// SPDX-License-Identifier: MIT

// rcu_barrier() against another thread's call_rcu(): the call comes before the barrier begins, and is
// waited for, or behind. No scenario of the catalogue has that race.

import CFolio
import FolioCore
import FolioWorkloads

extension TestScenario {
  /// The deferred call's memory: the head, then the word that says it ran.
  @safe
  private struct Deferred: Sendable {
    nonisolated(unsafe) let head: UnsafeMutablePointer<rcu_head>

    init() throws {
      guard let memory = unsafe cfolio_zalloc(64) else { throw ScenarioMemoryError() }
      unsafe head = memory.bindMemory(to: rcu_head.self, capacity: 1)
    }

    func call() {
      unsafe call_rcu(head) { head in
        unsafe atomic_set(
          UnsafeMutableRawPointer(head + 1).assumingMemoryBound(to: atomic_t.self), 1)
      }
    }

    var hasRun: Bool {
      unsafe atomic_read(
        UnsafeMutableRawPointer(head + 1).assumingMemoryBound(to: atomic_t.self)) != 0
    }
  }

  static let barrierRace = Scenario(
    "barrier-race", "rcu_barrier against another thread's call_rcu, with a reader",
    rules: [.strict],
    obligations: ["called before the store", "it has not run behind the barrier", "it has run"]
  ) { settings in
    let word = try SharedWord("word")
    let called = try SharedWord("called")
    let deferred = try Deferred()
    return WordsWorld(
      [word, called],
      [
        {
          rcu_read_lock()
          _ = word.load()
          rcu_read_unlock()
        },
        {
          deferred.call()
          called.store(1)
        },
        {
          let isCalled = called.load() != 0
          word.store(1)
          rcu_barrier()
          let hasRun = deferred.hasRun
          if isCalled {
            settings.obligations.reach(0)
            if !hasRun { fail("RCU", "a call made before the barrier has not run") }
          }
          settings.obligations.reach(hasRun ? 2 : 1)
        },
      ]
    ) {}
  }
}
