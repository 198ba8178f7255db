// SPDX-License-Identifier: MIT

// What folio-bench writes as JSON: one result per operation x threads x pages x state x peer.

public import FolioTools
public import Foundation

/// One result. `ratio` is ours / the peer's; null without a peer, or with a `reason` when the peer
/// was refused.
public struct BenchmarkResult: Codable, Equatable, Sendable {
  public var name: String
  public var threads: Int
  public var pages: Int
  public var state: CacheState
  public var unit: String
  public var median: Double
  public var p99: Double
  public var iterations: Int
  public var rounds: Int
  public var peer: String?
  public var ratio: Double?
  public var reason: String?
  public var verified: Bool

  public init(
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
  public func encode(to encoder: any Encoder) throws {
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
public typealias BenchmarkReport = ToolReport<BenchmarkResult>

extension ToolReport where Result == BenchmarkResult {
  private static var tool: String { "folio-bench" }

  public init(host: HostDescription = .current, results: [BenchmarkResult]) {
    self.init(tool: Self.tool, host: host, results: results)
  }

  /// - Throws: `dataError` when it is no report of such results.
  public init(decoding data: Data, name: String) throws(ToolError) {
    try self.init(decoding: data, name: name, tool: Self.tool)
    try check(name)
  }

  /// - Throws: `noInput`, `dataError`.
  public init(contentsOf path: String) throws(ToolError) {
    try self.init(contentsOf: path, tool: Self.tool)
    try check(path)
  }

  private func check(_ name: String) throws(ToolError) {
    guard results.allSatisfy({ $0.median.isFinite && $0.median >= 0 }) else {
      throw ToolError(.dataError, "\(name): a median that is no time")
    }
  }
}
