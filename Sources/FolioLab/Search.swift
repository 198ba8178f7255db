// SPDX-License-Identifier: MIT

// How executions are chosen, and what came of it.

import CLab

/// A way to choose executions.
public enum Search: Sendable, Hashable {
  /// A uniform choice at each step.
  case random
  /// Priorities with `depth` - 1 change points; nil: each execution draws a depth of 2...6.
  case pct(depth: Int?)
  /// Partial order sampling.
  case pos
  /// A walk weighted by what threads have left to do.
  case urw
  /// Every schedule with at most so many preemptions; nil: every schedule.
  case schedules(preemptions: Int?)
  /// One schedule per class of equivalent ones: source-DPOR with sleep sets.
  case classes
  /// Every state once, threads that do the same merged.
  case states

  /// As a command line names it.
  public var name: String {
    switch self {
    case .random: "random"
    case .pct(let depth): depth.map { "pct:\($0)" } ?? "pct"
    case .pos: "pos"
    case .urw: "urw"
    case .schedules(let bound): bound.map { "schedules:\($0)" } ?? "schedules"
    case .classes: "classes"
    case .states: "states"
    }
  }

  /// From such a name.
  public init?(name: String) {
    let parts = name.split(separator: ":", maxSplits: 1)
    let number = parts.count == 2 ? Int(parts[1]) : nil
    if parts.count == 2 && (number == nil || number! < 0) { return nil }
    switch parts.first {
    case "random" where number == nil: self = .random
    case "pct" where number.map({ 1...9 ~= $0 }) ?? true: self = .pct(depth: number)
    case "pos" where number == nil: self = .pos
    case "urw" where number == nil: self = .urw
    case "schedules": self = .schedules(preemptions: number)
    case "classes" where number == nil: self = .classes
    case "states" where number == nil: self = .states
    default: return nil
    }
  }

  /// Comes to an end by itself.
  public var isSystematic: Bool {
    switch self {
    case .random, .pct, .pos, .urw: false
    case .schedules, .classes, .states: true
    }
  }

  /// For the engine; `choices` is for replays only.
  func engine(seed: UInt64) -> lab_search {
    var search = unsafe lab_search()
    unsafe search.seed = seed
    unsafe search.preemptions = .max
    switch self {
    case .random: unsafe search.strategy = LAB_RANDOM
    case .pct(let depth):
      unsafe search.strategy = LAB_PCT
      unsafe search.depth = UInt32(depth ?? 0)
    case .pos: unsafe search.strategy = LAB_POS
    case .urw: unsafe search.strategy = LAB_URW
    case .schedules(let bound):
      unsafe search.strategy = LAB_SCHEDULES
      unsafe search.preemptions = bound.map(UInt32.init) ?? .max
    case .classes: unsafe search.strategy = LAB_CLASSES
    case .states: unsafe search.strategy = LAB_STATES
    }
    return unsafe search
  }
}

/// What an exploration may claim. The words are these, and no others.
public enum Verdict: Sendable, Hashable, CustomStringConvertible {
  /// Every interleaving of the scenario's words under the memory model was covered.
  case exhaustive
  /// Every one with at most so many preemptions.
  case bounded(Int)
  /// So many were drawn: with 95 % confidence a failing one has at most this probability.
  case sampled(probability: Double)
  /// An execution broke a promise.
  case failed

  /// As lists show it: "EXHAUSTIVE", "BOUNDED(2)", "SAMPLED(p <= 3.0e-6)", "FAILED".
  public var description: String {
    switch self {
    case .exhaustive: "EXHAUSTIVE"
    case .bounded(let bound): "BOUNDED(\(bound))"
    case .sampled(let probability): "SAMPLED(p <= \(Self.short(probability)))"
    case .failed: "FAILED"
    }
  }

  /// Preemptions that a bounded claim allows.
  var bound: Int? {
    if case .bounded(let bound) = self { bound } else { nil }
  }

  var isSampled: Bool {
    if case .sampled = self { true } else { false }
  }

  /// The rule of three: none of so many independent draws failed, so with 95 % confidence a draw fails
  /// with at most this probability, on average over the walks that drew.
  static func upperBound(draws: Int) -> Double { draws > 3 ? 3 / Double(draws) : 1 }

  /// Two digits, without Foundation: 3.0e-6.
  package static func short(_ value: Double) -> String {
    guard value > 0, value < 1 else { return value >= 1 ? "1" : "0" }
    var (mantissa, exponent) = (value, 0)
    while mantissa < 1 {
      mantissa *= 10
      exponent -= 1
    }
    var tenths = Int((mantissa * 10).rounded())
    if tenths >= 100 {
      tenths = 10
      exponent += 1
    }
    return "\(tenths / 10).\(tenths % 10)e\(exponent)"
  }
}
