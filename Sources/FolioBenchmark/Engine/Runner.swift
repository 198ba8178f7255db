// SPDX-License-Identifier: MIT

// Times a trial: all sides in one process, in rounds. In each round every side runs one batch, in an
// order shuffled anew, so that whatever else the machine does meets them all alike. A batch is a
// row of slices that are timed one by one; a slice is long enough for the clock not to show.

internal import BenchmarkPeers

/// How long to measure.
package struct Timing: Sendable {
  /// Rounds that count, at least; one more is run before them and forgotten.
  package var rounds: Int
  /// Then rounds go on until no ratio is less certain than this part of it
  /// (`Statistics.uncertaintyOfRatio`): a machine that was disturbed for a while gets more of them.
  package var uncertainty: Double
  /// Nanoseconds of a batch, at least.
  package var batch: Int64
  /// Nanoseconds of a slice, at least.
  package var slice: Int64
  /// Rounds stop when a configuration has taken so many nanoseconds, but never below 8.
  package var limit: Int64

  package static let full = Timing(
    rounds: 48, uncertainty: 0.02, batch: 3_000_000, slice: 100_000, limit: 1_600_000_000)
  package static let quick = Timing(
    rounds: 16, uncertainty: 0.05, batch: 1_000_000, slice: 40_000, limit: 500_000_000)

  package init(
    rounds: Int, uncertainty: Double = .infinity, batch: Int64, slice: Int64, limit: Int64
  ) {
    self.rounds = rounds
    self.uncertainty = uncertainty
    self.batch = batch
    self.slice = slice
    self.limit = limit
  }

  static let minimumRounds = 8
}

/// Measures trials on a set of pinned workers.
final class Runner {
  let workers: Workers
  let timing: Timing
  private var generator: SeededGenerator

  init(workers: Workers, timing: Timing, seed: UInt64) {
    self.workers = workers
    self.timing = timing
    generator = SeededGenerator(seed: seed)
  }

  /// One side while it is being measured.
  private final class Contestant {
    let side: Side
    let loop: Loop
    var sliceIterations: Int
    var slices = 1
    var histogram = CostHistogram()
    var perRound: [Double] = []
    var timedIterations = 0
    var progress: IterationCounts
    /// Iterations that did what they should, all threads.
    var succeeded = 0

    init(side: Side, loop: Loop, threads: Int) {
      self.side = side
      self.loop = loop
      sliceIterations = side.granularity
      progress = IterationCounts(iterations: Array(repeating: 0, count: threads))
    }
  }

  /// What one thread brought back from a batch. Written by that thread alone.
  private final class Record: @unchecked Sendable {
    var sliceTimes: [Int64] = []
    var iterations = 0
    var succeeded = 0
  }

  /// Measures the trial. nil: interrupted before the first round was complete.
  func measure(_ operation: BenchmarkOperation, _ trial: Trial, _ configuration: Configuration)
    -> Measurement?
  {
    var verifier = Verifier()
    trial.witness(&verifier)
    var contestants: [Contestant] = []
    for side in trial.sides {
      if case .success(let loop) = side.loop {
        let contestant = Contestant(side: side, loop: loop, threads: configuration.threads)
        calibrate(contestant, trial, configuration, &verifier)
        contestants.append(contestant)
      }
    }
    let rounds = runRounds(contestants, trial, configuration, &verifier)
    trial.close(&verifier)
    guard rounds > 0 else { return nil }
    return Measurement(
      operation: operation.name, threads: configuration.threads, pages: trial.pages,
      state: configuration.state, unit: "ns/op", rounds: rounds, isScaled: operation.isScaled,
      sides: trial.sides.map { side in
        Self.summary(of: side, contestants.first { $0.side.name == side.name })
      },
      verifier: verifier)
  }

  private static func summary(of side: Side, _ contestant: Contestant?) -> SideMeasurement {
    guard let contestant else {
      var reason: String?
      if case .failure(let refusal) = side.loop { reason = refusal.description }
      return SideMeasurement(
        name: side.name, median: 0, p99: 0, p5: 0, p95: 0, perRound: [], iterations: 0,
        refused: reason)
    }
    return SideMeasurement(
      name: side.name, median: contestant.histogram.percentile(50),
      p99: contestant.histogram.percentile(99), p5: contestant.histogram.percentile(5),
      p95: contestant.histogram.percentile(95), perRound: contestant.perRound,
      iterations: contestant.timedIterations)
  }

