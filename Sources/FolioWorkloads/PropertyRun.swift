// SPDX-License-Identifier: MIT
//
// Runs programs against a subject and the model side by side, comparing after each step, and turns
// the first difference into a report with a minimal program and the commands that replay it.

/// The first difference between a subject and the model.
package struct Divergence: Sendable, Hashable, CustomStringConvertible {
  /// Position among the operations that were performed; nil for what the end revealed.
  package let step: Int?
  package let operation: Operation?
  package let message: String

  package var description: String {
    let place = step.map { "step \($0)" } ?? "the end"
    let what = operation.map { " (\($0))" } ?? ""
    return "\(place)\(what): \(message)"
  }
}

/// A divergence with everything that is needed to see it again.
package struct PropertyFailure: Error, CustomStringConvertible {
  package let configuration: ModelConfiguration
  package let seed: UInt64
  package let divergence: Divergence
  package let minimal: [Operation]
  package let minimalDivergence: Divergence
  /// False when no time was given to make the program small; it is then not printed.
  package let isMinimal: Bool

  package var description: String {
    let head = """
      seed \(seed), \(configuration)
      first seen at \(divergence)

      """
    guard isMinimal else {
      return head + "replay the seed:    FOLIO_SEED=\(seed) swift test --filter FolioWorkloadsTests"
    }
    let program = minimal.map(\.description).joined(separator: "; ")
    return head + """
      minimal program: \(program)
      it fails at \(minimalDivergence)
      replay the seed:    FOLIO_SEED=\(seed) swift test --filter FolioWorkloadsTests
      replay the program: FOLIO_CONFIGURATION='\(configuration)' FOLIO_PROGRAM='\(program)' \
      swift test --filter FolioWorkloadsTests.ReplayTests
      """
  }
}

/// What a run did.
package struct PropertyCoverage: Sendable, Hashable {
  package var steps = 0
  package var names: Set<String> = []
  package var rows: Set<Int> = []
  /// Times that a GENERIC page was set back from 0.
  package var resets = 0
  /// Drops to 0 that reached the free path, and wakes sent, by the model's count.
  package var frees = 0
  package var wakes = 0
  package init() {}

  package mutating func formUnion(_ other: PropertyCoverage) {
    steps += other.steps
    names.formUnion(other.names)
    rows.formUnion(other.rows)
    resets += other.resets
    frees += other.frees
    wakes += other.wakes
  }
}

/// A configuration and a way to make subjects of it.
package struct PropertyRun {
  private let configuration: ModelConfiguration
  private let makeSubject: () throws -> any Subject
  /// Steps between comparisons of all pages.
  private let wholeMapPeriod: Int

  package init(
    _ configuration: ModelConfiguration, wholeMapPeriod: Int = 500,
    makeSubject: @escaping () throws -> any Subject
  ) {
    self.configuration = configuration
    self.wholeMapPeriod = wholeMapPeriod
    self.makeSubject = makeSubject
  }

  /// Generates and checks `steps` operations, then gives everything back.
  ///
  /// - Parameter shrinkLimit: time to spend on making a failing program small; zero: none.
  /// - Throws: `PropertyFailure` with a minimal program, or what making a subject throws.
  package func explore(
    seed: UInt64, steps: Int, mix: OperationMix = .balanced,
    shrinkLimit: Duration = .seconds(4)
  ) throws -> PropertyCoverage {
    var generator = ProgramGenerator(seed: seed, mix: mix)
    var lockstep = try Lockstep(configuration, makeSubject(), wholeMapPeriod)
    var program: [Operation] = []
    for _ in 0..<steps {
      let operation = generator.next(for: lockstep.model)
      program.append(operation)
      if let divergence = lockstep.step(operation) {
        throw try shrink(program, seed, divergence, shrinkLimit)
      }
    }
    if let divergence = lockstep.end() {
      throw try shrink(program, seed, divergence, shrinkLimit)
    }
    return lockstep.coverage
  }

  /// Runs a program, skipping what is illegal in its place.
  package func replay(_ program: [Operation]) throws -> Divergence? {
    var lockstep = try Lockstep(configuration, makeSubject(), wholeMapPeriod)
    for operation in program where lockstep.model.permits(operation) {
      if let divergence = lockstep.step(operation) { return divergence }
    }
    return lockstep.end()
  }

  private func shrink(
    _ program: [Operation], _ seed: UInt64, _ divergence: Divergence, _ limit: Duration
  ) throws -> PropertyFailure {
    guard limit > .zero else {
      return PropertyFailure(
        configuration: configuration, seed: seed, divergence: divergence, minimal: program,
        minimalDivergence: divergence, isMinimal: false)
    }
    var shrinker = Shrinker(limit: limit) { candidate in
      do {
        return try replay(candidate) != nil
      } catch {
        // A subject that cannot be made any more is no failure of the program.
        return false
      }
    }
    let minimal = shrinker.minimise(program)
    return PropertyFailure(
      configuration: configuration, seed: seed, divergence: divergence, minimal: minimal,
      minimalDivergence: try replay(minimal) ?? divergence, isMinimal: true)
  }
}

