// SPDX-License-Identifier: MIT

// The stress runner itself: scenarios pass under sound rules, threads begin, have their turn and end.
// What is reported is in StressFindingTests.swift. Runs are in processes of their own: fault injection,
// warnings and recorded violations belong to the process.

import CFolio
import FolioCore
import FolioWorkloads
import Testing

@Suite("Stress", .serialized)
struct StressTests {
  @Test(
    "every scenario runs without a violation",
    arguments: StressScenario.all.map(\.name), ["strict", "legacy"])
  func passes(scenario: String, rules: String) async {
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardErrorContent]
    ) { [scenario, rules] in
      let scenario = try #require(StressScenario.named(scenario))
      var options = StressOptions()
      options.rules = try #require(PageMap.Rules(rawValue: rules))
      // Two rounds, an audited one first: the machine may be too busy for more.
      options.seconds = 0.2
      options.seed = 12
      options.faultRate = 30
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      guard result.passed && result.auditedRounds > 0 else {
        // Reaches the test as text of the failed process.
        let text = result.findings.map(\.description).joined(separator: "\n")
        fatalError("\(result.rounds) rounds, \(result.operations) operations\n\(text)")
      }
    }
    if let result, result.exitStatus != .exitCode(0) {
      Issue.record("\(String(decoding: result.standardErrorContent, as: UTF8.self))")
    }
  }

  @Test("a thread that does no operation fails the scenario")
  func idleThread() async {
    await #expect(processExitsWith: .success) {
      var options = StressOptions()
      options.seconds = 0.02
      options.threads = 2
      let scenario = StressScenario("idle", "does nothing") { _ in IdleRound() }
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      #expect(!result.passed)
      #expect(result.findings.map(\.violation.invariant) == ["progress", "progress"])
    }
  }

  @Test("an interruption ends a run early, with what it has so far")
  func interruption() async {
    await #expect(processExitsWith: .success) {
      var options = StressOptions()
      options.seconds = 600
      let stop = StopFlag()
      stop.set()
      let result = StressRun(StormRound.scenario, options, interrupted: stop).run()
      #expect(result.isInterrupted && result.passed && result.seconds < 60)
    }
  }

  @Test("what a scenario is about must have happened, or the run fails")
  func vacuousRun() async {
    await #expect(processExitsWith: .success) {
      var options = StressOptions()
      options.seconds = 0.01
      // A thread that a busy machine keeps from coming back for so long is another finding.
      options.patience = 2
      options.threads = 2
      let scenario = StressScenario("vacuous", "never does it") { _ in
        PlantedRound(coverage: [
          CoverageItem("it"), CoverageItem("something rare", isRequired: false),
        ]) { worker in worker.did() }
      }
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      #expect(!result.passed && result.seconds >= 2)
      #expect(result.findings.map(\.violation.message) == ["this never happened: it"])
    }
  }

  @Test("a run goes on until a round was audited and what must happen has happened")
  func longerRun() async {
    await #expect(processExitsWith: .success) {
      let rounds = SharedCount()
      var options = StressOptions()
      // Over before the first round has ended; that one is of an odd seed.
      options.seconds = 0.001
      options.seed = 1
      let scenario = StressScenario("late", "does it in the fourth round") { _ in
        let round = rounds.add()
        return PlantedRound(coverage: [CoverageItem("it")]) { worker in
          worker.did()
          if round == 4 { worker.cover(PlantedRound.Item.first) }
          cfolio_sleep_ns(1_000_000)
        }
      }
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      #expect(result.passed, "\(result.findings.map(\.description))")
      #expect(result.rounds == 4 && result.auditedRounds == 2)
    }
  }

  @Test("every one of many threads has its turn however short the run")
  func turns() throws {
    let runner = ThreadRunner(
      threads: 300, seed: 1, nanoseconds: 1, turnPatience: 300_000_000_000)
    let outcome = try runner.run(interrupted: StopFlag()) { worker in
      while worker.isRunning {
        for _ in 0..<(1 + worker.pick(100)) { cfolio_yield() }
        worker.did()
      }
    }
    #expect(outcome.operations.count == 300 && outcome.operations.allSatisfy { $0 > 0 })
  }

  @Test("a thread that never comes back is named with the step that it is in")
  func stuckThread() throws {
    let release = StopFlag()
    // The end waits for thread 0 to be done and for thread 1 to have begun; only then patience counts.
    let runner = ThreadRunner(
      threads: 2, seed: 1, nanoseconds: 1, turnPatience: 300_000_000_000, patience: 1_000_000)
    let outcome = try runner.run(interrupted: StopFlag()) { worker in
      guard worker.index == 1 else { return }
      worker.enter("for a flag", frame: 77)
      worker.did()
      while !release.isSet { cfolio_yield() }
    }
    release.set()
    #expect(outcome.stuck.map(\.thread) == [1])
    #expect(outcome.stuck.first?.step == "for a flag")
    #expect(outcome.stuck.first?.frame == 77)
  }

  @Test("the list names every scenario with its summary")
  func listing() {
    let listing = StressScenario.listing()
    for scenario in StressScenario.all {
      #expect(listing.contains("\(scenario.name)\n    \(scenario.summary)\n"))
    }
  }

  /// Between the test of a map's type and the taking of a reference the place may not get another
  /// map: the reader would hold a page of a type that it did not ask for.
  @Test("a lookup by type takes a page of that type even if the map is taken down meanwhile")
  func typedLookup() async {
    await #expect(processExitsWith: .success) {
      let place: UInt = 1 << 29
      let (isMapped, isTested, isGeneric, isOver) = (StopFlag(), StopFlag(), StopFlag(), StopFlag())
      let runner = ThreadRunner(threads: 2, seed: 1, nanoseconds: 1)
      let outcome = try runner.run(interrupted: StopFlag()) { worker in
        guard worker.index == 1 else {
          do throws(PageMapError) {
            let dax = try PageMap(.fsdax, pages: 512, .init(firstFrame: place))
            isMapped.set()
            while !isTested.isSet { cfolio_yield() }
            try dax.unmap()
            let generic = try PageMap(.generic, pages: 512, .init(firstFrame: place))
            isGeneric.set()
            while !isOver.isSet { cfolio_yield() }
            try generic.unmap()
          } catch {
            fatalError("\(error)")
          }
          return
        }
        while !isMapped.isSet { cfolio_yield() }
        let reference = TypedLookup.tryGet(
          place, of: .fsdax,
          tested: {
            isTested.set()
            // The other thread cannot get there while we look: the wait is as long as it is.
            let limit = cfolio_clock_ns() + 200_000_000
            while !isGeneric.isSet && cfolio_clock_ns() < limit { cfolio_yield() }
          })
        let isTaken = reference != nil
        _ = consume reference
        isOver.set()
        guard !isTaken else { fatalError("a reference to an idle page of another map") }
      }
      #expect(outcome.stuck.isEmpty)
    }
  }

  @Test("threads of one seed draw the same numbers in every run and different ones from each other")
  func seeds() throws {
    func draw() throws -> [Int] {
      let first = (0..<3).map { _ in SharedCount() }
      let runner = ThreadRunner(threads: 3, seed: 99, nanoseconds: 1_000_000)
      _ = try runner.run(interrupted: StopFlag()) { worker in
        first[worker.index].set(worker.random.number(in: 0...1_000_000_000))
      }
      return first.map(\.value)
    }
    let numbers = try draw()
    #expect(try numbers == draw())
    #expect(Set(numbers).count == 3)
  }
}

/// A scenario in which nobody does anything.
private final class IdleRound: StressRound {
  let maps: [PageMap] = []
  let coverage: [CoverageItem] = []
  func work(_ worker: inout Worker) {}
  func settle() {}
  func close() throws(PageMapError) {}
}
