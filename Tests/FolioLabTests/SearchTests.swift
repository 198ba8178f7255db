// SPDX-License-Identifier: MIT

// Every search on scenarios whose answers are known.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  /// One engine per process, which puts the library's globals back as they were: what explores runs
  /// one at a time, and nothing else beside it.
  @Suite(
    "Lab", .serialized,
    .enabled(if: isAlone, "runs alone: swift test --traits Lab --filter FolioLabTests"))
  struct LabTests {}

  private let isAlone = CommandLine.arguments.contains { $0.contains("FolioLabTests") }

  extension LabTests {
    @Suite("Searches")
    struct SearchTests {
      static let searches: [Search] = [
        .random, .pct(depth: nil), .pct(depth: 2), .pos, .urw, .schedules(preemptions: nil),
        .schedules(preemptions: 1), .classes, .states,
      ]

      @Test("each search finds the lost update of a racy counter", arguments: searches)
      func racyCounter(_ search: Search) throws {
        let world = try LabWorld(TestScenario.racyCounter)
        let result = world.explore(search, executions: 1000)
        #expect(result.verdict == .failed)
        #expect(result.finding?.invariant == "LOST")
        #expect(result.finding?.message == "the counter is 1")
      }

      @Test("no search finds anything wrong with an atomic counter", arguments: searches)
      func counter(_ search: Search) throws {
        let world = try LabWorld(TestScenario.counter, size: 3)
        let result = world.explore(search, executions: 1000)
        #expect(result.finding == nil)
        #expect(result.unreached.isEmpty)
        #expect(result.isComplete == search.isSystematic)
      }

      @Test(
        "n atomic additions have n! classes and n! schedules",
        arguments: [(1, 1), (2, 2), (3, 6), (4, 24)])
      func additions(_ threads: Int, _ classes: Int) throws {
        let world = try LabWorld(TestScenario.counter, size: threads)
        for search in [Search.classes, .schedules(preemptions: nil)] {
          let result = world.explore(search)
          #expect(result.verdict == .exhaustive)
          #expect(result.statistics.complete == classes)
        }
        // Identical threads: only how many have come is a state, and the end.
        let states = world.explore(.states)
        #expect(states.verdict == .exhaustive)
        #expect(states.statistics.states <= threads + 1)
      }

      @Test("store buffering has its three outcomes, four classes, and not the fourth outcome")
      func storeBuffer() throws {
        let world = try LabWorld(TestScenario.storeBuffer)
        let result = world.explore(.classes)
        #expect(result.verdict == .exhaustive)
        // Two pairs of conflicting accesses, and one of the four combinations cannot be.
        #expect(result.statistics.complete == 3)
        #expect(result.unreached.isEmpty)
      }

      @Test("locks in two orders deadlock, and the report says who waits for what")
      func deadlock() throws {
        let world = try LabWorld(TestScenario.lockOrder)
        for search in [Search.classes, .schedules(preemptions: 1), .random] {
          let result = world.explore(search, executions: 1000)
          #expect(result.finding?.invariant == "DEADLOCK")
          #expect(
            result.finding?.message == "thread 0 waits for a lock; thread 1 waits for a lock")
        }
      }

      @Test("an obligation that no execution meets is named")
      func vacuous() throws {
        let result = try LabWorld(TestScenario.vacuous).explore(.classes)
        #expect(result.verdict == .exhaustive)
        #expect(result.unreached == ["the moon"])
      }

      @Test("bounds on preemptions say what they covered")
      func bounds() throws {
        let world = try LabWorld(TestScenario.racyCounter)
        // Without a preemption each addition is whole.
        #expect(world.explore(.schedules(preemptions: 0)).verdict == .bounded(0))
        #expect(world.explore(.schedules(preemptions: 1)).verdict == .failed)
      }

      @Test("what the lab cannot put back is noticed", arguments: [Search.random, .classes])
      func nondeterminism(_ search: Search) throws {
        let result = try LabWorld(TestScenario.forgetful).explore(search, executions: 5000)
        #expect(result.finding?.invariant == "NONDETERMINISM")
      }

      @Test("walks are the same for the same seed and differ for others")
      func seeds() throws {
        let world = try LabWorld(#require(Scenario.named("gup-pin")), size: 3)
        func last(_ search: Search, _ seed: UInt64) -> Trace {
          _ = world.explore(search, seed: seed, executions: 50)
          return world.lastTrace
        }
        for search in [Search.random, .pct(depth: 3), .pos, .urw] {
          #expect(last(search, 7) == last(search, 7))
          #expect((8..<16).contains { last(search, $0) != last(search, 7) })
        }
      }

      @Test("a probability is claimed for walks only, by the rule of three")
      func probability() throws {
        let sampled = try LabWorld(TestScenario.counter, size: 2)
          .explore(.random, executions: 3000)
        #expect(sampled.verdict == .sampled(probability: 0.001))
        // A proof that was stopped early has drawn nothing.
        let cut = try LabWorld(#require(Scenario.named("gup-pin")), size: 3)
          .explore(.classes, executions: 10)
        #expect(cut.verdict == .sampled(probability: 1))
      }
    }
  }

#endif
