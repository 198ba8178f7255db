// SPDX-License-Identifier: MIT
//
// Runs programs of any kind of operation against a subject and its model side by side, and turns the
// first difference into a report with a minimal program and the commands that replay it. What a
// subject is, and what is compared, is the kind's: see Lockstep.

/// An operation of programs: it has a text form, and can be made simpler.
package protocol ProgramStep: Hashable, Sendable, CustomStringConvertible {
  /// Reads what `description` writes; nil for anything else.
  init?(parsing text: String)
  /// The same operation with one argument made smaller, simplest first.
  var simplifications: [Self] { get }
  /// Pages, or whatever else operations share, that the operation names.
  var namedPages: [Int] { get }
  /// The same operation on others of them.
  func relabelled(_ label: (Int) -> Int) -> Self
}

extension ProgramStep {
  /// A program from text: operations separated by newlines or semicolons; nil when one is malformed.
  package static func program(parsing text: String) -> [Self]? {
    var program: [Self] = []
    for line in text.split(whereSeparator: { $0 == "\n" || $0 == ";" }) {
      if line.allSatisfy({ $0 == " " }) { continue }
      guard let step = Self(parsing: String(line)) else { return nil }
      program.append(step)
    }
    return program
  }
}

/// A subject and its model, compared after each step.
package protocol Lockstep {
  associatedtype Step: ProgramStep
  /// Whether the operation may be performed now.
  func permits(_ step: Step) -> Bool
  /// Performs an operation that is permitted on both.
  mutating func step(_ step: Step) -> Divergence<Step>?
  /// Gives everything back, compares all, and lets the subject end.
  mutating func end() -> Divergence<Step>?
}

/// The first difference between a subject and its model.
package struct Divergence<Step: ProgramStep>: Sendable, Hashable, CustomStringConvertible {
  /// Position among the operations that were performed; nil for what the end revealed.
  package let step: Int?
  package let operation: Step?
  package let message: String

  package var description: String {
    let place = step.map { "step \($0)" } ?? "the end"
    let what = operation.map { " (\($0))" } ?? ""
    return "\(place)\(what): \(message)"
  }
}

/// A divergence with everything that is needed to see it again.
package struct ProgramFailure<Step: ProgramStep>: Error, CustomStringConvertible {
  /// In the form that FOLIO_CONFIGURATION takes.
  package let configuration: String
  package let tests: ProgramTests
  package let seed: UInt64
  package let divergence: Divergence<Step>
  package let minimal: [Step]
  package let minimalDivergence: Divergence<Step>
  /// False when no time was given to make the program small; it is then not printed.
  package let isMinimal: Bool

  package var description: String {
    let head = """
      seed \(seed), \(configuration)
      first seen at \(divergence)

      """
    let seedCommand = "FOLIO_SEED=\(seed) swift test --filter \(tests.explore)"
    guard isMinimal else { return head + "replay the seed:    \(seedCommand)" }
    let program = minimal.map(\.description).joined(separator: "; ")
    return head + """
      minimal program: \(program)
      it fails at \(minimalDivergence)
      replay the seed:    \(seedCommand)
      replay the program: FOLIO_CONFIGURATION='\(configuration)' FOLIO_PROGRAM='\(program)' \
      swift test --filter \(tests.replay)
      """
  }
}

/// The tests that run programs of a kind, as `swift test --filter` names them.
package struct ProgramTests: Sendable, Hashable {
  package var explore: String
  package var replay: String
  package init(explore: String, replay: String) {
    self.explore = explore
    self.replay = replay
  }
}

/// A configuration and a way to begin with it.
package struct ProgramRun<Pair: Lockstep> {
  private let configuration: String
  private let tests: ProgramTests
  private let begin: () throws -> Pair

  /// - Parameter begin: a new subject with its model, at their beginning.
  package init(
    configuration: String, tests: ProgramTests, begin: @escaping () throws -> Pair
  ) {
    self.configuration = configuration
    self.tests = tests
    self.begin = begin
  }

  /// Makes and checks `steps` operations, then gives everything back.
  ///
  /// - Parameters:
  ///   - shrinkLimit: time to spend on making a failing program small; zero: none.
  ///   - next: the next operation, which must be permitted.
  /// - Throws: `ProgramFailure` with a minimal program, or what making a subject throws.
  package func explore(
    seed: UInt64, steps: Int, shrinkLimit: Duration, next: (Pair) -> Pair.Step
  ) throws -> Pair {
    var pair = try begin()
    var program: [Pair.Step] = []
    for _ in 0..<steps {
      let step = next(pair)
      program.append(step)
      if let divergence = pair.step(step) {
        throw try shrink(program, seed, divergence, shrinkLimit)
      }
    }
    if let divergence = pair.end() { throw try shrink(program, seed, divergence, shrinkLimit) }
    return pair
  }

  /// Runs a program, skipping what is illegal in its place.
  package func replay(_ program: [Pair.Step]) throws -> Divergence<Pair.Step>? {
    var pair = try begin()
    for step in program where pair.permits(step) {
      if let divergence = pair.step(step) { return divergence }
    }
    return pair.end()
  }

  private func shrink(
    _ program: [Pair.Step], _ seed: UInt64, _ divergence: Divergence<Pair.Step>,
    _ limit: Duration
  ) throws -> ProgramFailure<Pair.Step> {
    guard limit > .zero else {
      return ProgramFailure(
        configuration: configuration, tests: tests, seed: seed, divergence: divergence,
        minimal: program, minimalDivergence: divergence, isMinimal: false)
    }
    var shrinker = Shrinker<Pair.Step>(limit: limit) { candidate in
      do {
        return try replay(candidate) != nil
      } catch {
        // A subject that cannot be made any more is no failure of the program.
        return false
      }
    }
    let minimal = shrinker.minimise(program)
    return ProgramFailure(
      configuration: configuration, tests: tests, seed: seed, divergence: divergence,
      minimal: minimal, minimalDivergence: try replay(minimal) ?? divergence, isMinimal: true)
  }
}
