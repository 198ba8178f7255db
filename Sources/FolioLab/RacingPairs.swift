// SPDX-License-Identifier: MIT

// Racing-pair coverage: which conflicts between places in the source were executed, directly one behind
// the other.

import CFolio
import CLab

/// Two places that touched one word in conflict, by different threads, one directly behind the other.
public struct RacingPair: Sendable, Hashable {
  public var first: String
  public var second: String

  public init(first: String, second: String) {
    self.first = first
    self.second = second
  }

  /// Those of the last search that kept them.
  static func all() -> Set<RacingPair> {
    var capacity: UInt32 = 0
    guard let table = unsafe lab_pairs(&capacity) else { return [] }
    func name(_ site: UnsafePointer<seam_site>?) -> String {
      guard let site = unsafe site else { return "?" }
      let (function, text) = unsafe (site.pointee.function, site.pointee.text)
      return unsafe "\(String(cString: function)): \(String(cString: text))"
    }
    var pairs: Set<RacingPair> = []
    for index in 0..<Int(capacity) where unsafe table[index].count > 0 {
      unsafe pairs.insert(
        RacingPair(first: name(table[index].first), second: name(table[index].second)))
    }
    return pairs
  }
}

/// How much of what can conflict did.
public struct PairCoverage: Sendable {
  /// Pairs of all classes.
  public var all: Set<RacingPair>
  /// Those that the walks executed.
  public var walked: Set<RacingPair>

  public var missing: Set<RacingPair> { all.subtracting(walked) }
}

extension LabWorld {
  /// Compares walks with the search of all classes.
  ///
  /// - Returns: nil when the classes are not all searched within `seconds`.
  public func pairCoverage(walks: Int = 10_000, seconds: Double = 10) -> PairCoverage? {
    let proof = explore(.classes, seconds: seconds, keepsPairs: true)
    guard proof.verdict == .exhaustive else { return nil }
    let all = RacingPair.all()
    var walked: Set<RacingPair> = []
    for search in [Search.random, .pos, .urw, .pct(depth: nil)] {
      _ = explore(search, executions: walks, keepsPairs: true)
      walked.formUnion(RacingPair.all())
    }
    return PairCoverage(all: all, walked: walked)
  }
}
