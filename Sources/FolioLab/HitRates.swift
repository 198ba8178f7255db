// SPDX-License-Identifier: MIT

// How likely each walk is to fail, measured: honest figures for a bug, and a check of the walks
// themselves, because PCT promises a least probability.

import CFolio
import CLab

/// Failures among executions.
public struct HitRate: Sendable, Hashable {
  public var hits: Int
  public var executions: Int

  public var rate: Double { executions == 0 ? 0 : Double(hits) / Double(executions) }

  /// Where the probability lies with 95 % confidence (Wilson's interval).
  public var interval: ClosedRange<Double> {
    guard executions > 0 else { return 0...1 }
    let (z, n, p) = (1.96, Double(executions), rate)
    let middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    let half = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot() / (1 + z * z / n)
    return max(0, middle - half)...min(1, middle + half)
  }
}

/// What is known about a bug's depth.
public struct DepthReport: Sendable {
  public var random, pos, urw: HitRate
  /// By PCT depth, from 1.
  public var pct: [HitRate]
  /// Threads, and steps with a choice: n and k of PCT's promise.
  public var threads: Int
  public var choices: Int

  /// The least PCT depth that failed; nil: none did.
  public var depth: Int? { pct.firstIndex { $0.hits > 0 }.map { $0 + 1 } }

  /// What PCT promises for a bug of depth d: 1 / (n k^(d - 1)).
  public func promise(_ depth: Int) -> Double {
    var bound = 1 / Double(max(threads, 1))
    for _ in 1..<max(depth, 1) { bound /= Double(max(choices, 1)) }
    return bound
  }

  /// The promise is kept: at the bug's depth the measured interval does not lie below it.
  public var keepsPromise: Bool {
    guard let depth else { return true }
    return pct[depth - 1].interval.upperBound >= promise(depth)
  }
}

extension LabWorld {
  /// Runs so many executions of a walk and counts those that fail with one of the invariants.
  public func hitRate(
    _ search: Search, invariants: Set<String>, executions: Int, seed: UInt64 = 1
  ) -> HitRate {
    precondition(!search.isSystematic, "a rate is a walk's")
    var engine = unsafe search.engine(seed: seed)
    unsafe lab_begin(&engine)
    var hits = 0
    var done = 0
    while done < executions {
      let end = lab_explore(UInt64(executions - done))
      done = unsafe Int(lab_statistics().pointee.executions)
      if end == LAB_FINDING, let finding = Self.invariantOfLast(), invariants.contains(finding) {
        hits += 1
      }
    }
    return HitRate(hits: hits, executions: done)
  }

  /// The walks' rates for a bug.
  public func depth(
    of invariants: Set<String>, executions: Int = 20_000, seed: UInt64 = 1
  ) -> DepthReport {
    func rate(_ search: Search) -> HitRate {
      hitRate(search, invariants: invariants, executions: executions, seed: seed)
    }
    let random = rate(.random)
    let choices = unsafe Int(lab_statistics().pointee.most_choices)
    return DepthReport(
      random: random, pos: rate(.pos), urw: rate(.urw),
      pct: (1...6).map { rate(.pct(depth: $0)) }, threads: threads.count, choices: choices)
  }
}