  private func runRounds(
    _ contestants: [Contestant], _ trial: Trial, _ configuration: Configuration,
    _ verifier: inout Verifier
  ) -> Int {
    let start = harness_clock_ns()
    for contestant in contestants.shuffled(using: &generator) {
      _ = runBatch(contestant, trial, configuration, counts: false, &verifier)
    }
    var done = 0
    while !harness_interrupted() && (done < timing.rounds || !isCertain(contestants)) {
      if done >= Timing.minimumRounds && harness_clock_ns() - start > timing.limit { break }
      for contestant in contestants.shuffled(using: &generator) {
        contestant.perRound.append(
          runBatch(contestant, trial, configuration, counts: true, &verifier))
      }
      done += 1
      // A broken counter does not get better; the rest of the time is better spent elsewhere.
      if verifier.failureCount > 0 { break }
    }
    return done
  }

  /// Whether another round would add little.
  private func isCertain(_ contestants: [Contestant]) -> Bool {
    guard let ours = contestants.first?.perRound else { return true }
    return contestants.dropFirst().allSatisfy {
      Statistics.uncertaintyOfRatio(ours: ours, theirs: $0.perRound) <= timing.uncertainty
    }
  }

  /// Doubles the slice until it is long enough to be timed well.
  private func calibrate(
    _ contestant: Contestant, _ trial: Trial, _ configuration: Configuration,
    _ verifier: inout Verifier
  ) {
    let granularity = contestant.side.granularity
    while true {
      let cost = runBatch(contestant, trial, configuration, counts: false, &verifier)
      let sliceTime = cost * Double(contestant.sliceIterations)
      if sliceTime >= Double(timing.slice) || verifier.failureCount > 0 || harness_interrupted() {
        let slices = (Double(timing.batch) / max(sliceTime, 1)).rounded(.up)
        contestant.slices = max(1, min(Int(slices), 1000))
        return
      }
      precondition(
        contestant.sliceIterations < 1 << 32,
        "\(contestant.side.name): the compiler removed the loop: \(cost) ns per operation")
      let growth = min(max(Double(timing.slice) * 1.2 / max(sliceTime, 1), 1.5), 16)
      let wanted = Double(contestant.sliceIterations) * growth
      contestant.sliceIterations = (Int(wanted) / granularity + 1) * granularity
    }
  }

  /// Runs one batch on every thread, compares the counters, returns nanoseconds per operation and
  /// thread.
  private func runBatch(
    _ contestant: Contestant, _ trial: Trial, _ configuration: Configuration, counts: Bool,
    _ verifier: inout Verifier
  ) -> Double {
    let records = runSlices(contestant, trial, configuration)
    var time: Int64 = 0
    var slices = 0
    for (thread, record) in records.enumerated() {
      contestant.progress.iterations[thread] += record.iterations
      contestant.succeeded += record.succeeded
      slices += record.sliceTimes.count
      for sliceTime in record.sliceTimes {
        time += sliceTime
        guard counts else { continue }
        contestant.histogram.record(
          nanosecondsPerOperation: Double(sliceTime) / Double(contestant.sliceIterations))
      }
    }
    let iterations = slices * contestant.sliceIterations
    if counts { contestant.timedIterations += iterations }
    verifier.expect(
      contestant.succeeded, contestant.progress.total,
      "\(contestant.side.name): operations that succeeded")
    contestant.side.verify(contestant.progress, &verifier)
    return Double(time) / Double(iterations)
  }

  private func runSlices(
    _ contestant: Contestant, _ trial: Trial, _ configuration: Configuration
  ) -> [Record] {
    let threads = configuration.threads
    let records = (0..<threads).map { _ in Record() }
    let (slices, count) = (contestant.slices, contestant.sliceIterations)
    let granularity = contestant.side.granularity
    let loop = contestant.loop
    let before = contestant.progress.iterations
    let keepsGoing = threads > 1 && !trial.isCoupled
    guard let ready = unsafe harness_word_create(), let finished = unsafe harness_word_create()
    else { fatalError("no memory for two words") }
    workers.run(
      Job(threads: threads) { thread in
        let record = records[thread]
        record.sliceTimes.reserveCapacity(slices)
        _ = unsafe harness_word_add(ready, 1)
        unsafe harness_word_spin(ready, Int32(threads))
        for _ in 0..<slices {
          let start = harness_clock_ns()
          let succeeded = loop.body(thread, before[thread] + record.iterations, count)
          record.sliceTimes.append(harness_clock_ns() - start)
          record.succeeded += succeeded
          record.iterations += count
        }
        guard keepsGoing else { return }
        // Nobody's slices may be timed alone: keep up the load until the last one is through.
        _ = unsafe harness_word_add(finished, 1)
        let extra = max(granularity, count / 16 / granularity * granularity)
        while unsafe harness_word_load(finished) < Int32(threads) {
          record.succeeded += loop.body(thread, before[thread] + record.iterations, extra)
          record.iterations += extra
        }
      })
    unsafe harness_word_destroy(ready)
    unsafe harness_word_destroy(finished)
    return records
  }
}
