// SPDX-License-Identifier: MIT

// The lab's class counts against an enumerator that shares no code with it (Tests/Enumerator): all
// schedules, no reduction, each written down independently of the order of independent steps. Here as
// far as a debug build gets in seconds; `enumerate-classes`, built for release, goes on to scenarios
// with millions of schedules, and what it finds is recorded (ClassCount.recorded).

import ClassOracle
import FolioLab
import FolioWorkloads
import Foundation
import Testing

#if LAB

  extension LabTests {
    @Suite("Oracle")
    struct OracleTests {
      /// Schedules per scenario at most; FOLIO_ORACLE_SCHEDULES says otherwise.
      private static let limit =
        ProcessInfo.processInfo.environment["FOLIO_ORACLE_SCHEDULES"].flatMap(Int.init) ?? 10_000

      @Test(
        "the classes that the lab completes are those that enumeration finds",
        arguments: [
          TestScenario.counter, TestScenario.storeBuffer, TestScenario.vacuous,
          TestScenario.barrierRace,
        ]
          + Scenario.all)
      func classes(_ scenario: Scenario) throws {
        let recorded = ClassCount.recorded.filter {
          $0.scenario == scenario.name && $0.size == scenario.size
            && $0.rules == scenario.rules[0]
        }
        switch try ClassOracle.enumerate(scenario, limit: Self.limit) {
        case .failed(let invariant):
          Issue.record("a schedule violates \(invariant)")
        case .tooMany:
          // Then the record has none either, or one that is as large.
          #expect(recorded.allSatisfy { $0.schedules ?? Int.max > Self.limit })
        case .counted(let classes, let schedules):
          let result = try LabWorld(scenario).explore(.classes)
          #expect(result.verdict == .exhaustive)
          #expect(classes == result.statistics.complete)
          #expect(recorded.allSatisfy { $0.classes == classes })
          #expect(recorded.allSatisfy { $0.schedules ?? schedules == schedules })
          if Scenario.named(scenario.name) != nil {
            #expect(!recorded.isEmpty, "`enumerate-classes --table` prints the line to record")
          }
        }
      }

      @Test(
        "enumeration finds what goes wrong",
        arguments: [TestScenario.racyCounter, TestScenario.lockOrder])
      func failures(_ scenario: Scenario) throws {
        let answer = try ClassOracle.enumerate(scenario, limit: Self.limit)
        #expect(answer == .failed(scenario.name == "lock-order" ? "DEADLOCK" : "LOST"))
      }
    }
  }

#endif
