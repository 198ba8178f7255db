// SPDX-License-Identifier: MIT
//
// Address spaces against their sequential model, with seeded programs. A failure prints seed, minimal
// program and the commands that replay it; the environment variables FOLIO_SEED, FOLIO_CONFIGURATION
// and FOLIO_PROGRAM choose what runs, FOLIO_STEPS how long.

import FolioWorkloads
import Foundation
import Testing

private let environment = ProcessInfo.processInfo.environment

private let tests = ProgramTests(
  explore: "FolioWorkloadsTests.MemoryPropertyTests",
  replay: "FolioWorkloadsTests.MemoryReplayTests")

/// A number of the environment, or another one; malformed ones stop the test.
private func number(_ name: String, _ otherwise: UInt64) throws -> UInt64 {
  guard let text = environment[name] else { return otherwise }
  return try #require(UInt64(text), "\(name) is not a number: \(text)")
}

/// How a configuration is run.
struct MemoryPlan: Sendable, CustomTestStringConvertible {
  var configuration: MemoryConfiguration
  var seed: UInt64
  var audited = false

  var testDescription: String { "\(configuration), seed \(seed)\(audited ? ", audited" : "")" }

  /// All rules, both sizes of tables, with and without tables kept for leaves.
  static let all: [MemoryPlan] = ModelRules.allCases.enumerated().flatMap { number, rules in
    [
      MemoryPlan(
        configuration: MemoryConfiguration(rules, tableShift: 2), seed: 1 + 10 * UInt64(number)),
      MemoryPlan(
        configuration: MemoryConfiguration(rules, tableShift: 2, deposits: true),
        seed: 2 + 10 * UInt64(number), audited: true),
      MemoryPlan(
        configuration: MemoryConfiguration(rules, tableShift: 3, deposits: number == 1),
        seed: 3 + 10 * UInt64(number)),
    ]
  }

  static let steps: UInt64 = 1500

  func run(isAlone: Bool = false) throws -> MemoryCoverage {
    let run = ProgramRun(configuration: configuration.description, tests: tests) {
      try MemoryLockstep(configuration, audited: audited, isAlone: isAlone)
    }
    let seed = try number("FOLIO_SEED", seed)
    var generator = MemoryGenerator(seed: seed)
    return try run.explore(
      seed: seed, steps: Int(try number("FOLIO_STEPS", Self.steps)), shrinkLimit: .seconds(20)
    ) { generator.next(for: $0.model) }.coverage
  }
}

@Suite("Address spaces do what the sequential model says", .serialized)
struct MemoryPropertyTests {
  @Test("random programs agree step by step", arguments: MemoryPlan.all)
  func agrees(plan: MemoryPlan) throws {
    if let text = environment["FOLIO_CONFIGURATION"] {
      guard text == plan.configuration.description else { return }
    }
    let coverage = try plan.run()
    #expect(coverage.leaves > 0 && coverage.sharedOwnPages > 0)
    if environment["FOLIO_STEPS"] != nil {
      print("\(plan.testDescription): \(coverage.steps) steps")
      print(
        coverage.outcomes.sorted { $0.key < $1.key }.map { "  \($0.key) \($0.value)" }
          .joined(separator: "\n"))
    }
  }
}

@Suite("A program on address spaces from the environment is replayed")
struct MemoryReplayTests {
  @Test(
    "FOLIO_PROGRAM under FOLIO_CONFIGURATION agrees with the model",
    .enabled(
      if: environment["FOLIO_PROGRAM"] != nil
        && environment["FOLIO_CONFIGURATION"]?.hasPrefix("memory/") == true,
      "FOLIO_PROGRAM or FOLIO_CONFIGURATION is not set, or not for address spaces"))
  func replay() throws {
    let program = try #require(
      MemoryOperation.program(parsing: environment["FOLIO_PROGRAM"] ?? ""),
      "FOLIO_PROGRAM is malformed")
    let configuration = try #require(
      MemoryConfiguration(parsing: environment["FOLIO_CONFIGURATION"] ?? ""),
      "FOLIO_CONFIGURATION is malformed")
    let run = ProgramRun(configuration: configuration.description, tests: tests) {
      try MemoryLockstep(configuration)
    }
    let divergence = try run.replay(program)
    #expect(divergence == nil, "\(divergence.map(\.description) ?? "")")
  }
}
