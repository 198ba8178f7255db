// SPDX-License-Identifier: MIT

// What a stress run says about what it found: invariant, page, the last events of that page and the
// replay command, whether the round was traced or not; nothing is hidden by what there is too much of;
// a run that cannot begin ends at once.

import CFolio
import FolioCore
import FolioWorkloads
import Glibc
import Testing

@Suite("Stress findings", .serialized)
struct StressFindingTests {
  @Test(
    "a reference too few is named with invariant, page, the events before and the replay command")
  func plantedFault() async {
    await #expect(processExitsWith: .success) {
      let frame = SharedCount()
      let scenario = StressScenario("planted", "loses a reference") {
        try PlantedRound($0) { round in
          frame.set(Int(round.frame ?? 0))
          round.loseReference()
        }
      }
      var options = StressOptions()
      options.seconds = 0.05
      options.seed = 4
      options.threads = 2
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      let finding = try #require(result.findings.first)
      #expect(!result.passed)
      #expect(finding.violation.invariant == "CI1")
      #expect(finding.violation.frame == UInt(frame.value))
      #expect(
        finding.replay
          == "folio-bench stress --scenario planted --rules strict --threads 2 --seconds 0.05"
          + " --seed 4")
      // The end of the round has overwritten the rings; these were copied before.
      #expect(finding.eventSource == .round)
      #expect(finding.events.map(\.delta) == [2, -1])
      #expect(finding.description.contains("replay: folio-bench stress"))
      #expect(finding.description.contains("page_ref_mod delta -1 result 1"))
      let json = StressReport([result], version: "1").json(host: "{}")
      #expect(json.contains(#""invariant": "CI1", "page": \#(frame.value)"#))
      #expect(json.contains(#""delta": -1, "result": 1}], "events_from": "round""#))
      // The table says it too; the tool's exit status is `passed`.
      #expect(!StressReport([result], version: "1").passed)
    }
  }

  @Test("a finding of an untraced round gets its events from a traced repetition, and says so")
  func untracedRound() async {
    await #expect(processExitsWith: .success) {
      let scenario = StressScenario("planted", "loses a reference") {
        try PlantedRound($0) { $0.loseReference() }
      }
      var options = StressOptions()
      options.seconds = 0.001
      options.seed = 5
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      let finding = try #require(result.findings.first)
      #expect(finding.replay.hasSuffix("--seed 5"))
      #expect(finding.eventSource == .repetition)
      #expect(finding.events.map(\.delta) == [2, -1])
      #expect(finding.description.contains("traced repetition of the untraced round"))
    }
  }

  @Test("what no traced repetition finds again is reported without events, and says so")
  func unrepeatable() async {
    await #expect(processExitsWith: .success) {
      let rounds = SharedCount()
      let scenario = StressScenario("planted", "loses a reference once") {
        let round = rounds.add()
        return try PlantedRound($0) { if round == 1 { $0.loseReference() } }
      }
      var options = StressOptions()
      options.seconds = 0.001
      options.seed = 5
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      let finding = try #require(result.findings.first)
      #expect(result.violationCount == 1)
      #expect(finding.eventSource == .unknown(repetitions: 3) && finding.events.isEmpty)
      #expect(finding.description.contains("3 traced repetitions of it did not find the same"))
    }
  }

  @Test("a finding that concerns no page says that there are no events of one")
  func noPage() async {
    await #expect(processExitsWith: .success) {
      let scenario = StressScenario("planted", "says so") {
        try PlantedRound($0) { $0.log?.add("CI31", "of no page") }
      }
      var options = StressOptions()
      options.seconds = 0.001
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      let finding = try #require(result.findings.first)
      #expect(finding.eventSource == .noPage)
      #expect(finding.description.contains("no page is concerned"))
    }
  }

  @Test("hundreds of known hazards neither hide a violation nor become one")
  func manyHazards() async {
    await #expect(processExitsWith: .success) {
      let scenario = StressScenario("planted", "records a lot") {
        try PlantedRound($0) { round in
          for number in 0..<1000 {
            unsafe cfolio_violation_text("C29", round.frame ?? 0, "a hazard")
            if number % 200 == 0 { round.log?.drain() }
          }
          unsafe cfolio_violation_text("CI7", round.frame ?? 0, "the real thing")
        }
      }
      var options = StressOptions()
      options.seconds = 0.001
      options.rules = .kernel
      options.seed = 2
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      #expect(result.hazardCount == 1000 * result.rounds)
      #expect(result.violationCount == result.rounds)
      #expect(result.findings.map(\.violation.invariant).sorted() == ["C29", "CI7"])
    }
  }

  @Test("step violations are taken while a round runs, so that one that records many loses none")
  func drainedWhileRunning() async {
    await #expect(processExitsWith: .success) {
      let scenario = StressScenario("planted", "records a lot") { settings in
        let recorded = SharedCount()
        return PlantedRound { worker in
          if worker.index == 0 && recorded.value < 1000 {
            for _ in 0..<200 { unsafe cfolio_violation_text("C29", UInt.max, "a hazard") }
            recorded.add(200)
            // The thread that runs the round takes them, or this is never over.
            while settings.log.count < recorded.value { cfolio_yield() }
            guard recorded.value == 1000 else { return }
          }
          worker.did()
        }
      }
      var options = StressOptions()
      options.seconds = 0.001
      options.rules = .kernel
      options.seed = 2
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      #expect(result.passed && result.hazardCount == 1000 * result.rounds)
    }
  }

  @Test("more step violations than the library can keep are a violation of their own")
  func lostViolations() async {
    await #expect(processExitsWith: .success) {
      let scenario = StressScenario("planted", "records too much at once") {
        try PlantedRound($0) { round in
          for _ in 0..<300 { unsafe cfolio_violation_text("C29", round.frame ?? 0, "a hazard") }
        }
      }
      var options = StressOptions()
      options.seconds = 0.001
      options.rules = .kernel
      options.seed = 2
      let result = StressRun(scenario, options, interrupted: StopFlag()).run()
      #expect(!result.passed)
      let lost = try #require(result.findings.first { $0.violation.invariant == "lost" })
      #expect(lost.violation.message.contains("44 step violations"))
    }
  }
}
