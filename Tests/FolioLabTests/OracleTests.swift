// SPDX-License-Identifier: MIT

// The lab's class counts against an enumerator that shares no code with it (Tests/Enumerator): all
// schedules, no reduction, each written down independently of the order of independent steps.

import CFolio
import Enumerator
import FolioCore
import FolioLab
import FolioWorkloads
import Foundation
import Testing

#if LAB

  extension LabTests {
    @Suite("Oracle")
    struct OracleTests {
      /// What the callbacks reach.
      private final class Box {
        var world: (any ScenarioWorld)!
      }

      private func asGuest(_ body: () -> Void) {
        withoutActuallyEscaping(body) { body in
          var body = body
          unsafe withUnsafeMutablePointer(to: &body) {
            unsafe enumerator_as_guest(
              { unsafe $0!.assumingMemoryBound(to: (() -> Void).self).pointee() }, $0)
          }
        }
      }

      /// What the enumerator says: a count, or why it has none.
      enum Answer: Equatable {
        case classes(Int)
        case unknown(String)
      }

      private func enumerated(_ scenario: Scenario, limit: UInt64) throws -> Answer {
        let settings = Scenario.Settings(
          rules: scenario.rules[0], size: scenario.size, obligations: Obligations())
        enumerator_reset()
        let box = Box()
        var failure: (any Error)?
        asGuest {
          do { box.world = try scenario.world(settings) } catch { failure = error }
        }
        if let failure { throw failure }
        var program = unsafe enumeration_program()
        unsafe program.threads = UInt32(box.world.threads.count)
        unsafe program.body = { context, thread in
          unsafe Unmanaged<Box>.fromOpaque(context!).takeUnretainedValue().world.run(Int(thread))
        }
        unsafe program.prepare = {
          unsafe Unmanaged<Box>.fromOpaque($0!).takeUnretainedValue().world.prepare()
        }
        unsafe program.context = Unmanaged.passUnretained(box).toOpaque()
        let result = unsafe enumerate(&program, limit)
        // To the last reference: its memory is the enumerator's.
        asGuest {
          box.world.tearDown()
          box.world = nil
        }
        if let operation = unsafe result.unsupported {
          return .unknown(unsafe String(cString: operation))
        }
        if unsafe result.failed { return .unknown("failed") }
        return unsafe result.complete
          ? .classes(Int(result.classes)) : .unknown("too many schedules")
      }

      @Test(
        "the classes that the lab completes are those that enumeration finds",
        arguments: [TestScenario.counter, TestScenario.storeBuffer, TestScenario.vacuous]
          + Scenario.all)
      func classes(_ scenario: Scenario) throws {
        let answer = try enumerated(scenario, limit: Self.schedules)
        if ProcessInfo.processInfo.environment["FOLIO_ORACLE_PRINT"] != nil {
          print("ORACLE \(scenario.name) \(answer)")
          return
        }
        if let reason = Self.notEnumerated[scenario.name] {
          #expect(answer == .unknown(reason))
          return
        }
        let result = try LabWorld(scenario).explore(.classes)
        #expect(result.verdict == .exhaustive)
        #expect(answer == .classes(result.statistics.complete))
      }

      /// Schedules per scenario at most; FOLIO_ORACLE_SCHEDULES says otherwise.
      private static let schedules =
        ProcessInfo.processInfo.environment["FOLIO_ORACLE_SCHEDULES"].flatMap(UInt64.init) ?? 30_000

      /// Scenarios that the enumerator has no count of, with the reason that it gives: an operation that
      /// it does not know, or more schedules than it runs here.
      static let notEnumerated: [String: String] = [:]
    }
  }

#endif
