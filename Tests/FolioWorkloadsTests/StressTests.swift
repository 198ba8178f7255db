// SPDX-License-Identifier: MIT

// The stress runner itself: scenarios pass under sound rules, a planted fault is reported with all
// that is needed to look into it. Runs are in processes of their own: fault injection, warnings and
// recorded violations belong to the process.

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

  @Test("a put too many is named with its invariant, its page, its events and the replay command")
  func plantedFault() async {
    await #expect(processExitsWith: .success) {
      var options = StressOptions()
      options.seconds = 0.05
      options.seed = 4
      options.threads = 2
      let result = StressRun(PlantedRound.scenario, options, interrupted: StopFlag()).run()
      let finding = try #require(result.findings.first)
      #expect(!result.passed)
      #expect(finding.violation.invariant == "CI1")
      #expect(finding.violation.frame == PlantedRound.frame.value.unsigned)
      #expect(
        finding.replay
          == "folio-bench stress --scenario planted --rules strict --threads 2 --seconds 0.05"
          + " --seed 4")
      #expect(finding.events.contains { $0.kind == .mod && $0.delta == -1 })
      #expect(finding.description.contains("replay: folio-bench stress"))
      let json = StressReport([result], version: "1").json(host: "{}")
      #expect(json.contains(#""invariant": "CI1", "page": \#(PlantedRound.frame.value)"#))
      // The table says it too; the tool's exit status is `passed`.
      #expect(!StressReport([result], version: "1").passed)
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

  @Test("a thread that never comes back is named with the step that it is in")
  func stuckThread() throws {
    let release = StopFlag()
    let runner = ThreadRunner(threads: 2, seed: 1, nanoseconds: 1_000_000, patience: 100_000_000)
    let outcome = try runner.run(interrupted: StopFlag()) { worker in
      guard worker.index == 1 else { return }
      worker.enter("for a flag", frame: 77)
      while !release.isSet { cfolio_yield() }
    }
    release.set()
    #expect(outcome.stuck.map(\.thread) == [1])
    #expect(outcome.stuck.first?.step == "for a flag")
    #expect(outcome.stuck.first?.frame == 77)
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

/// A scenario that loses a reference on purpose.
private final class PlantedRound: StressRound {
  static let scenario = StressScenario("planted", "loses a reference") { try PlantedRound($0) }
  static let frame = SharedCount()

  let maps: [PageMap]
  private let log: FindingLog

  init(_ settings: RoundSettings) throws {
    let map = try settings.makeMap(.fsdax, pages: 512)
    Self.frame.set(Int(map.frames.lowerBound))
    maps = [map]
    log = settings.log
    unsafe folio_ref_add(map.folio(map.frames.lowerBound), 2)
  }

  func work(_ worker: inout Worker) {
    while worker.isRunning {
      worker.did()
      cfolio_yield()
    }
  }

  func settle() {
    let folio = unsafe maps[0].folio(maps[0].frames.lowerBound)
    unsafe folio_ref_dec(folio)
    let count = unsafe folio_ref_count(folio)
    log.require(count == 2, "CI1", frame: maps[0].frames.lowerBound, "R is \(count), expected 2")
    unsafe folio_put(folio)
  }

  func close() throws(PageMapError) { try maps[0].unmap() }
}

/// A scenario in which nobody does anything.
private final class IdleRound: StressRound {
  let maps: [PageMap] = []
  func work(_ worker: inout Worker) {}
  func settle() {}
  func close() throws(PageMapError) {}
}

extension Int {
  fileprivate var unsigned: UInt { UInt(self) }
}
