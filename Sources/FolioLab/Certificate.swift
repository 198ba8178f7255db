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
  /// How many parts there are.
  public var count: Int

  /// Part `index`, counted from 0, of `count`.
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
package struct Certificate: Sendable, Hashable, Codable {
  package var scenario: String
  package var size: Int
  package var rules: String
  package var memoryModel: String
  package var search: String
  /// "EXHAUSTIVE", "BOUNDED(k)", "SAMPLED(p <= x)", "FAILED"; "PART i/n" for a shard.
  package var verdict: String
  /// Preemptions that a BOUNDED claim allows.
  package var bound: Int?
  /// What a SAMPLED claim stands on; of a BOUNDED one, what was drawn beside it.
  package var sample: Sample?
  package var executions: Int
  /// Executions that came to their end, whatever the search.
  package var complete: Int
  /// Classes of equivalent executions; of a search of classes only.
  package var classes: Int
  package var states: Int
  package var blocked: Int
  package var seconds: Double
  package var seed: UInt64
  /// Identity of the scenario: name, threads, obligations.
  package var scenarioHash: String
  /// Identity of the code: every place that touches a shared word.
  package var codeHash: String
  /// Identity of the build: all machine code. Recorded certificates outlive it; parts must share it.
  package var buildHash: String?
  package var shard: Shard?
  package var unreached: [String]
  package var invariant: String?
  package var message: String?
  package var token: String?

  /// Independent draws of which none failed.
  package struct Sample: Sendable, Hashable, Codable {
    package var draws: Int
    /// A drawn execution fails with a probability between 0 and this.
    package var upperBound: Double
    /// With this confidence: the rule of three.
    package var confidence: Double

    enum CodingKeys: String, CodingKey {
      case draws, confidence
      case upperBound = "upper_bound"
    }

    package init(draws: Int) {
      self.draws = draws
      upperBound = Verdict.upperBound(draws: draws)
      confidence = 0.95
    }
  }

  enum CodingKeys: String, CodingKey {
    case scenario, size, rules, search, verdict, bound, sample, executions, complete, classes
    case states, blocked, seconds, seed, shard, unreached, invariant, message, token
    case memoryModel = "memory_model"
    case scenarioHash = "scenario_hash"
    case codeHash = "code_hash"
    case buildHash = "build_hash"
  }

  /// A hash that is the same on every machine and in every run.
  static func hash(_ texts: [String]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in texts.joined(separator: "\u{0}").utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    return text(hash)
  }

  private static func text(_ hash: UInt64) -> String {
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// Of the machine code that runs: taken once.
  static let buildHash = text(lab_code_hash())

  /// Of the code that is linked in.
  package static func codeHash() -> String {
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
  package var scenarioHash: String {
    Certificate.hash(
      [scenario.name, scenario.title] + threads.map { "\($0.name) \($0.group)" }
        + scenario.obligations)
  }

  /// - Parameter search: nil: the result's; a name of several that were run in turn.
  package func certificate(
    of result: ExplorationResult, search: String? = nil, mutant: String? = nil
  ) -> Certificate {
    let part = result.shard.map { "PART \($0.index + 1)/\($0.count)" }
    let verdict =
      result.verdict == .exhaustive ? part ?? result.verdict.description : "\(result.verdict)"
    return Certificate(
      scenario: scenario.name, size: settings.size, rules: settings.rules.rawValue,
      memoryModel: result.model.rawValue, search: search ?? result.search.name, verdict: verdict,
      bound: result.verdict.bound,
      sample: result.verdict.isSampled || (result.isProof && result.draws > 0)
        ? .init(draws: result.draws) : nil,
      executions: result.statistics.executions, complete: result.statistics.complete,
      classes: result.search == .classes ? result.statistics.complete : 0,
      states: result.statistics.states, blocked: result.statistics.blocked,
      seconds: result.statistics.seconds, seed: result.seed, scenarioHash: scenarioHash,
      codeHash: Certificate.codeHash(), buildHash: Certificate.buildHash, shard: result.shard,
      unreached: result.unreached,
      invariant: result.finding?.invariant, message: result.finding?.message,
      token: result.finding.map {
        token(of: $0.trace, mutant: mutant).description
      })
  }
}

/// Why certificates are not parts of one whole.
package struct MergeError: Error, Sendable, CustomStringConvertible {
  package let description: String
}

extension Certificate {
  /// The whole, from all its parts.
  package static func merge(_ parts: [Certificate]) throws(MergeError) -> Certificate {
    guard var whole = parts.first, let count = whole.shard?.count else {
      throw MergeError(description: "no parts of a sharded search")
    }
    for part in parts {
      if let difference = part.difference(from: whole) {
        throw MergeError(
          description: "\(part.subject) \(part.verdict): of \(difference) than "
            + "\(whole.subject) \(whole.verdict)")
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
    whole.complete = parts.reduce(0) { $0 + $1.complete }
    whole.classes = parts.reduce(0) { $0 + $1.classes }
    whole.blocked = parts.reduce(0) { $0 + $1.blocked }
    whole.seconds = parts.reduce(0) { $0 + $1.seconds }
    whole.unreached = whole.unreached.filter { name in
      parts.allSatisfy { $0.unreached.contains(name) }
    }
    if let failed = parts.first(where: { $0.invariant != nil }) {
      whole.verdict = Verdict.failed.description
      whole.sample = nil
      (whole.invariant, whole.message, whole.token) = (
        failed.invariant, failed.message, failed.token
      )
    } else if parts.allSatisfy({ $0.verdict.hasPrefix("PART ") }) {
      whole.verdict = Verdict.exhaustive.description
    } else {
      // Walks: the draws of all parts are different ones.
      let sample = Sample(draws: parts.reduce(0) { $0 + ($1.sample?.draws ?? 0) })
      whole.sample = sample
      whole.verdict = Verdict.sampled(probability: sample.upperBound).description
    }
    return whole
  }

  /// What it is a claim about: one line of words.
  package var subject: String { Self.subject(scenario, size, rules, memoryModel) }

  /// The same of what no certificate is there for yet.
  static func subject(_ scenario: String, _ size: Int, _ rules: String, _ model: String) -> String {
    "\(scenario) size \(size) \(rules) \(model)"
  }

  /// Why it is no part of the whole that the other is a part of; nil: it may be.
  private func difference(from other: Certificate) -> String? {
    if scenario != other.scenario || scenarioHash != other.scenarioHash {
      return "another scenario"
    }
    if codeHash != other.codeHash || buildHash != other.buildHash { return "other code" }
    if size != other.size { return "another size" }
    if rules != other.rules { return "other rules" }
    if memoryModel != other.memoryModel { return "another memory model" }
    if search != other.search { return "another search" }
    if seed != other.seed { return "another seed" }
    if shard?.count != other.shard?.count { return "another number of parts" }
    return nil
  }
}
