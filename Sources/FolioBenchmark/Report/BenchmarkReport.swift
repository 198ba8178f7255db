// SPDX-License-Identifier: MIT

// The JSON that other tools read (design: "Contracts that other tools rely on"): one object per
// run, one result per operation x threads x pages x state x peer.

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

/// The machine that a run was made on: the "host" of every report of this tool.
public struct HostDescription: Codable, Equatable, Sendable {
  public var system: String
  public var release: String
  public var machine: String
  public var processor: String
  public var cpus: Int
  public var memoryBytes: Int
  /// Load average over one minute when the run began.
  public var load: Double

  public init(
    system: String, release: String, machine: String, processor: String, cpus: Int,
    memoryBytes: Int, load: Double
  ) {
    self.system = system
    self.release = release
    self.machine = machine
    self.processor = processor
    self.cpus = cpus
    self.memoryBytes = memoryBytes
    self.load = load
  }

  /// One JSON object on one line, for reports that are put together from text.
  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    } catch {
      preconditionFailure("words and finite numbers are always JSON: \(error)")
    }
  }
}

/// A whole run.
public struct BenchmarkReport: Codable, Equatable, Sendable {
  public static let currentSchema = 1

  public var schema: Int
  public var tool: String
  public var version: String
  public var host: HostDescription
  public var results: [BenchmarkResult]

  public init(version: String, host: HostDescription, results: [BenchmarkResult]) {
    schema = Self.currentSchema
    tool = "folio-bench"
    self.version = version
    self.host = host
    self.results = results
  }

  /// JSON with sorted keys and a newline at the end.
  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    var data = try encoder.encode(self)
    data.append(UInt8(ascii: "\n"))
    return data
  }

  /// Reads what `encoded()` wrote.
  ///
  /// - Throws: `ToolError` with status `dataError` when it is no such report or of another schema.
  public init(decoding data: Data, name: String) throws(ToolError) {
    do {
      self = try JSONDecoder().decode(BenchmarkReport.self, from: data)
    } catch {
      throw ToolError(.dataError, "\(name): not a folio-bench report: \(Self.explain(error))")
    }
    guard schema == Self.currentSchema else {
      throw ToolError(
        .dataError, "\(name): schema \(schema), this tool reads \(Self.currentSchema)")
    }
    guard results.allSatisfy({ $0.median.isFinite && $0.median >= 0 }) else {
      throw ToolError(.dataError, "\(name): a median that is no time")
    }
  }

  private static func explain(_ error: any Error) -> String {
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }
      return path.isEmpty ? context.debugDescription : "at \(path.joined(separator: "."))"
    }
    switch error as? DecodingError {
    case .keyNotFound(let key, let context):
      let inside = context.codingPath.isEmpty ? "" : " \(place(context))"
      return "\"\(key.stringValue)\" is missing\(inside)"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      return place(context)
    default:
      return "\(error)"
    }
  }
}