/// A subject and the model, step by step.
private struct Lockstep {
  private(set) var model: DeviceModel
  private(set) var coverage = PropertyCoverage()
  private let subject: any Subject
  private let wholeMapPeriod: Int

  init(_ configuration: ModelConfiguration, _ subject: any Subject, _ wholeMapPeriod: Int) {
    model = DeviceModel(configuration)
    self.subject = subject
    self.wholeMapPeriod = wholeMapPeriod
  }

  mutating func step(_ operation: Operation) -> Divergence? {
    let number = coverage.steps
    let before = model.footprint(of: operation)
    let expected = model.perform(operation)
    let outcome = subject.perform(operation)
    coverage.steps += 1
    coverage.names.insert(operation.name)
    if let row = operation.row { coverage.rows.insert(row) }

    let isWhole = number % wholeMapPeriod == wholeMapPeriod - 1
    let touched = isWhole ? Array(model.pages.indices) : before
    let difference =
      outcome == expected
      ? difference(touched) : "returned \(outcome), the model says \(expected)"
    return difference.map { Divergence(step: number, operation: operation, message: $0) }
  }

  /// Gives everything back, compares all, and lets the subject end.
  mutating func end() -> Divergence? {
    for operation in model.unwinding() {
      if let divergence = step(operation) { return divergence }
    }
    coverage.resets = model.resets.count
    coverage.frees = model.pages.reduce(0) { $0 + ($1.events.frees ?? 0) }
    coverage.wakes = model.pages.reduce(0) { $0 + ($1.events.wakes ?? 0) }
    let notIdle = model.pages.indices.first { !model.isTail($0) && !model.isIdle($0) }
    let wrong =
      difference(Array(model.pages.indices))
      ?? notIdle.map { "page \($0) is not idle after unwinding" }
      ?? subject.finish(resets: model.resets).first.map { "the audit says \($0)" }
    return wrong.map { Divergence(step: nil, operation: nil, message: $0) }
  }

  private func difference(_ pages: [Int]) -> String? {
    let map = subject.mapWords()
    guard map == model.mapWords else { return "map has \(map), the model says \(model.mapWords)" }
    for page in pages {
      let actual = subject.words(of: page)
      var expected = model.pages[page]
      if !subject.countsEvents {
        expected.events.zeroes = nil
        expected.events.frees = nil
        expected.events.wakes = nil
      }
      if actual != expected { return PageWords.difference(page, actual, expected) }
    }
    return nil
  }
}

extension PageWords {
  /// The words that differ, by name.
  fileprivate static func difference(
    _ page: Int, _ actual: PageWords, _ expected: PageWords
  ) -> String {
    func differing(_ actual: Any, _ expected: Any) -> [String] {
      zip(Mirror(reflecting: actual).children, Mirror(reflecting: expected).children)
        .compactMap { mine, theirs in
          let (left, right) = ("\(mine.value)", "\(theirs.value)")
          return left == right ? nil : "\(mine.label ?? "") is \(left), the model says \(right)"
        }
    }
    return "page \(page): " + differing(actual, expected).joined(separator: "; ")
  }
}
