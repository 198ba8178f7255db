// SPDX-License-Identifier: MIT

// What can be measured: an operation, the configurations it runs in, and the sides of a trial -
// Folio's own loop first, then its peers'. How they are timed is in Runner.swift, the operations
// themselves are in Operations/.

/// Whether the words that an operation touches are in the cache.
package enum CacheState: String, Sendable, Hashable, Codable, CaseIterable {
  /// The same few pages over and over.
  case warm
  /// Each operation on another page of a device that is larger than the last-level cache.
  case cold
}

/// One way to run an operation.
package struct Configuration: Sendable, Hashable {
  package var threads: Int
  package var state: CacheState
  /// Pages of the device, or nil for the operation's own choice.
  package var devicePages: Int?
  /// Batches are short and devices small.
  package var isQuick: Bool
  /// Folio's loop leaves a reference behind (on pages) and does one operation less than it should:
  /// a self-test of the checks.
  package var isBroken = false

  package init(threads: Int, state: CacheState, devicePages: Int? = nil, isQuick: Bool = false) {
    self.threads = threads
    self.state = state
    self.devicePages = devicePages
    self.isQuick = isQuick
  }
}

/// Why a trial or one side of it cannot run here. Never a failure.
package struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) {
    self.description = description
  }
}

/// The loop of one side: runs iterations `first ..< first + count` on one thread and returns how
/// many of them did what the model says.
///
/// Iterations of one thread are numbered on through all batches, so a walk over many pages goes on
/// where it stopped.
package struct Loop: @unchecked Sendable {
  // @unchecked: it captures pointers to words that are shared by design, and is called by workers.
  let body: (_ thread: Int, _ first: Int, _ count: Int) -> Int

  package init(_ body: @escaping (_ thread: Int, _ first: Int, _ count: Int) -> Int) {
    self.body = body
  }
}

extension Loop {
  /// The same, one operation of the first batch missing.
  func broken() -> Loop {
    Loop { thread, first, count in body(thread, first, count) - (first == 0 ? 1 : 0) }
  }
}

/// What a side has done when its counters are looked at: iterations per thread since it was made.
package struct IterationCounts: Sendable {
  package internal(set) var iterations: [Int]

  package var total: Int { iterations.reduce(0, +) }

  /// The same in units of which one iteration was many.
  func scaled(by unit: Int) -> IterationCounts {
    IterationCounts(iterations: iterations.map { $0 * unit })
  }
}

/// One contestant of a trial.
package struct Side {
  package let name: String
  /// Iterations come in multiples of this.
  package let granularity: Int
  /// Compares every counter that the loop touched with the model's value. Called after each batch,
  /// while no thread runs.
  package let verify: (_ progress: IterationCounts, inout Verifier) -> Void
  /// The loop, or why there is none.
  package let loop: Result<Loop, Refusal>

  package init(
    _ name: String, granularity: Int = 1, loop: Loop,
    verify: @escaping (_ progress: IterationCounts, inout Verifier) -> Void = { _, _ in }
  ) {
    self.name = name
    self.granularity = granularity
    self.verify = verify
    self.loop = .success(loop)
  }

  /// The same with a loop that does too little.
  func broken() -> Side {
    guard case .success(let loop) = loop else { return self }
    return Side(name, granularity: granularity, loop: loop.broken(), verify: verify)
  }

  /// The same, `unit` of its iterations being one operation.
  func counted(in unit: Int) -> Side {
    guard case .success(let loop) = loop, unit > 1 else { return self }
    return Side(
      name, granularity: max(granularity / unit, 1),
      loop: Loop { thread, first, count in
        loop.body(thread, first * unit, count * unit) / unit
      }, verify: { [verify] in verify($0.scaled(by: unit), &$1) })
  }

  /// A peer that cannot run here: its ratio is null, with the reason.
  package init(_ name: String, refused: Refusal) {
    self.name = name
    granularity = 1
    verify = { _, _ in }
    loop = .failure(refused)
  }
}

/// An operation made ready for one configuration. The memory that its loops use lives as long as
/// the closures do.
package struct Trial {
  /// Pages that Folio's loop works on.
  package let pages: Int
  /// All threads run the same number of iterations and none runs longer than another: for loops
  /// that wait for each other.
  package let isCoupled: Bool
  /// Folio's own first.
  package let sides: [Side]
  /// Steps through the operation once, untimed, comparing the counters after every single step.
  package let witness: (inout Verifier) -> Void
  /// Called when no loop will run any more.
  package let close: (inout Verifier) -> Void

  package init(
    pages: Int, isCoupled: Bool = false, sides: [Side],
    witness: @escaping (inout Verifier) -> Void = { _ in },
    close: @escaping (inout Verifier) -> Void = { _ in }
  ) {
    self.pages = pages
    self.isCoupled = isCoupled
    self.sides = sides
    self.witness = witness
    self.close = close
  }
}

extension Trial {
  /// The same with Folio's loop broken.
  func broken() -> Trial {
    Trial(
      pages: pages, isCoupled: isCoupled,
      sides: sides.prefix(1).map { $0.broken() }
        + sides.dropFirst(), witness: witness, close: close)
  }
}

/// A value that is not timed: bytes per page, machine instructions.
package struct StaticValue: Sendable {
  package var unit: String
  package var value: Double
  /// What it is compared with, or nil.
  package var peer: (name: String, value: Double)?

  package init(unit: String, value: Double, peer: (name: String, value: Double)? = nil) {
    self.unit = unit
    self.value = value
    self.peer = peer
  }
}

/// One line of the table.
package struct BenchmarkOperation: Sendable {
  package enum Kind: Sendable {
    case timed(@Sendable (Configuration) throws(Refusal) -> Trial)
    case measured(@Sendable (Configuration, inout Verifier) throws(Refusal) -> StaticValue)
  }

  /// A name without spaces or slashes.
  package let name: String
  package let summary: String
  /// Thread counts that make sense; nil: any.
  package let threads: Set<Int>?
  package let states: [CacheState]
  /// Why there is no cold variant; nil when there is one.
  package let warmOnly: String?
  /// Device sizes that it is run over, or nil when it chooses its own.
  package let isScaled: Bool
  /// Names of the peers, for `list`.
  package let peers: [String]
  package let kind: Kind

  package init(
    _ name: String, _ summary: String, threads: Set<Int>? = nil, warmOnly: String? = nil,
    isScaled: Bool = false, peers: [String] = [],
    trial: @escaping @Sendable (Configuration) throws(Refusal) -> Trial
  ) {
    self.name = name
    self.summary = summary
    self.threads = threads
    states = warmOnly == nil ? [.warm, .cold] : [.warm]
    self.warmOnly = warmOnly
    self.isScaled = isScaled
    self.peers = peers
    kind = .timed(trial)
  }

  package init(
    measured name: String, _ summary: String, isScaled: Bool = false, peers: [String] = [],
    value: @escaping @Sendable (Configuration, inout Verifier) throws(Refusal) -> StaticValue
  ) {
    self.name = name
    self.summary = summary
    threads = [1]
    states = [.warm]
    warmOnly = "nothing is timed"
    self.isScaled = isScaled
    self.peers = peers
    kind = .measured(value)
  }
}
