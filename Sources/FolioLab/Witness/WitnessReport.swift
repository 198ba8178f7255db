// SPDX-License-Identifier: MIT

// A witness for programs: what it is made of, and what the other forms show of it. `Codable`, for any
// encoder; the command line writes it as JSON.

extension Witness {
  /// The witness and what follows from it.
  public struct Report: Sendable, Hashable, Codable {
    /// Changes when a reader of older reports would misread this one.
    public var format = "folio-lab-witness-1"
    public var witness: Witness
    public var replay: String
    public var preemptions: Int
    /// Names of words, by object.
    public var words: [Word]
    /// By step.
    public var steps: [Step]
    /// Pairs of steps, the earlier first, whose other order would be another execution.
    public var races: [[Int]]
  }

  public struct Word: Sendable, Hashable, Codable {
    public var object: Int
    public var name: String
  }

  /// What causality says of a step.
  public struct Step: Sendable, Hashable, Codable {
    /// It can have led to the failure.
    public var isInPast: Bool
    /// Its order with another thread's step matters.
    public var matters: Bool
    /// The failure was found behind it.
    public var fails: Bool
    /// The step whose value it saw.
    public var readsFrom: Int?
    /// The thread that could have gone on instead.
    public var preempts: Int?
  }

  public func report() -> Report {
    let causality = Causality(self)
    let names = WordNames(steps)
    return Report(
      witness: self, replay: replayCommand, preemptions: finding.trace.preemptions,
      words: Set(steps.compactMap(\.object)).sorted().map { Word(object: $0, name: names[$0]) },
      steps: steps.indices.map {
        Step(
          isInPast: causality.past[$0], matters: causality.matters[$0],
          fails: $0 == causality.failing, readsFrom: causality.readsFrom[$0],
          preempts: finding.trace.preempted(by: $0))
      },
      races: causality.races.map { [$0.earlier, $0.later] })
  }
}
