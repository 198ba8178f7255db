// SPDX-License-Identifier: MIT
//
// The library against the sequential model: every kind, rule set and way of counting mappings, with
// seeded programs. A failure prints seed, minimal program and the commands that replay it; the
// environment variables FOLIO_SEED, FOLIO_CONFIGURATION and FOLIO_PROGRAM choose what runs.

import FolioWorkloads
import Foundation
import Synchronization
import Testing

/// One configuration with how much of it is run.
struct Plan: Sendable, CustomTestStringConvertible {
  var configuration: ModelConfiguration
  var mix: OperationMix = .balanced
  var steps: Int
  var seeds = 2
  var wholeMapPeriod = 500

  var testDescription: String { configuration.description }

  /// Of the four ways to count mappings, the one that keeps everything.
  var isFirstOfItsKind: Bool { configuration.perPageMapcount && configuration.ownerTracking }

  /// Small maps of every kind, rules and counting mode; file-system DAX up to order 9.
  static let all: [Plan] = {
    var plans: [Plan] = []
    for kind in ModelKind.allCases {
      for rules in ModelRules.allCases {
        for (perPage, tracking) in [(true, true), (false, true), (true, false), (false, false)] {
          func plan(
            pages: Int, order: Int = 0, mix: OperationMix = .balanced, steps: Int
          ) {
            plans.append(
              Plan(
                configuration: ModelConfiguration(
                  kind, rules, pages: pages, compoundOrder: order, perPageMapcount: perPage,
                  ownerTracking: tracking),
                mix: mix, steps: steps))
          }
          plan(pages: 64, steps: 400)
          if plans[plans.count - 1].configuration.isHandedOut {
            plan(pages: 64, mix: .anonymousPages, steps: 300)
          }
          if kind == .generic {
            plan(pages: 64, order: 3, mix: .mappings, steps: 400)
            plan(pages: 1024, order: 9, mix: .mappings, steps: 200)
          }
          if kind == .fsdax && rules != .legacy {
            plan(pages: 64, mix: .shapes, steps: 500)
            plan(pages: 64, mix: .mappings, steps: 500)
            plan(pages: 1024, mix: .mappings, steps: 300)
          }
        }
      }
    }
    return plans
  }()

  /// Those that run here. One thread runs a plan: under ThreadSanitizer, which looks for races of
  /// several, one way to count mappings stands for the four.
  static var run: [Plan] {
    #if SANITIZED_THREAD
      all.filter(\.isFirstOfItsKind)
    #else
      all
    #endif
  }

  /// PUD leaves need a folio of 2^18 pages, so few steps and one look at the whole map at the end.
  static let huge = Plan(
    configuration: ModelConfiguration(
      .generic, .strict, pages: 1 << 18, compoundOrder: 18),
    mix: .mappings, steps: 150, seeds: 1, wholeMapPeriod: 1_000_000)
}

/// Seeds of a plan: those of the environment, or fixed ones.
private func seeds(_ count: Int) -> [UInt64] {
  if let text = ProcessInfo.processInfo.environment["FOLIO_SEED"] {
    guard let seed = UInt64(text) else {
      Issue.record("FOLIO_SEED is not a number: \(text)")
      return []
    }
    // Once with the ledger and once without.
    return [seed, seed]
  }
  return (1...UInt64(count)).map { $0 &* 0x9e37_79b9 &+ 7 }
}

/// Failing runs so far. When everything fails, making the first few small says enough.
private let failures = Mutex(0)
private let failuresMadeSmall = 4

/// Runs a plan and returns what it covered; a divergence is recorded with its replay commands.
func run(_ plan: Plan) throws -> PropertyCoverage {
  var coverage = PropertyCoverage()
  for (index, seed) in seeds(plan.seeds).enumerated() {
    // Every second seed without the ledger: the fast paths take other branches then.
    let audited = index % 2 == 0
    let subject = PropertyRun(plan.configuration, wholeMapPeriod: plan.wholeMapPeriod) {
      try Executor(plan.configuration, audited: audited)
    }
    do {
      let shrinks = failures.withLock { $0 } < failuresMadeSmall
      coverage.formUnion(
        try subject.explore(
          seed: seed, steps: plan.steps, mix: plan.mix, shrinkLimit: .seconds(shrinks ? 4 : 0)))
    } catch let failure as PropertyFailure {
      failures.withLock { $0 += 1 }
      Issue.record("audited: \(audited)\n\(failure)")
    }
  }
  return coverage
}

@Suite("The library does what the sequential model says", .serialized)
struct PropertyTests {
  @Test("random programs agree step by step", arguments: Plan.run)
  func agrees(plan: Plan) throws {
    let coverage = try run(plan)
    #expect(coverage.steps >= plan.steps)
    // Where the loss of a base reference is masked, the fixed seeds must have lost some. A seed
    // from the environment replays one program, so nothing is asked of its coverage.
    let masks =
      plan.configuration.masksDroppedBase && plan.configuration.compoundOrder == 0
      && ProcessInfo.processInfo.environment["FOLIO_SEED"] == nil
    #expect(!masks || coverage.resets > 0)
  }

  @Test("a folio of 2^18 pages is mapped by PUD leaves as the model says")
  func pudAgrees() throws {
    let coverage = try run(.huge)
    #expect(coverage.names.isSuperset(of: ["folio_add_file_rmap_pud", "folio_remove_rmap_pud"]))
  }

  @Test("the plans make at least 50,000 steps")
  func planSize() {
    let total = Plan.all.reduce(0) { $0 + $1.steps * $1.seeds }
    #expect(total >= 50_000, "\(total) steps")
  }
}

@Suite("A program from the environment is replayed")
struct ReplayTests {
  static var environment: [String: String] { ProcessInfo.processInfo.environment }

  @Test(
    "FOLIO_PROGRAM under FOLIO_CONFIGURATION agrees with the model",
    .enabled(if: environment["FOLIO_PROGRAM"] != nil, "FOLIO_PROGRAM is not set"))
  func replay() throws {
    let program = try #require(
      Operation.program(parsing: Self.environment["FOLIO_PROGRAM"] ?? ""),
      "FOLIO_PROGRAM is malformed")
    let configuration = try #require(
      ModelConfiguration(parsing: Self.environment["FOLIO_CONFIGURATION"] ?? ""),
      "FOLIO_CONFIGURATION is malformed")
    for audited in [true, false] {
      let run = PropertyRun(configuration) { try Executor(configuration, audited: audited) }
      let divergence = try run.replay(program)
      #expect(divergence == nil, "audited \(audited): \(divergence.map(\.description) ?? "")")
    }
  }
}
