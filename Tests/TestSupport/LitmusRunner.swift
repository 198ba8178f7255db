// SPDX-License-Identifier: MIT

// Runs a litmus shape: two native threads execute their halves over thousands of independent
// instances, batch after batch, and every instance's outcome is counted. Shapes are in LitmusTests
// and Regressions. The method is that of litmus7: many instances per barrier, so that the price of
// meeting is paid once per batch.

import CFolio
import Glibc
import Synchronization

/// What an outcome means for the run.
package enum LitmusVerdict: Sendable {
  /// Must be seen at least once: without it the two threads never raced that way round.
  case required
  case allowed
  /// Must never be seen.
  case forbidden
}

/// The outcomes of a shape; the raw value says in words what happened.
package protocol LitmusOutcome: CaseIterable, Hashable, RawRepresentable, Sendable
where RawValue == String {
  var verdict: LitmusVerdict { get }
}

/// Two half programs over shared state, with `count` independent copies of the state.
package protocol LitmusShape: AnyObject, Sendable {
  associatedtype Outcome: LitmusOutcome
  /// Instances in a batch: a power of two.
  var count: Int { get }
  /// Sets instance `index` up; no other thread runs.
  func prepare(_ index: Int)
  /// Thread A's half.
  func first(_ index: Int)
  /// Thread B's half.
  func second(_ index: Int)
  /// After a batch, before its outcomes are read; no half runs.
  func settle()
  /// What happened, and the instance back at rest; no other thread runs.
  func outcome(_ index: Int) -> Outcome
}

extension LitmusShape {
  package func settle() {}
}

/// The result of a run.
package struct LitmusReport: Sendable, CustomStringConvertible {
  package let name: String
  package let seed: UInt64
  package let seconds: Double
  /// How often each outcome was seen, in words.
  package let counts: [String: Int]
  /// Why the run failed; empty when it passed.
  package let failures: [String]
  /// The command that repeats it.
  package let replay: String

  package var passed: Bool { failures.isEmpty }

  package var description: String {
    let seen = counts.sorted { $0.key < $1.key }.map { "\($0.value) x \($0.key)" }
    return "\(name), seed \(seed), \(seconds) s: " + (failures + seen).joined(separator: "; ")
      + ". Replay: " + replay
  }
}

/// Runs litmus shapes.
///
/// `FOLIO_LITMUS_SECONDS` makes runs longer, `FOLIO_LITMUS_SEED` repeats the schedule of strides,
/// offsets and delays (what the hardware makes of it remains its own).
package enum Litmus {
  /// Runs the shape for about `seconds`, longer (to `limit`) until each required outcome was seen.
  package static func run<Shape: LitmusShape>(
    _ name: String, seconds: Double = 0.3, limit: Double = 60, _ shape: Shape
  ) async -> LitmusReport {
    let seconds = environment("FOLIO_LITMUS_SECONDS").flatMap(Double.init) ?? seconds
    let seed =
      environment("FOLIO_LITMUS_SEED").flatMap { UInt64($0) } ?? UInt64.random(in: 1...UInt64.max)
    let race = Race(shape, seed: seed, seconds: seconds, limit: max(limit, seconds))
    return await onNativeThread {
      let other = NativeThread { race.runSecond() }
      race.runFirst()
      other.join()
      let report = race.report(name)
      // Whoever sets the time wants to see the counts.
      if environment("FOLIO_LITMUS_SECONDS") != nil { print(report) }
      return report
    }
  }

  static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }
}

/// A small generator (SplitMix64): the same numbers from the same seed everywhere.
struct LitmusRandom {
  var state: UInt64

  mutating func next(below bound: Int) -> Int {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return Int((value ^ (value >> 31)) >> 1) % bound
  }
}

/// How one thread goes through one batch.
struct LitmusWalk {
  var offset = 0
  var stride = 1
  /// Hints to the CPU before each instance.
  var delay = 0
  /// Wait at each instance for the other thread to arrive.
  var lockstep = false
  /// Begin when the other thread has come that far; 0: at once. Only one of the two may wait.
  var handicap = 0
}

/// One run: the two threads, their meetings, the counts.
@safe
private final class Race<Shape: LitmusShape>: @unchecked Sendable {
  // @unchecked: fields are written by the first thread between meetings; the words are atomic.
  private let shape: Shape
  private let seed: UInt64
  private let seconds: Double
  private let limit: Double
  private var random: LitmusRandom
  private var walks = (LitmusWalk(), LitmusWalk())
  private var done = false
  private var elapsed = 0.0
  private var counts: [Shape.Outcome: Int] = [:]
  /// Arrivals at meetings. Not a word of the library: what is tested must not decide who meets.
  private let arrivals = Atomic<Int>(0)
  /// On cache lines of their own: the instance each thread has reached. RLX, see `walk`.
  private let words: UnsafeMutablePointer<atomic_t>
  private static var line: Int { 128 / MemoryLayout<atomic_t>.stride }
  /// Looks at the other thread's position before it is taken to be off its CPU; about 50 us.
  private static var patience: Int { 1000 }

