// SPDX-License-Identifier: MIT

// An exploration: a world, a way to choose executions, and limits.

import CFolio
import CLab
public import FolioWorkloads

/// What an exploration has done so far.
public struct ExplorationStatistics: Sendable, Hashable {
  /// Executions that began.
  public var executions = 0
  /// Executions that came to their end: classes, when they are what is searched.
  public var complete = 0
  /// Executions that were cut because nothing new could follow.
  public var blocked = 0
  /// Executions that were cut at a state seen before.
  public var cut = 0
  /// States that were seen; of the search `states`.
  public var states = 0
  /// Values that a load could have returned and the engine did not keep; weak models.
  public var dropped = 0
  /// Executions that ended only because threads took turns at last: without that they might go on
  /// for ever, and there are more like them than any search could visit.
  public var unfair = 0
  /// Steps of all executions.
  public var steps = 0
  /// Steps of the longest execution.
  public var longest = 0
  /// Seconds since the search began.
  public var seconds = 0.0
  /// Which share of a systematic search is done, about; 0 for walks.
  public var share = 0.0
  /// Racing pairs so far, of a search that keeps them.
  public var pairs = 0

  /// Different hashes may stand for one state with this probability at most (64 bits).
  public var collisionProbability: Double {
    Double(states) * Double(states) / 0x1p65
  }
}

/// The outcome of an exploration.
public struct ExplorationResult: Sendable {
  /// The name of what was explored.
  public var scenario: String
  /// How executions were chosen.
  public var search: Search
  /// Under which memory model.
  public var model: MemoryModel
  /// Seed of the walks: the same one walks the same way.
  public var seed: UInt64
  /// What was done.
  public var statistics: ExplorationStatistics
  /// What may be claimed of it.
  public var verdict: Verdict
  /// The execution that failed, as it was found; nil: none did.
  public var finding: Finding?
  /// The part that this was; nil: the whole.
  public var shard: Shard?
  /// Obligations that no execution met.
  public var unreached: [String]
  /// What the model of memory leaves out, and what this exploration lost of it.
  public var uncovered: [String] {
    var lines: [String] = []
    if model == .c11 {
      lines.append(
        "stores of a word are ordered as they took place: no load buffering, no 2+2W")
    }
    if statistics.unfair > 0 {
      lines.append("\(statistics.unfair) executions ended only because threads took turns at last")
    }
    if statistics.dropped > 0 {
      lines.append("\(statistics.dropped) times a value was dropped that could have been read")
    }
    return lines
  }
  /// The search came to its end; false: a limit stopped it.
  public var isComplete: Bool
  /// It says something of every execution, or of every one within a bound.
  public var isProof: Bool { verdict == .exhaustive || verdict.bound != nil }
  /// Independent draws: executions of walks, of a proof those beside it. A search that was stopped half way
  /// draws nothing at random, and may claim nothing.
  public var draws: Int
}

extension LabWorld {
  /// Explores until the search is over, a limit is reached, or an execution fails.
  ///
  /// - Parameters:
  ///   - executions: at most so many; nil: no limit.
  ///   - seconds: at most about so long; nil: no limit.
  ///   - shard: classes and walks only: one part of the whole.
  ///   - keepsPairs: racing pairs are kept.
  ///   - progress: called every few milliseconds; false stops.
  public func explore(
    _ search: Search, model: MemoryModel = .sc, seed: UInt64 = 1, executions: Int? = nil,
    seconds: Double? = nil, shard: Shard? = nil, keepsPairs: Bool = false,
    progress: (ExplorationStatistics) -> Bool = { _ in true }
  ) -> ExplorationResult {
    explore(
      search, model: model, strengthened: [], seed: seed, executions: executions, seconds: seconds,
      shard: shard, keepsPairs: keepsPairs, progress: progress)
  }

  /// A systematic search that may prove something: it stops where it cannot any more, at the first
  /// execution that ends only because threads take turns.
  func prove(
    _ search: Search, model: MemoryModel = .sc, executions: Int? = nil, seconds: Double? = nil,
    keepsPairs: Bool = false, progress: (ExplorationStatistics) -> Bool = { _ in true }
  ) -> ExplorationResult {
    explore(
      search, model: model, executions: executions, seconds: seconds, keepsPairs: keepsPairs
    ) { progress($0) && $0.unfair == 0 }
  }

  /// Why this search does not go with this model; nil: it does.
  public func refusal(_ search: Search, model: MemoryModel) -> LabError? {
    switch model {
    case .sc where search == .states && !hasOnlyWords:
      .settings(
        "\(scenario.name) has state that is in no word (hasOnlyWords): no search states here")
    case .sc: nil
    case .tso where search == .states, .c11 where search == .states:
      .settings("visited states are those of sequential consistency: no search states here")
    case .tso where threads.count > 7:
      .settings("at most 7 threads under tso: each has a lane for its store buffer")
    case .tso, .c11: nil
    }
  }

