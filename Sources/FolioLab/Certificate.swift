// SPDX-License-Identifier: MIT

// What an exploration may be quoted for: the claim, what it is a claim about, and what it cost.

import CFolio
import CLab
import FolioCore
import FolioWorkloads

/// One part of a search that several processes share.
public struct Shard: Sendable, Hashable, Codable {
  /// 0 ..< count.
  public var index: Int
  public var count: Int

  public init(index: Int, count: Int) {
    precondition(0..<count ~= index)
    self.index = index
    self.count = count
  }

  /// From "2/4": the second of four, counted from 1. Nil: it is no such text.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let index = parts[0], let count = parts[1], 1...count ~= index,
      count <= 4096
    else { return nil }
    self.init(index: index - 1, count: count)
  }

  /// Steps that are branched fully, so that there are enough prefixes to share.
  var prefixSteps: Int {
    count == 1 ? 0 : 4 + Int.bitWidth - (count - 1).leadingZeroBitCount
  }
}

/// The outcome of an exploration, as JSON keeps it.
public struct Certificate: Sendable, Hashable, Codable {
  public var scenario: String
  public var size: Int
  public var rules: String
  public var memoryModel: String
  public var search: String
  /// "EXHAUSTIVE", "BOUNDED(k)", "SAMPLED(p <= x)", "FAILED"; "PART i/n" for a shard.
  public var verdict: String
  public var executions: Int
  public var classes: Int
  public var states: Int
  public var blocked: Int
  public var seconds: Double
  public var seed: UInt64
  /// Identity of the scenario: name, threads, obligations.
  public var scenarioHash: String
  /// Identity of the code: every place that touches a shared word.
  public var codeHash: String
  public var shard: Shard?
  public var unreached: [String]
  public var invariant: String?
  public var message: String?
  public var token: String?

  enum CodingKeys: String, CodingKey {
    case scenario, size, rules, search, verdict, executions, classes, states, blocked, seconds, seed
    case shard, unreached, invariant, message, token
    case memoryModel = "memory_model"
    case scenarioHash = "scenario_hash"
    case codeHash = "code_hash"
  }

  /// A hash that is the same on every machine and in every run.
  static func hash(_ texts: [String]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in texts.joined(separator: "\u{0}").utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Of the code that is linked in.
  public static func codeHash() -> String {
    var count: UInt32 = 0
    guard let sites = unsafe lab_sites(&count) else { return hash([]) }
    var texts: Set<String> = []
    for index in 0..<Int(count) {
      let site = unsafe sites[index]
      unsafe texts.insert("\(String(cString: site.function)):\(String(cString: site.text))")
    }
    return hash(texts.sorted())
  }
}

extension LabWorld {
  /// Identity of the scenario.
  public var scenarioHash: String {
    Certificate.hash(
      [scenario.name, scenario.title] + threads.map { "\($0.name) \($0.group)" }
        + scenario.obligations)
  }

  public func certificate(
    of result: ExplorationResult, mutant: String? = nil
  ) -> Certificate {
    let part = result.shard.map { "PART \($0.index + 1)/\($0.count)" }
    let verdict =
      result.verdict == .exhaustive ? part ?? result.verdict.description : "\(result.verdict)"
    return Certificate(
      scenario: scenario.name, size: settings.size, rules: settings.rules.rawValue,
      memoryModel: result.model.rawValue, search: result.search.name, verdict: verdict,
      executions: result.statistics.executions, classes: result.statistics.complete,
      states: result.statistics.states, blocked: result.statistics.blocked,
      seconds: result.statistics.seconds, seed: result.seed, scenarioHash: scenarioHash,
      codeHash: Certificate.codeHash(), shard: result.shard, unreached: result.unreached,
      invariant: result.finding?.invariant, message: result.finding?.message,
      token: result.finding.map {
        token(of: $0.trace, mutant: mutant).description
      })
  }
}

/// Why certificates are not parts of one whole.
public struct MergeError: Error, Sendable, CustomStringConvertible {
  public let description: String
}

extension Certificate {
  /// The whole, from all its parts.
  public static func merge(_ parts: [Certificate]) throws(MergeError) -> Certificate {
    guard var whole = parts.first, let count = whole.shard?.count else {
      throw MergeError(description: "no parts of a sharded search")
    }
    for part in parts {
      let same =
        part.scenarioHash == whole.scenarioHash && part.codeHash == whole.codeHash
        && part.size == whole.size && part.rules == whole.rules
        && part.memoryModel == whole.memoryModel && part.search == whole.search
        && part.seed == whole.seed && part.shard?.count == count
      guard same else {
        throw MergeError(
          description: "\(part.scenario) \(part.verdict): of another scenario, code or search")
      }
    }
    let indices = parts.compactMap(\.shard?.index)
    for index in 0..<count where indices.count(where: { $0 == index }) != 1 {
      throw MergeError(
        description: indices.contains(index)
          ? "part \(index + 1)/\(count) is there more than once"
          : "part \(index + 1)/\(count) is missing")
    }
    whole.shard = nil
    whole.executions = parts.reduce(0) { $0 + $1.executions }
    whole.classes = parts.reduce(0) { $0 + $1.classes }
    whole.blocked = parts.reduce(0) { $0 + $1.blocked }
    whole.seconds = parts.reduce(0) { $0 + $1.seconds }
    whole.unreached = whole.unreached.filter { name in
      parts.allSatisfy { $0.unreached.contains(name) }
    }
    if let failed = parts.first(where: { $0.invariant != nil }) {
      whole.verdict = Verdict.failed.description
      (whole.invariant, whole.message, whole.token) = (
        failed.invariant, failed.message, failed.token
      )
    } else if parts.allSatisfy({ $0.verdict.hasPrefix("PART ") }) {
      whole.verdict = Verdict.exhaustive.description
    } else {
      // Walks: the draws of all parts are different ones.
      let drawn = Search(name: whole.search)?.isSystematic == false ? whole.classes : 0
      whole.verdict =
        Verdict.sampled(probability: drawn > 3 ? 3 / Double(drawn) : 1).description
    }
    return whole
  }
}