  init(_ shape: Shape, seed: UInt64, seconds: Double, limit: Double) {
    precondition(shape.count & (shape.count - 1) == 0, "instances are a power of two")
    self.shape = shape
    self.seed = seed
    self.seconds = seconds
    self.limit = limit
    random = LitmusRandom(state: seed)
    unsafe words = .allocate(capacity: 2 * Self.line)
    unsafe UnsafeMutableRawPointer(words).initializeMemory(
      as: UInt8.self, repeating: 0, count: 2 * 128)
  }

  deinit {
    unsafe words.deallocate()
  }

  /// Returns when both threads have come as often. Orders everything before and after.
  private func meet(_ meetings: inout Int) {
    meetings += 2
    arrivals.add(1, ordering: .acquiringAndReleasing)
    var spins = 0
    while arrivals.load(ordering: .acquiring) < meetings {
      spins += 1
      if spins % 256 == 0 { cfolio_yield() } else { cpu_relax() }
    }
  }

  /// Goes through the batch. The positions are relaxed: they must not order what is tested.
  private func walk(_ walk: LitmusWalk, thread: Int, _ half: (Int) -> Void) {
    let mine = unsafe words + thread * Self.line
    let other = unsafe words + (1 - thread) * Self.line
    let mask = shape.count - 1
    var index = walk.offset
    var lockstep = walk.lockstep
    while walk.handicap > 0, unsafe atomic_read(other) < walk.handicap { cfolio_yield() }
    for position in 0..<Int32(shape.count) {
      unsafe atomic_set(mine, position)
      var spins = 0
      while lockstep, unsafe atomic_read(other) < position {
        cpu_relax()
        spins += 1
        // The other thread has no CPU now: nothing to keep step with in this batch.
        if spins == Self.patience { lockstep = false }
      }
      for _ in 0..<walk.delay { cpu_relax() }
      half(index)
      index = (index + walk.stride) & mask
    }
    unsafe atomic_set(mine, Int32.max)
  }

  /// Of eight batches four go in lockstep with a delay on one side, two in the same order at full
  /// speed, one with each thread on its own way, and one in which a thread lets the other go ahead,
  /// so that both orders come up even when the threads never have a CPU each.
  private func chooseWalks() {
    let common = LitmusWalk(
      offset: random.next(below: shape.count), stride: random.next(below: shape.count) | 1)
    walks = (common, common)
    switch random.next(below: 8) {
    case 0...3:
      (walks.0.lockstep, walks.1.lockstep) = (true, true)
      let delay = random.next(below: 12)
      if random.next(below: 2) == 0 { walks.0.delay = delay } else { walks.1.delay = delay }
    case 4, 5:
      walks.1.offset = (common.offset + random.next(below: 8)) & (shape.count - 1)
    case 6:
      walks.1.offset = random.next(below: shape.count)
      walks.1.stride = random.next(below: shape.count) | 1
    default:
      let ahead = random.next(below: shape.count)
      if random.next(below: 2) == 0 { walks.0.handicap = ahead } else { walks.1.handicap = ahead }
    }
  }

  func runFirst() {
    let start = cfolio_clock_ns()
    var meetings = 0
    while true {
      for index in 0..<shape.count { shape.prepare(index) }
      chooseWalks()
      unsafe atomic_set(words, -1)
      unsafe atomic_set(words + Self.line, -1)
      meet(&meetings)
      walk(walks.0, thread: 0, shape.first)
      meet(&meetings)
      shape.settle()
      for index in 0..<shape.count { counts[shape.outcome(index), default: 0] += 1 }
      elapsed = Double(cfolio_clock_ns() - start) / 1e9
      if isOver { break }
    }
    done = true
    meet(&meetings)
  }

  func runSecond() {
    var meetings = 0
    while true {
      meet(&meetings)
      if done { return }
      walk(walks.1, thread: 1, shape.second)
      meet(&meetings)
    }
  }

  private func seen(_ verdict: LitmusVerdict) -> [Shape.Outcome] {
    Shape.Outcome.allCases.filter { $0.verdict == verdict && counts[$0] != nil }
  }

  private var missing: [Shape.Outcome] {
    Shape.Outcome.allCases.filter { $0.verdict == .required && counts[$0] == nil }
  }

  private var isOver: Bool {
    if !seen(.forbidden).isEmpty || elapsed >= limit { return true }
    return elapsed >= seconds && missing.isEmpty
  }

  func report(_ name: String) -> LitmusReport {
    var failures = seen(.forbidden).map { "FORBIDDEN \(counts[$0]!) x \($0.rawValue)" }
    if failures.isEmpty {
      failures = missing.map { "vacuous: never seen in \(elapsed) s: \($0.rawValue)" }
    }
    return LitmusReport(
      name: name, seed: seed, seconds: (elapsed * 1000).rounded() / 1000,
      counts: Dictionary(uniqueKeysWithValues: counts.map { ($0.rawValue, $1) }),
      failures: failures,
      replay: "FOLIO_LITMUS_SEED=\(seed) FOLIO_LITMUS_SECONDS=\(max(1, Int(limit))) "
        + "swift test --filter \(name)")
  }
}
