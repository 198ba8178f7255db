// SPDX-License-Identifier: MIT

// What a scenario is: a small program of a few threads over the library, written once. The lab runs it
// in every interleaving, stress on native threads, fuzz from bytes. The scenarios themselves are in
// the files beside this one; the catalogue is Scenario.all.

public import FolioCore
import Synchronization

/// A few threads that race for something, and what must hold whatever their order.
public struct Scenario: Sendable {
  /// Short, lower case, with hyphens: how a command line names it.
  public let name: String
  /// What races, and what must not happen; one line.
  public let title: String
  /// Rules that it makes sense under.
  public let rules: [PageMap.Rules]
  /// How many of the threads that come in numbers, usually.
  public let size: Int
  /// The numbers that are allowed.
  public let sizes: ClosedRange<Int>
  /// States that some execution must reach, or the scenario shows nothing.
  public let obligations: [String]
  private let make: @Sendable (Settings) throws -> any ScenarioWorld

  /// How a world is to be made.
  public struct Settings: Sendable {
    /// One of the scenario's.
    public let rules: PageMap.Rules
    /// One of the scenario's sizes.
    public let size: Int
    /// Where the world says what it reached.
    public let obligations: Obligations

    /// For a world outside of the lab, which makes its own.
    public init(rules: PageMap.Rules, size: Int, obligations: Obligations) {
      self.rules = rules
      self.size = size
      self.obligations = obligations
    }
  }

  /// A scenario whose state `make` makes, once per exploration.
  ///
  /// - Parameters:
  ///   - name: short, lower case, with hyphens.
  ///   - title: what races, and what must not happen.
  ///   - size: one of `sizes`.
  ///   - obligations: at most 64.
  public init(
    _ name: String, _ title: String, rules: [PageMap.Rules] = PageMap.Rules.allCases,
    size: Int = 1, sizes: ClosedRange<Int> = 1...1, obligations: [String],
    make: @escaping @Sendable (Settings) throws -> any ScenarioWorld
  ) {
    precondition(sizes.contains(size) && obligations.count <= 64)
    self.name = name
    self.title = title
    self.rules = rules
    self.size = size
    self.sizes = sizes
    self.obligations = obligations
    self.make = make
  }

  /// Its state, before the first execution.
  public func world(_ settings: Settings) throws -> any ScenarioWorld { try make(settings) }
}

/// One thread of a scenario.
public struct ScenarioThread: Sendable {
  /// As traces show it.
  public let name: String
  /// Threads with the same number run the same code over the same words.
  public let group: UInt8

  /// - Parameter group: 0...254, equal for threads that do the same.
  public init(_ name: String, group: Int) {
    self.name = name
    self.group = UInt8(group)
  }
}

/// The state of a scenario and what its threads do with it.
///
/// All shared state is in words of the seam (`atomic_t`, `shared_t`, the library's own structures),
/// which whoever runs the scenario puts back before each execution. Anything else is put back by
/// `prepare()`.
public protocol ScenarioWorld: AnyObject {
  /// By number.
  var threads: [ScenarioThread] { get }
  /// All shared state, that which `prepare()` puts back too, is in words of the seam: executions
  /// begin sooner, and visited states can be told apart, which the search `states` asks for.
  var hasOnlyWords: Bool { get }
  /// What thread number `thread` does, once. Holds no access to a property over an operation.
  /// Findings are reported by `cfolio_violation_text`.
  func run(_ thread: Int)
  /// Before each execution.
  func prepare()
  /// After each execution that came to its end: reports what is not as it must be. What it changes is put
  /// back like the execution's own changes, so it may end what the threads began.
  func conclude()
  /// `check()` looks for something.
  var checksSteps: Bool { get }
  /// After each step, in the lab only.
  func check()
  /// Gives back what the world was made of. It finds memory as the set-up left it, so nothing can be
  /// learned of executions; a report here, or in the set-up, says that the world itself is broken.
  func tearDown()
}

extension ScenarioWorld {
  /// Not promised.
  public var hasOnlyWords: Bool { false }
  /// There is no `check()`.
  public var checksSteps: Bool { false }
  /// Nothing is outside of words.
  public func prepare() {}
  /// Nothing is left to check.
  public func conclude() {}
  /// Nothing is checked.
  public func check() {}

  /// Reports a broken promise, under a short name of it, unless the condition holds. Any thread.
  public func expect(_ condition: Bool, _ invariant: StaticString, _ text: StaticString) {
    require(condition, invariant, text)
  }
}

/// No memory for a scenario's state.
public struct ScenarioMemoryError: Error, Sendable, CustomStringConvertible {
  /// Thrown by whoever makes a world.
  public init() {}
  /// For a person.
  public var description: String { "no memory for the scenario's state" }
}

/// Which of a scenario's interesting states were reached, over all executions.
public final class Obligations: Sendable {
  private let reached = Atomic<UInt64>(0)

  /// None is reached.
  public init() {}

  /// The state with this index in `Scenario.obligations` was reached. Any thread.
  public func reach(_ index: Int) {
    // Nearly always it was before: a look costs less than a locked instruction.
    if !isReached(index) { reached.bitwiseOr(1 << UInt64(index), ordering: .relaxed) }
  }

  /// Whether some execution reached it. Any thread.
  public func isReached(_ index: Int) -> Bool {
    reached.load(ordering: .relaxed) >> UInt64(index) & 1 == 1
  }

  /// None is reached any more.
  package func forget() { reached.store(0, ordering: .relaxed) }
}
