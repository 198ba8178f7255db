// SPDX-License-Identifier: MIT

// Racing-pair coverage: which conflicts between places in the source were executed, directly one behind
// the other.

import CFolio
import CLab
import FolioWorkloads

/// Two places that touched one word in conflict, by different threads, one directly behind the other.
package struct RacingPair: Sendable, Hashable {
  package var first: String
  package var second: String

  package init(first: String, second: String) {
    self.first = first
    self.second = second
  }

  /// Those of the last search that kept them.
  static func all() -> Set<RacingPair> {
    var capacity: UInt32 = 0
    guard let table = unsafe lab_pairs(&capacity) else { return [] }
    var pairs: Set<RacingPair> = []
    for index in 0..<Int(capacity) where unsafe table[index].count > 0 {
      unsafe pairs.insert(
        RacingPair(first: name(table[index].first), second: name(table[index].second)))
    }
    return pairs
  }

  fileprivate static func name(_ site: UnsafePointer<seam_site>?) -> String {
    guard let site = unsafe site else { return "?" }
    let (function, text) = unsafe (site.pointee.function, site.pointee.text)
    return unsafe "\(String(cString: function)): \(String(cString: text))"
  }
}

/// Which places touched which words, over many executions: what can conflict at most, where not all
/// classes can be searched.
package struct ConflictRecord: Sendable {
  /// By address of the eight bytes: places and whether they wrote, with the threads that came there.
  private var words: [UInt: [String: (read: UInt32, write: UInt32)]] = [:]
  private var names: [UInt: String] = [:]

  package init() {}

  /// Adds the steps of the engine's last execution.
  package mutating func addLast() {
    var count: UInt32 = 0
    let events = unsafe lab_trace(&count)
    for index in 0..<Int(count) {
      let event = unsafe events[index]
      guard let address = unsafe event.address else { continue }
      let site = unsafe UInt(bitPattern: event.site)
      let name = unsafe names[site] ?? RacingPair.name(event.site)
      names[site] = name
      let thread = unsafe UInt32(1) << UInt32(event.thread)
      let isRead = unsafe event.kind == UInt8(LAB_LOAD.rawValue)
      let word = UInt(bitPattern: address) & ~7
      let old = words[word, default: [:]][name, default: (0, 0)]
      words[word, default: [:]][name] =
        isRead ? (old.read | thread, old.write) : (old.read, old.write | thread)
    }
  }

  /// All ordered pairs of places that touched one word, one of them writing, on different threads.
  package var pairs: Set<RacingPair> {
    func differ(_ a: UInt32, _ b: UInt32) -> Bool {
      a != 0 && b != 0 && (a != b || a.nonzeroBitCount > 1)
    }
    var pairs: Set<RacingPair> = []
    for places in words.values {
      for (first, a) in places {
        for (second, b) in places
        where differ(a.write, b.write) || differ(a.write, b.read) || differ(a.read, b.write) {
          pairs.insert(RacingPair(first: first, second: second))
        }
      }
    }
    return pairs
  }
}

/// How much of what can conflict did.
package struct PairCoverage: Sendable {
  /// Pairs of all classes.
  package var all: Set<RacingPair>
  /// Those that schedules with two preemptions and walks executed.
  package var walked: Set<RacingPair>

  package var missing: Set<RacingPair> { all.subtracting(walked) }
}

extension LabWorld {
  /// Those of the last search, or series of executions, that kept them.
  package var racingPairs: Set<RacingPair> { RacingPair.all() }

  /// Pairs that can be: those of all classes, or, when these are not all searched within `seconds`,
  /// what conflicts with what on a word in some thousand walks and in what is recorded.
  package func possiblePairs(
    model: MemoryModel = .sc, seconds: Double, recorded: ConflictRecord = ConflictRecord()
  ) -> (pairs: Set<RacingPair>, isExact: Bool) {
    let proof = prove(.classes, model: model, seconds: seconds, keepsPairs: true)
    if proof.verdict == .exhaustive { return (RacingPair.all(), true) }
    var record = recorded
    for seed in 0..<2000 {
      _ = explore(seed % 2 == 0 ? .random : .pos, model: model, seed: UInt64(seed), executions: 1)
      record.addLast()
    }
    return (record.pairs, false)
  }

  /// Compares schedules with two preemptions, and walks, with the search of all classes.
  ///
  /// - Parameters:
  ///   - walks: executions of each of four walks, per round; rare pairs take some rounds, and two that find none are
  ///     the last.
  ///   - executions: of the search of all classes, at most.
  /// - Returns: nil when the classes are not all searched in so many executions.
  package func pairCoverage(
    walks: Int = 10_000, rounds: UInt64 = 16, executions: Int = 400_000
  ) -> PairCoverage? {
    let proof = prove(.classes, executions: executions, keepsPairs: true)
    guard proof.verdict == .exhaustive else { return nil }
    let all = RacingPair.all()
    var walked: Set<RacingPair> = []
    // As a portfolio does: few preemptions first.
    _ = explore(.schedules(preemptions: 2), executions: executions / 4, keepsPairs: true)
    walked.formUnion(RacingPair.all())
    var lastRound: UInt64 = 0
    for round in 1...rounds where !all.isSubset(of: walked) && round <= lastRound + 2 {
      let before = walked.count
      for search in [Search.random, .pos, .urw, .pct(depth: nil)] {
        _ = explore(search, seed: round, executions: walks, keepsPairs: true)
        walked.formUnion(RacingPair.all())
      }
      if walked.count > before { lastRound = round }
    }
    return PairCoverage(all: all, walked: walked)
  }
}
