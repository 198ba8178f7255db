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

  /// All rules, both sizes of tables, with and without tables kept for leaves, and special leaves
  /// where leaves are counted.
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
      MemoryPlan(
        configuration: MemoryConfiguration(
          rules, tableShift: 2, deposits: number == 1, specialLeaves: true),
        seed: 5 + 10 * UInt64(number)),
    ].filter { rules != .legacy || !$0.configuration.specialLeaves }
  }

  static let steps: UInt64 = 2500

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
    print(coverage, of: plan)
    // A seed from the environment makes one program, which may be short.
    guard environment["FOLIO_SEED"] == nil else { return }
    #expect(coverage.leaves > 0 && coverage.sharedOwnPages > 0 && coverage.references > 0)
    let missing = Self.outcomes(plan.configuration).subtracting(coverage.outcomes.keys)
    #expect(missing.isEmpty, "never seen: \(missing.sorted())")
  }

  /// How often each operation came out in each way, of long runs.
  private func print(_ coverage: MemoryCoverage, of plan: MemoryPlan) {
    guard environment["FOLIO_STEPS"] != nil else { return }
    let lines = coverage.outcomes.sorted { $0.key < $1.key }.map { "  \($0.key) \($0.value)" }
    let other = environment["FOLIO_SEED"]
    Swift.print(
      """
      \(plan.testDescription): \(coverage.steps) steps\(other.map { " at seed \($0) instead" } ?? "")
      \(lines.joined(separator: "\n"))
      """)
  }

  /// What every run has to meet.
  private static func outcomes(_ configuration: MemoryConfiguration) -> Set<String> {
    let all = [
      "create: done", "end: done", "fork: done", "map: done", "map: refused: exists",
      "unmap: done", "protect: done", "protect: refused: outOfMemory", "discard: done",
      "discard: refused: outOfMemory", "remap: done", "remap: refused: fault",
      "remap: refused: invalidArgument", "load: done", "load: refused: fault", "store: done",
      "store: refused: fault", "zap: done", "release: done", "write: done", "try-get: some",
    ]
    let fast = MemoryGrab.fast.flatMap { ["\($0.name): none", "\($0.name): some"] }
    let slow = MemoryGrab.slow.flatMap { ["\($0.name): refused: fault", "\($0.name): some"] }
    let long = MemoryGrab.slow.filter(\.isLongTerm).map { "\($0.name): refused: notSupported" }
    return Set(all + fast + slow + long)
  }

  @Test("no page of RAM is lost", arguments: ModelRules.allCases)
  func keepsCountOfRAM(rules: ModelRules) async throws {
    // Alone in its process, so that free pages can be compared after each step.
    let result = await #expect(
      processExitsWith: .success, observing: [\.standardErrorContent]
    ) { [name = rules.rawValue as String] in
      let configuration = MemoryConfiguration(ModelRules(rawValue: name)!, tableShift: 2)
      do {
        _ = try MemoryPlan(configuration: configuration, seed: 4).run(isAlone: true)
      } catch {
        FileHandle.standardError.write(Data("\(error)\n".utf8))
        exit(1)
      }
    }
    if let output = result?.standardErrorContent, !output.isEmpty {
      Issue.record("\(String(decoding: output, as: UTF8.self))")
    }
  }
}

@Suite("The comparison of address spaces")
struct MemoryComparisonTests {
  private static let configuration = MemoryConfiguration(.strict, tableShift: 2)

  @Test("finds a reference that nobody gives back, and makes the program small")
  func findsALeak() throws {
    // The fault: each MADV_DONTNEED leaks one.
    let run = ProgramRun(configuration: "\(Self.configuration)", tests: tests) {
      try MemoryLockstep(Self.configuration) { operation, subject in
        if case .discard = operation { subject.leakReference(.device, 3) }
      }
    }
    var generator = MemoryGenerator(seed: 5)
    do {
      _ = try run.explore(seed: 5, steps: 2000, shrinkLimit: .seconds(20)) {
        generator.next(for: $0.model)
      }
      Issue.record("the planted fault was not found")
    } catch let failure as ProgramFailure<MemoryOperation> {
      #expect(failure.minimal.count <= 2, "\(failure)")
      #expect(failure.description.contains("FOLIO_PROGRAM='create 0; discard 0 0 1'"), "\(failure)")
      #expect(failure.minimalDivergence.message.contains("folio 3 of device has R 2"))
    }
  }

  @Test("sees what is wrong with the words of a folio at the step that spoils them")
  func findsTheStep() throws {
    let text = "create 0; map 0 4 2 device 0 rw shared fixed; store 0 4 7; load 0 4; end 0"
    let program = try #require(MemoryOperation.program(parsing: text))
    for spoilt in program {
      let run = ProgramRun(configuration: "\(Self.configuration)", tests: tests) {
        try MemoryLockstep(Self.configuration) { operation, subject in
          if operation == spoilt { subject.leakReference(.memory, 1) }
        }
      }
      let divergence = try #require(try run.replay(program))
      #expect(divergence.operation == spoilt, "\(divergence)")
    }
  }
}

@Suite("The text form of operations on address spaces")
struct MemoryTextTests {
  @Test("is read back as the operation that was written")
  func roundTrips() throws {
    var names: Set<String> = []
    var program: [MemoryOperation] = []
    var model = SpaceModel(MemoryConfiguration(.kernel, tableShift: 2))
    var generator = MemoryGenerator(seed: 9)
    for _ in 0..<1500 {
      let operation = generator.next(for: model)
      #expect(MemoryOperation(parsing: operation.description) == operation)
      for simpler in operation.simplifications {
        #expect(MemoryOperation(parsing: simpler.description) == simpler)
      }
      names.insert(operation.name)
      program.append(operation)
      _ = model.perform(operation, chosen: nil)
    }
    #expect(names.count == 14 + MemoryGrab.allCases.count, "\(names.sorted())")
    #expect(Set(MemoryGrab.allCases.map(\.name)).isSubset(of: names))
    let text = program.map(\.description).joined(separator: "; ")
    #expect(MemoryOperation.program(parsing: text) == program)
    for plan in MemoryPlan.all {
      #expect(MemoryConfiguration(parsing: "\(plan.configuration)") == plan.configuration)
    }
  }

  @Test(
    "is refused when malformed",
    arguments: [
      "", "map", "map 0 1 2 file 0 rw shared fixed", "map 0 1 2 fsdax 0 rr shared fixed",
      "map 0 1 2 fsdax 0 rw open fixed", "store 0 1", "store 0 1 2 3", "store 0 -1 2",
      "remap 0 1 2 3", "remap 0 1 2 3 +", "zap fsdax 0 1", "pin 0 1", "pins 0 1 2", "slow 0 1 2",
      "slow-get-long 0 1 2", "pin-force 0 1 2", "fork 0",
    ])
  func refusesNonsense(text: String) {
    #expect(MemoryOperation(parsing: text) == nil)
  }

  @Test(
    "of a configuration is refused when malformed",
    arguments: [
      "fsdax/strict/shift=2/deposits=true/special=true",
      "memory/strict/shift=4/deposits=true/special=true", "memory/strict/shift=2/deposits=true",
      "memory/loose/shift=2/deposits=true/special=false",
      "memory/strict/shift=2/deposits=true/special=1",
    ])
  func refusesConfigurations(text: String) {
    #expect(MemoryConfiguration(parsing: text) == nil)
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
