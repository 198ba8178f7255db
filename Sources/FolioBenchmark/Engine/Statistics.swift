// SPDX-License-Identifier: MIT

// Numbers from samples: medians, pairwise ratios, percentiles by HdrHistogram.

internal import Histogram

/// Medians and ratios of plain arrays.
package enum Statistics {
  /// The middle value, the mean of the two middle ones for an even count; nil when empty.
  package static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The median over rounds of ours / theirs, each pair taken in the same round. nil when no round
  /// has both, or a peer's time is not positive.
  package static func pairwiseRatio(ours: [Double], theirs: [Double]) -> Double? {
    median(pairwiseRatios(ours: ours, theirs: theirs))
  }

  /// How far from that ratio the one of endlessly many rounds may be, as a part of it: 95 %
  /// confidence, whatever the distribution (binomial ranks around the median). Infinite below 6
  /// rounds, of which nothing can be said.
  package static func uncertaintyOfRatio(ours: [Double], theirs: [Double]) -> Double {
    let sorted = pairwiseRatios(ours: ours, theirs: theirs).sorted()
    guard sorted.count >= 6, let median = median(sorted), median > 0 else { return .infinity }
    let count = Double(sorted.count)
    let low = max(Int(((count - 1.96 * count.squareRoot()) / 2).rounded(.down)) - 1, 0)
    let high = sorted.count - 1 - low
    return (sorted[high] - sorted[low]) / 2 / median
  }

  private static func pairwiseRatios(ours: [Double], theirs: [Double]) -> [Double] {
    zip(ours, theirs).filter { $1 > 0 }.map { $0 / $1 }
  }
}

/// Times per operation of many slices of a timed loop.
struct CostHistogram {
  // Picoseconds: three significant digits of 0.7 ns would be lost in whole nanoseconds.
  private var histogram = Histogram<UInt64>(numberOfSignificantValueDigits: .three)
  private(set) var samples = 0

  /// Adds the cost of one slice.
  mutating func record(nanosecondsPerOperation cost: Double) {
    _ = histogram.record(UInt64((max(cost, 0) * 1000).rounded()))
    samples += 1
  }

  /// Nanoseconds per operation at a percentile in 0...100.
  func percentile(_ percentile: Double) -> Double {
    samples == 0 ? 0 : Double(histogram.valueAtPercentile(percentile)) / 1000
  }
}

/// A small seeded generator: SplitMix64. Orders the sides of each round.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) {
    state = seed
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