  func explore(
    _ search: Search, model: MemoryModel, strengthened: [Strengthened], seed: UInt64,
    executions: Int?, seconds: Double?, shard: Shard?, keepsPairs: Bool,
    progress: (ExplorationStatistics) -> Bool
  ) -> ExplorationResult {
    if let refusal = refusal(search, model: model) { preconditionFailure("\(refusal)") }
    settings.obligations.forget()
    var engine = unsafe search.engine(seed: seed)
    unsafe engine.pairs = keepsPairs
    if let shard {
      unsafe engine.shard = UInt32(shard.index)
      unsafe engine.shards = UInt32(shard.count)
      unsafe engine.shard_depth = UInt32(shard.prefixSteps)
    }
    unsafe engine.model = model.engine
    return unsafe Strengthened.with(strengthened, into: &engine) { engine in
      unsafe lab_begin(&engine)
      let begin = cfolio_clock_ns()
      var end = LAB_LIMIT
      // Executions between two looks at the clock: about 10 ms, however long they are.
      var slice = 64
      while end == LAB_LIMIT {
        let before = Self.statistics(begin)
        let now = min(slice, executions.map { $0 - before.executions } ?? slice)
        guard now > 0 else { break }
        end = lab_explore(UInt64(now))
        let statistics = Self.statistics(begin)
        let elapsed = statistics.seconds - before.seconds
        if elapsed < 0.005 { slice = min(slice * 2, 4096) }
        if elapsed > 0.02 { slice = max(slice / 2, 1) }
        if let seconds, statistics.seconds >= seconds { break }
        if !progress(statistics) { break }
      }
      let statistics = Self.statistics(begin)
      let finding = Self.finding()
      let unreached = scenario.obligations.indices.filter { !settings.obligations.isReached($0) }
        .map { scenario.obligations[$0] }
      return ExplorationResult(
        scenario: scenario.name, search: search, model: model, seed: seed, statistics: statistics,
        verdict: Self.verdict(search, statistics, isComplete: end == LAB_DONE, finding != nil),
        finding: finding, shard: shard, unreached: unreached, isComplete: end == LAB_DONE,
        draws: Self.draws(search, statistics))
    }
  }

  /// Runs one execution by its choices: the thread of each step. Where a choice cannot be followed,
  /// and behind the last, the lowest thread that can goes on.
  public func replay(
    _ choices: [UInt8], model: MemoryModel = .sc, values: [UInt8]? = nil
  ) -> (trace: Trace, finding: Finding?) {
    unsafe choices.withUnsafeBufferPointer { buffer in
      var engine = unsafe lab_search()
      unsafe engine.strategy = LAB_REPLAY
      unsafe engine.model = model.engine
      unsafe engine.choices = buffer.baseAddress
      unsafe engine.choices_count = UInt32(buffer.count)
      unsafe (values ?? []).withUnsafeBufferPointer { values in
        unsafe engine.values = values.isEmpty ? nil : values.baseAddress
        unsafe engine.values_count = UInt32(values.count)
        unsafe lab_begin(&engine)
        _ = lab_explore(1)
      }
    }
    return (Trace.last(), Self.finding())
  }

  /// The last execution, whatever came of it.
  public var lastTrace: Trace { Trace.last() }

  private static func statistics(_ begin: Int64) -> ExplorationStatistics {
    let now = unsafe lab_statistics().pointee
    return ExplorationStatistics(
      executions: Int(now.executions), complete: Int(now.complete), blocked: Int(now.blocked),
      cut: Int(now.cut), states: Int(now.states), dropped: Int(now.dropped),
      unfair: Int(now.unfair), steps: Int(now.steps),
      longest: Int(now.longest), seconds: Double(cfolio_clock_ns() - begin) / 1e9,
      share: lab_estimate(), pairs: Int(lab_pairs_count()))
  }

  static func text<T>(_ tuple: T) -> String {
    unsafe withUnsafeBytes(of: tuple) {
      unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  static func invariantOfLast() -> String? {
    guard let finding = unsafe lab_finding() else { return nil }
    return unsafe text(finding.pointee.invariant)
  }

  static func finding() -> Finding? {
    guard let finding = unsafe lab_finding() else { return nil }
    let thread = unsafe Int(finding.pointee.thread)
    return unsafe Finding(
      invariant: text(finding.pointee.invariant), message: text(finding.pointee.message),
      trace: Trace.last(), thread: thread < Int(LAB_LANES) ? thread : nil)
  }

  private static func verdict(
    _ search: Search, _ statistics: ExplorationStatistics, isComplete: Bool, _ failed: Bool
  ) -> Verdict {
    if failed { return .failed }
    let isAll = isComplete && statistics.dropped == 0 && statistics.unfair == 0
    switch search {
    case .classes where isAll, .states where isAll: return .exhaustive
    case .schedules(let bound) where isAll: return bound.map { .bounded($0) } ?? .exhaustive
    default:
      return .sampled(probability: Verdict.upperBound(draws: draws(search, statistics)))
    }
  }

  private static func draws(_ search: Search, _ statistics: ExplorationStatistics) -> Int {
    search.isSystematic ? 0 : statistics.complete
  }
}
