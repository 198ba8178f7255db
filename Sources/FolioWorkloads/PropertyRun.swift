// SPDX-License-Identifier: MIT
//
// Programs on a device map: a subject and the model side by side, words compared after each step.

/// A program on a device map that showed a difference.
package typealias PropertyFailure = ProgramFailure<Operation>

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

/// A configuration of a device map and a way to make subjects of it.
package struct PropertyRun {
  private let run: ProgramRun<DeviceLockstep>

  /// - Parameter wholeMapPeriod: steps between comparisons of all pages.
  package init(
    _ configuration: ModelConfiguration, wholeMapPeriod: Int = 500,
    makeSubject: @escaping () throws -> any Subject
  ) {
    run = ProgramRun(
      configuration: configuration.description,
      tests: ProgramTests(
        explore: "FolioWorkloadsTests", replay: "FolioWorkloadsTests.ReplayTests")
    ) {
      DeviceLockstep(configuration, try makeSubject(), wholeMapPeriod)
    }
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
    return try run.explore(seed: seed, steps: steps, shrinkLimit: shrinkLimit) { pair in
      generator.next(for: pair.model)
    }.coverage
  }

  /// Runs a program, skipping what is illegal in its place.
  package func replay(_ program: [Operation]) throws -> Divergence<Operation>? {
    try run.replay(program)
  }
}

/// A subject on a device map and the model, step by step.
private struct DeviceLockstep: Lockstep {
  private(set) var model: DeviceModel
  private(set) var coverage = PropertyCoverage()
  private let subject: any Subject
  private let wholeMapPeriod: Int

  init(_ configuration: ModelConfiguration, _ subject: any Subject, _ wholeMapPeriod: Int) {
    model = DeviceModel(configuration)
    self.subject = subject
    self.wholeMapPeriod = wholeMapPeriod
  }

  func permits(_ operation: Operation) -> Bool { model.permits(operation) }

  mutating func step(_ operation: Operation) -> Divergence<Operation>? {
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
  mutating func end() -> Divergence<Operation>? {
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
