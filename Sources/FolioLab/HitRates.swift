// SPDX-License-Identifier: MIT

// How likely each walk is to fail, measured: honest figures for a bug, and a check of the walks
// themselves, because PCT promises a least probability.

import CFolio
import CLab
import FolioWorkloads

/// Failures among executions.
package struct HitRate: Sendable, Hashable, Codable {
  package var hits: Int
  package var executions: Int

  package init(hits: Int, executions: Int) {
    self.hits = hits
    self.executions = executions
  }

  package var rate: Double { executions == 0 ? 0 : Double(hits) / Double(executions) }

  /// Where the probability lies with 95 % confidence.
  package var interval: ClosedRange<Double> { interval(deviations: 1.96) }

  /// Wilson's interval, so many standard deviations to each side.
  package func interval(deviations z: Double) -> ClosedRange<Double> {
    guard executions > 0 else { return 0...1 }
    let (n, p) = (Double(executions), rate)
    let middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    let half = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot() / (1 + z * z / n)
    return max(0, middle - half)...min(1, middle + half)
  }
}

/// What is known about a bug's depth.
package struct DepthReport: Sendable {
  package var model: MemoryModel
  package var random, pos, urw: HitRate
  /// By PCT depth, from 1.
  package var pct: [HitRate]
  /// Lanes, and steps with a choice: n and k of PCT's promise.
  package var lanes: Int
  package var choices: Int

  package init(
    model: MemoryModel, random: HitRate, pos: HitRate, urw: HitRate, pct: [HitRate], lanes: Int,
    choices: Int
  ) {
    self.model = model
    self.random = random
    self.pos = pos
    self.urw = urw
    self.pct = pct
    self.lanes = lanes
    self.choices = choices
  }

  /// The least PCT depth that failed; nil: none did.
  package var depth: Int? { pct.firstIndex { $0.hits > 0 }.map { $0 + 1 } }

  /// What PCT promises when it looks for bugs of depth d: 1 / (n k^(d - 1)).
  package func promise(_ depth: Int) -> Double {
    var bound = 1 / Double(max(lanes, 1))
    for _ in 1..<max(depth, 1) { bound /= Double(max(choices, 1)) }
    return bound
  }

  /// Depths at which PCT fails less often than it promises, by more than chance explains: the bug's
  /// measured depth and those above. So many rates are tested that 95 % would be wrong now and then:
  /// the interval is that of 3.3 standard deviations (one in a thousand). The promise is about
  /// schedules alone; under weak models values are drawn too, and nothing is promised.
  package var broken: [Int] {
    guard model == .sc, let depth else { return [] }
    return (depth...pct.count).filter {
      pct[$0 - 1].interval(deviations: 3.3).upperBound < promise($0)
    }
  }

  package var keepsPromise: Bool { broken.isEmpty }
}

extension LabWorld {
  /// Runs executions of a walk and counts those that fail with one of the invariants.
  ///
  /// - Parameters:
  ///   - executions: at most so many.
  ///   - seconds: at most about so long; nil: no limit.
  package func hitRate(
    _ search: Search, model: MemoryModel = .sc, invariants: Set<String>, executions: Int,
    seconds: Double? = nil, seed: UInt64 = 1
  ) -> HitRate {
    precondition(!search.isSystematic, "a rate is a walk's")
    if let refusal = refusal(search, model: model) { preconditionFailure("\(refusal)") }
    var engine = unsafe search.engine(seed: seed)
    unsafe engine.model = model.engine
    unsafe lab_begin(&engine)
    let limit = seconds.map { Deadline($0) }
    var rate = HitRate(hits: 0, executions: 0)
    while rate.executions < executions {
      let end = lab_explore(UInt64(min(256, executions - rate.executions)))
      rate.executions = unsafe Int(lab_statistics().pointee.executions)
      if end == LAB_FINDING, let finding = Self.invariantOfLast(), invariants.contains(finding) {
        rate.hits += 1
      }
      if limit?.isOver == true { break }
    }
    return rate
  }

  /// The walks' rates for a bug.
  ///
  /// - Parameters:
  ///   - executions: of each walk, at most.
  ///   - seconds: for each walk, at most; nil: no limit.
  package func depth(
    of invariants: Set<String>, model: MemoryModel = .sc, executions: Int = 20_000,
    seconds: Double? = nil, seed: UInt64 = 1
  ) -> DepthReport {
    var choices = 0
    func rate(_ search: Search) -> HitRate {
      let rate = hitRate(
        search, model: model, invariants: invariants, executions: executions, seconds: seconds,
        seed: seed)
      choices = max(choices, unsafe Int(lab_statistics().pointee.most_choices))
      return rate
    }
    let (random, pos, urw) = (rate(.random), rate(.pos), rate(.urw))
    let pct = (1...6).map { rate(.pct(depth: $0)) }
    // Beside the threads runs the one that ends grace periods.
    return DepthReport(
      model: model, random: random, pos: pos, urw: urw, pct: pct, lanes: threads.count + 1,
      choices: choices)
  }
}
