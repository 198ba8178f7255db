// SPDX-License-Identifier: MIT

// A witness for programs: what it is made of, and what the other forms show of it. `Codable`, for any
// encoder; the command line writes it as JSON.

extension Witness {
  /// The witness and what follows from it.
  package struct Report: Sendable, Hashable, Codable {
    /// Changes when a reader of older reports would misread this one.
    package var format = "folio-lab-witness-1"
    package var witness: Witness
    package var replay: String
    package var preemptions: Int
    /// Names of words, by object.
    package var words: [Word]
    /// By step.
    package var steps: [Step]
    /// Pairs of steps, the earlier first, whose other order would be another execution.
    package var races: [[Int]]
  }

  package struct Word: Sendable, Hashable, Codable {
    package var object: Int
    package var name: String
  }

  /// What causality says of a step.
  package struct Step: Sendable, Hashable, Codable {
    /// It can have led to the failure.
    package var isInPast: Bool
    /// Its order with another thread's step matters.
    package var matters: Bool
    /// The failure was found behind it.
    package var fails: Bool
    /// The step whose value it saw.
    package var readsFrom: Int?
    /// The thread that could have gone on instead.
    package var preempts: Int?
  }

  package func report() -> Report {
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
