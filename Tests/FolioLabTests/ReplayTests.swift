// SPDX-License-Identifier: MIT

// Tokens, replays, shrinking, shards, certificates.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Replay")
    struct ReplayTests {
      @Test("a token's text gives the token back", arguments: [nil, "C01"])
      func text(_ mutant: String?) throws {
        let turns = (0..<40).map {
          ReplayToken.Turn(
            thread: $0 % 15, occurrence: $0 % 16, site: $0 % 16 == 0 ? 0 : UInt8($0 * 6))
        }
        for count in 0...turns.count {
          let token = ReplayToken(
            scenario: "gup-pin", size: 3, rules: "strict", model: .tso, mutant: mutant,
            turns: Array(turns.prefix(count)))
          #expect(ReplayToken(token.description) == token)
        }
      }

      @Test(
        "an operation may stand before a thread as often as it likes",
        arguments: [1, 15, 16, 30, 31, 3840, 3841, 16_384])
      func occurrences(_ count: Int) {
        let token = ReplayToken(
          scenario: "gup-pin", size: 3, rules: "strict",
          turns: [
            .init(thread: 1, occurrence: count, site: 9), .init(thread: 15),
            .init(thread: 15, occurrence: 2, site: 0),
          ])
        #expect(ReplayToken(token.description) == token)
      }

      @Test("tokens of up to 15 occurrences have the text that they always had")
      func oldText() {
        let token = ReplayToken(
          scenario: "a", size: 1, rules: "strict",
          turns: [.init(thread: 1, occurrence: 15, site: 7), .init(thread: 0)])
        #expect(token.description == "folio:v1:a.1.strict.sc:HwcAAA")
      }

      @Test(
        "what is no token is refused",
        arguments: [
          "", "folio:v1:", "folio:v2:a.1.strict.sc:AAA", "folio:v1:a.1.strict.sc:A",
          "folio:v1:a.1.strict.sc:AA", "folio:v1:a.x.strict.sc:AAA", "folio:v1:a.1.strict.zz:AAA",
          "folio:v1:a.1.strict.sc:A+A", "folio:v1:a.1.strict.sc.C01.C02:AAA",
        ])
      func badText(_ text: String) {
        #expect(ReplayToken(text) == nil)
      }

      @Test("every schedule's token replays exactly that schedule")
      func everySchedule() throws {
        let world = try LabWorld(#require(Scenario.named("gup-pin")), size: 2)
        for seed in 0..<300 as Range<UInt64> {
          _ = world.explore(.random, seed: seed, executions: 1)
          let trace = world.lastTrace
          let run = world.replay(world.token(of: trace))
          #expect(run.divergence == nil)
          #expect(run.trace == trace)
        }
      }

      @Test("the token of a failure fails in the same way, and is short")
      func failure() throws {
        let world = try LabWorld(TestScenario.racyCounter)
        let finding = try #require(world.explore(.random, executions: 100).finding)
        let token = world.token(of: finding.trace)
        #expect(token.description.count <= 200)
        let run = world.replay(token)
        #expect(run.finding == finding)
      }

      @Test("a token that cannot be followed says where")
      func divergence() throws {
        let world = try LabWorld(TestScenario.counter, size: 2)
        let token = ReplayToken(
          scenario: "counter", size: 2, rules: "strict",
          turns: [
            .init(thread: 0, occurrence: 1, site: 77), .init(thread: 1), .init(thread: 0),
          ])
        let divergence = try #require(world.replay(token).divergence)
        #expect(divergence.turn == 0)
        #expect(divergence.description.hasPrefix("turn 0: thread 0 ended before it came to"))
      }

      @Test("who ends in front of a failure without coming to its operation left the token")
      func endedBeforeFailure() throws {
        let turns = [ReplayToken.Turn(thread: 0, occurrence: 1, site: 77), .init(thread: 1)]
        let run = try LabWorld(TestScenario.counter, size: 2).replay(
          ReplayToken(scenario: "counter", size: 2, rules: "strict", turns: turns))
        #expect(run.divergence?.turn == 0)
      }

      @Test("who waits there for what it was about to do did not")
      func waitsBeforeFailure() throws {
        let world = try LabWorld(TestScenario.lockOrder)
        let finding = try #require(world.explore(.classes).finding)
        let run = world.replay(world.token(of: finding.trace))
        #expect(finding.invariant == "DEADLOCK" && run.finding == finding)
        #expect(run.divergence == nil)
      }

      @Test("a failure shrinks to its fewest preemptions and steps")
      func shrinks() throws {
        let world = try LabWorld(TestScenario.racyCounter)
        for seed in 0..<20 as Range<UInt64> {
          let result = world.explore(.random, seed: seed, executions: 1000)
          let small = world.shrink(try #require(result.finding))
          #expect(small.invariant == "LOST")
          #expect(small.trace.preemptions == 1)
          #expect(small.trace.steps.count == 4)
        }
      }

      @Test("shards together are the whole, whatever their number", arguments: [1, 2, 4, 16])
      func shards(_ count: Int) throws {
        let world = try LabWorld(#require(Scenario.named("gup-pin")), size: 3)
        let parts = (0..<count).map { index in
          world.certificate(
            of: world.explore(.classes, shard: Shard(index: index, count: count)))
        }
        let whole = try Certificate.merge(parts.shuffled())
        #expect(whole.verdict == "EXHAUSTIVE")
        #expect(whole.classes == 54_459)
        #expect(whole.unreached.isEmpty)
        if count > 1 {
          #expect(throws: MergeError.self) { try Certificate.merge(Array(parts.dropLast())) }
          #expect(throws: MergeError.self) { try Certificate.merge(parts + [parts[0]]) }
          #expect(parts.allSatisfy { $0.verdict.hasPrefix("PART ") })
        }
      }

      @Test("shards of a walk draw different executions")
      func walkShards() throws {
        let world = try LabWorld(#require(Scenario.named("gup-pin")), size: 2)
        let traces = (0..<8).map { index in
          _ = world.explore(.random, executions: 1, shard: Shard(index: index, count: 8))
          return world.lastTrace
        }
        #expect(Set(traces).count > 4)
      }

      @Test("a second world is refused while one is open, and possible after it")
      func oneWorld() throws {
        do {
          let world = try LabWorld(TestScenario.counter)
          #expect(throws: LabError.self) { try LabWorld(TestScenario.racyCounter) }
          #expect(world.explore(.classes).verdict == .exhaustive)
        }
        #expect(try LabWorld(TestScenario.counter).explore(.classes).verdict == .exhaustive)
      }

      @Test("a world that is broken before it begins is refused, and taken down")
      func brokenSetUp() throws {
        let error = #expect(throws: LabError.self) { try LabWorld(TestScenario.broken(.setUp)) }
        #expect(error?.description == "broken is broken before it begins: EARLY: no world")
        #expect(try LabWorld(TestScenario.counter).explore(.classes).verdict == .exhaustive)
      }

      @Test("one that breaks as it is taken down ends the process")
      func brokenTearDown() async {
        await #expect(processExitsWith: .failure) {
          _ = try LabWorld(TestScenario.broken(.tearDown)).explore(.classes)
        }
        await #expect(processExitsWith: .success) {
          _ = try LabWorld(TestScenario.broken(nil)).explore(.classes)
        }
      }

      @Test(
        "what concludes an execution and does not end stops the process, and says why",
        arguments: [
          (TestScenario.End.waits, "BUG LAB: what concludes the execution waits"),
          (.stops, "BUG LATE: nobody catches it (outside of the scenario's threads)"),
        ])
      func endless(end: TestScenario.End, said: String) async {
        let result = await #expect(
          processExitsWith: .failure, observing: [\.standardErrorContent]
        ) { [end = end as TestScenario.End] in
          _ = try LabWorld(TestScenario.endless(end)).explore(.classes)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains(said), "said: \(text)")
      }

      @Test("rules and sizes that a scenario does not know are refused")
      func settings() throws {
        #expect(throws: LabError.self) { try LabWorld(TestScenario.counter, rules: .legacy) }
        #expect(throws: LabError.self) { try LabWorld(TestScenario.counter, size: 9) }
      }

      @Test("each walk fails as often as it must: PCT keeps its promise at the bug's depth")
      func hitRates() throws {
        let report = try LabWorld(TestScenario.racyCounter).depth(of: ["LOST"])
        // Sound is only a thread that goes on after its load: one choice out of two.
        #expect(report.random.interval.contains(0.5))
        // Priorities alone never preempt: one change point is needed, so the depth is 2.
        #expect(report.depth == 2)
        #expect(report.keepsPromise)
        for rate in [report.random, report.pos, report.urw] { #expect(rate.hits > 0) }
        #expect(report.pct[0].hits == 0)
      }

      @Test("racing pairs are those of the program, and walks come to all of them")
      func pairs() throws {
        let coverage = try #require(LabWorld(TestScenario.storeBuffer).pairCoverage())
        let (x, y) = ("scenario: x", "scenario: y")
        // A store and a load of each word, in both orders.
        #expect(
          coverage.all == [RacingPair(first: x, second: x), RacingPair(first: y, second: y)])
        #expect(coverage.missing.isEmpty)
        let scenario = try #require(Scenario.named("gup-pin"))
        let pin = try #require(LabWorld(scenario, size: 2).pairCoverage())
        #expect(pin.all.count == 6)
        #expect(pin.missing.isEmpty)
      }

      @Test("the portfolio proves what is small and finds what is broken")
      func portfolio() throws {
        let proof = try LabWorld(#require(Scenario.named("gup-pin")), size: 2).portfolio()
        #expect(proof.result.verdict == .exhaustive)
        #expect(proof.result.unreached.isEmpty)
        let found = try LabWorld(TestScenario.racyCounter).portfolio()
        #expect(found.result.finding?.invariant == "LOST")
      }
    }
  }

#endif
