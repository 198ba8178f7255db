// SPDX-License-Identifier: MIT

// The default search: no single way finds everything soon, so all of them take turns with growing
// budgets until one fails, one comes to its end, or time is over.

public import FolioWorkloads

/// What a portfolio did, search by search.
public struct PortfolioResult: Sendable {
  /// The result that ended it: a failure, a proof, or the random walks together.
  public var result: ExplorationResult
  /// Which search that was.
  public var by: Search
  /// Executions of all searches.
  public var executions: Int
  /// Seconds of all searches.
  public var seconds: Double
}

extension LabWorld {
  /// Searches in turn, cheap ones first: few preemptions, walks of four kinds, classes.
  ///
  /// - Parameters:
  ///   - seconds: at most about so long.
  ///   - provesClasses: false: walks, and few preemptions.
  ///   - keepsPairs: racing pairs are kept.
  ///   - progress: what all searches did so far, and which one runs.
  public func portfolio(
    model: MemoryModel = .sc, seed: UInt64 = 1, seconds: Double = 10, provesClasses: Bool = true,
    keepsPairs: Bool = false, progress: (ExplorationStatistics) -> Bool = { _ in true }
  ) -> PortfolioResult {
    let limit = Deadline(seconds)
    var total = ExplorationStatistics()
    var unreached = Set(scenario.obligations)
    var budget = 512
    var walks = 0
    var goesOn = true
    func add(_ result: ExplorationResult) {
      total.executions += result.statistics.executions
      total.complete += result.statistics.complete
      total.steps += result.statistics.steps
      total.longest = max(total.longest, result.statistics.longest)
      total.pairs = max(total.pairs, result.statistics.pairs)
      unreached.formIntersection(result.unreached)
    }
    func run(_ search: Search, _ executions: Int, _ seed: UInt64) -> ExplorationResult {
      let result = explore(
        search, model: model, seed: seed, executions: executions, seconds: limit.left,
        keepsPairs: keepsPairs
      ) {
        var now = total
        now.executions += $0.executions
        now.complete += $0.complete
        now.longest = max(now.longest, $0.longest)
        (now.share, now.pairs) = ($0.share, max(now.pairs, $0.pairs))
        now.seconds = seconds - limit.left
        goesOn = progress(now)
        return goesOn
      }
      add(result)
      return result
    }
    func end(_ result: ExplorationResult) -> PortfolioResult {
      var result = result
      result.unreached = scenario.obligations.filter(unreached.contains)
      return PortfolioResult(
        result: result, by: result.search, executions: total.executions,
        seconds: seconds - limit.left)
    }
    var round: UInt64 = 0
    while true {
      let walked: [Search] = [.random, .pct(depth: nil), .pos, .urw]
      let proofs: [Search] = provesClasses ? [.classes] : []
      let bounds: [Search] = round < 3 ? [.schedules(preemptions: Int(round))] : []
      for search in bounds + walked + proofs {
        let result = run(search, search == .classes ? budget * 4 : budget, seed &+ round)
        if result.finding != nil { return end(result) }
        if result.verdict == .exhaustive { return end(result) }
        if walked.contains(search) { walks += result.statistics.complete }
        if limit.isOver || !goesOn {
          var last = result
          last.search = .random
          last.statistics = total
          last.statistics.seconds = seconds - limit.left
          last.draws = walks
          last.verdict = .sampled(probability: Verdict.upperBound(draws: walks))
          return end(last)
        }
      }
      round += 1
      budget *= 4
    }
  }
}
