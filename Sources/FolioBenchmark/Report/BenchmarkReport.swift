// SPDX-License-Identifier: MIT

// What folio-bench writes as JSON: one result per operation x threads x pages x state x peer.

package import FolioTools
package import Foundation

/// One result. `ratio` is ours / the peer's; null without a peer, or with a `reason` when the peer
/// was refused.
package struct BenchmarkResult: Codable, Equatable, Sendable {
  package var name: String
  package var threads: Int
  package var pages: Int
  package var state: CacheState
  package var unit: String
  package var median: Double
  package var p99: Double
  package var iterations: Int
  package var rounds: Int
  package var peer: String?
  package var ratio: Double?
  package var reason: String?
  package var verified: Bool

  package init(
    name: String, threads: Int, pages: Int, state: CacheState, unit: String, median: Double,
    p99: Double, iterations: Int, rounds: Int, peer: String?, ratio: Double?,
    reason: String? = nil, verified: Bool
  ) {
    self.name = name
    self.threads = threads
    self.pages = pages
    self.state = state
    self.unit = unit
    self.median = median
    self.p99 = p99
    self.iterations = iterations
    self.rounds = rounds
    self.peer = peer
    self.ratio = ratio
    self.reason = reason
    self.verified = verified
  }

  private enum CodingKeys: String, CodingKey {
    case name, threads, pages, state, unit, median, p99, iterations, rounds, peer, ratio, reason
    case verified
  }

  /// Writes `peer` and `ratio` as null when there are none; `reason` only when there is one.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(threads, forKey: .threads)
    try container.encode(pages, forKey: .pages)
    try container.encode(state, forKey: .state)
    try container.encode(unit, forKey: .unit)
    try container.encode(median, forKey: .median)
    try container.encode(p99, forKey: .p99)
    try container.encode(iterations, forKey: .iterations)
    try container.encode(rounds, forKey: .rounds)
    try container.encode(peer, forKey: .peer)
    try container.encode(ratio, forKey: .ratio)
    try container.encodeIfPresent(reason, forKey: .reason)
    try container.encode(verified, forKey: .verified)
  }
}

/// A whole run of folio-bench.
package typealias BenchmarkReport = ToolReport<BenchmarkResult>

extension ToolReport where Result == BenchmarkResult {
  private static var tool: String { "folio-bench" }

  package init(host: HostDescription = .current, results: [BenchmarkResult]) {
    self.init(tool: Self.tool, host: host, results: results)
  }

  /// - Throws: `dataError` when it is no report of such results.
  package init(decoding data: Data, name: String) throws(ToolError) {
    try self.init(decoding: data, name: name, tool: Self.tool)
    try check(name)
  }

  /// - Throws: `noInput`, `dataError`.
  package init(contentsOf path: String) throws(ToolError) {
    try self.init(contentsOf: path, tool: Self.tool)
    try check(path)
  }

  private func check(_ name: String) throws(ToolError) {
    guard results.allSatisfy({ $0.median.isFinite && $0.median >= 0 }) else {
      throw ToolError(.dataError, "\(name): a median that is no time")
    }
  }
}
