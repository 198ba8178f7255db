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
        // With more schedules than usual some of them have a count.
        if let reason = Self.notEnumerated[scenario.name], answer == .unknown(reason) { return }
        let result = try LabWorld(scenario).explore(.classes)
        #expect(result.verdict == .exhaustive)
        #expect(answer == .classes(result.statistics.complete))
      }

      /// Schedules per scenario at most; FOLIO_ORACLE_SCHEDULES says otherwise.
      private static let schedules =
        ProcessInfo.processInfo.environment["FOLIO_ORACLE_SCHEDULES"].flatMap(UInt64.init) ?? 10_000

      /// Scenarios that the enumerator has no count of, with the reason that it gives: an operation that
      /// it does not know, or more schedules than it runs here.
      static let notEnumerated: [String: String] = [
        "cache-split": "too many schedules",
        "completion": "sleep",
        "form-late": "wake",
        "form-try-get": "too many schedules",
        "gup-pin": "too many schedules",
        "idle-begin": "too many schedules",
        "idle-callback": "too many schedules",
        "idle-insertion": "sleep",
        "idle-last-put": "sleep",
        "idle-unpin": "sleep",
        "ledger-stop": "call_rcu",
        "legacy-wake": "sleep",
        "litmus-completion": "wake",
        "litmus-locked-wake": "wake",
        "litmus-lookup": "call_rcu",
        "litmus-waking-put": "wake",
        "locks": "too many schedules",
        "map-teardown": "call_rcu",
        "map-window": "pages taken or given back",
        "owner-split": "too many schedules",
        "percpu-atomic": "call_rcu",
        "percpu-kill": "call_rcu",
        "percpu-last-put": "call_rcu",
        "percpu-life": "call_rcu",
        "percpu-resurrect": "call_rcu",
        "percpu-round-trip": "call_rcu",
        "raise-kill": "call_rcu",
        "rcu-barrier": "call_rcu",
        "rcu-call": "call_rcu",
        "rcu-synchronize": "synchronize_rcu",
        "retire": "too many schedules",
        "reuse": "too many schedules",
        "rmap-owners": "too many schedules",
        "split-reuse": "too many schedules",
        "split-try-get": "too many schedules",
        "vmemmap-remap": "synchronize_rcu",
        "wait-bit": "sleep",
        "wait-cancel": "sleep",
        "wait-cancel-wake": "sleep",
        "wait-count": "wake",
        "wait-exclusive": "sleep",
        "wait-killable": "sleep",
        "wait-mutex": "sleep",
        "wait-spinlock": "sleep",
        "wait-timeout": "sleep",
        "wait-variable": "sleep",
        "xarray-erase": "call_rcu",
        "xarray-iterate": "call_rcu",
        "xarray-shrink": "call_rcu",
        "xarray-siblings": "too many schedules",
      ]
    }
  }

#endif
