// SPDX-License-Identifier: MIT

// Medians, pairwise ratios and figures as text.

import Testing

@testable import FolioBenchmark

@Suite struct StatisticsTests {
  @Test("the median of an odd count is the middle value, of an even count the mean of two")
  func median() {
    #expect(Statistics.median([3, 1, 2]) == 2)
    #expect(Statistics.median([4, 1, 3, 2]) == 2.5)
    #expect(Statistics.median([]) == nil)
  }

  @Test("a ratio pairs the rounds, so that a slow round counts for both sides")
  func pairwise() {
    // Twice as slow in every round, while the machine itself becomes ten times slower.
    let theirs: [Double] = [1, 10, 2, 5, 3]
    let ours = theirs.map { $0 * 2 }
    #expect(Statistics.pairwiseRatio(ours: ours, theirs: theirs) == 2)
    // Medians alone would say 4 / 2.
    #expect(Statistics.pairwiseRatio(ours: [1, 4, 9], theirs: [1, 2, 3]) == 2)
    #expect(Statistics.pairwiseRatio(ours: [9, 4, 1], theirs: [1, 2, 3]) == 2)
    #expect(Statistics.pairwiseRatio(ours: [1], theirs: [0]) == nil)
    #expect(Statistics.pairwiseRatio(ours: [], theirs: []) == nil)
  }

  @Test(
    "how certain a ratio is goes by how far the ratios of the rounds are apart, and their number")
  func uncertainty() {
    func uncertainty(_ ours: [Double]) -> Double {
      Statistics.uncertaintyOfRatio(ours: ours, theirs: Array(repeating: 10, count: ours.count))
    }
    #expect(uncertainty(Array(repeating: 7, count: 64)) == 0)
    // 0.01 to 1: of 100 ranks those from 40 to 61 are a median's.
    #expect(abs(uncertainty((1...100).map { Double($0) / 10 }) - 0.105 / 0.505) < 1e-9)
    // Four times as many say it twice as well; an outlier says nothing.
    let few = uncertainty((0..<64).map { 10 + Double($0 % 8) / 8 })
    let many = uncertainty((0..<256).map { 10 + Double($0 % 8) / 8 })
    #expect(few > 0 && many < few)
    #expect(uncertainty(Array(repeating: 7, count: 63) + [1000]) == 0)
    // Halves that disagree are no median, however many there are.
    #expect(uncertainty(Array(repeating: 7, count: 500) + Array(repeating: 70, count: 500)) > 0.8)
    #expect(uncertainty([7, 7, 7, 7, 7]) == .infinity)
    #expect(Statistics.uncertaintyOfRatio(ours: [1], theirs: [0]) == .infinity)
  }

  @Test("a histogram keeps three digits of a cost below a nanosecond")
  func histogram() {
    var histogram = CostHistogram()
    for _ in 0..<98 { histogram.record(nanosecondsPerOperation: 0.654) }
    histogram.record(nanosecondsPerOperation: 12)
    histogram.record(nanosecondsPerOperation: 12)
    #expect(histogram.percentile(50) == 0.654)
    #expect(abs(histogram.percentile(99) - 12) < 0.02)
  }

  @Test("figures are written without exponents and with their thousands apart")
  func figures() {
    #expect(Format.number(5.4321) == "5.43")
    #expect(Format.number(54.321) == "54.3")
    #expect(Format.number(5432.1) == "5432")
    #expect(Format.ratio(0.0123) == "0.0123")
    #expect(Format.ratio(1.999) == "2.00")
    #expect(Format.fixed(-0.04, 1) == "0.0")
    #expect(Format.fixed(-1.26, 1) == "-1.3")
    #expect(Format.cost(31_500, "ns/op") == "31.5 µs")
    #expect(Format.grouped(1_234_567) == "1,234,567")
    #expect(Format.grouped(123) == "123")
    #expect(Format.pages(4096) == "2^12")
    #expect(Format.pages(100_000) == "100000")
  }

  @Test("the same seed shuffles the sides the same way")
  func seeded() {
    var (one, two) = (SeededGenerator(seed: 7), SeededGenerator(seed: 7))
    let sides = Array(0..<20)
    #expect(sides.shuffled(using: &one) == sides.shuffled(using: &two))
  }
}
