// SPDX-License-Identifier: MIT

// What a measured configuration gave: per side the distribution of its cost, per peer the ratio,
// and whether every counter was as the model says.

/// One side of a measured configuration.
package struct SideMeasurement: Sendable {
  package let name: String
  /// Cost per operation at percentiles of all slices, in the measurement's unit.
  package let median: Double
  package let p99: Double
  package let p5: Double
  package let p95: Double
  /// Cost per operation in each round, for the ratios.
  package let perRound: [Double]
  package let iterations: Int
  /// Why there are no numbers.
  package let refused: String?

  init(
    name: String, median: Double, p99: Double, p5: Double, p95: Double, perRound: [Double],
    iterations: Int, refused: String? = nil
  ) {
    self.name = name
    self.median = median
    self.p99 = p99
    self.p5 = p5
    self.p95 = p95
    self.perRound = perRound
    self.iterations = iterations
    self.refused = refused
  }
}

/// One operation in one configuration.
package struct Measurement: Sendable {
  package let operation: String
  package let threads: Int
  package let pages: Int
  package let state: CacheState
  package let unit: String
  package let rounds: Int
  /// Run over device sizes: its numbers are about the size.
  package let isScaled: Bool
  /// Folio's own first.
  package let sides: [SideMeasurement]
  package let verifier: Verifier

  package var verified: Bool { verifier.failureCount == 0 }
  package var ours: SideMeasurement { sides[0] }
  package var peers: ArraySlice<SideMeasurement> { sides.dropFirst() }

  /// Ours / theirs, the median of the ratios of each round.
  package func ratio(to peer: SideMeasurement) -> Double? {
    guard peer.refused == nil else { return nil }
    return Statistics.pairwiseRatio(ours: ours.perRound, theirs: peer.perRound)
  }

  /// The ratio to a peer by name; nil when it was not measured.
  package func ratio(toPeer name: String) -> Double? {
    peers.first { $0.name == name }.flatMap { ratio(to: $0) }
  }

  /// The results of the JSON schema: one per peer, or one with no peer.
  package var results: [BenchmarkResult] {
    guard !peers.isEmpty else { return [result(peer: nil)] }
    return peers.map { result(peer: $0) }
  }

  private func result(peer: SideMeasurement?) -> BenchmarkResult {
    BenchmarkResult(
      name: operation, threads: threads, pages: pages, state: state, unit: unit,
      median: ours.median, p99: ours.p99, iterations: ours.iterations, rounds: rounds,
      peer: peer?.name, ratio: peer.flatMap { ratio(to: $0) }, reason: peer?.refused,
      verified: verified)
  }
}
