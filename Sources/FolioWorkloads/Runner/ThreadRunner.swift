// SPDX-License-Identifier: MIT

// Runs a body on native threads: start barrier, time limit, stop flag, one seeded source per
// thread, operations counted per thread. What the body does is a scenario's business
// (StressRound.swift).

import CFolio
import Glibc
import Synchronization

/// The end of a run.
package struct RunOutcome: Sendable {
  /// A thread that had not come back when patience ended.
  package struct Stuck: Sendable {
    package let thread: Int
    /// The step that it named last, and its frame.
    package let step: String
    package let frame: UInt?
  }

  /// Operations of each thread, helpers included.
  package let operations: [Int]
  /// Sums of what `Worker.cover` counted, of the threads that came back.
  package let covered: [Int]
  /// Threads that never came back: what they use must be kept for ever.
  package let stuck: [Stuck]
  /// Nanoseconds from the start of the threads to the end of the last.
  package let nanoseconds: Int64
}

/// Why a run did not begin: the system has no more threads. No thread has run the body.
package struct ThreadRefused: Error, Hashable, CustomStringConvertible {
  /// Threads that were wanted and that could be made.
  package let wanted: Int
  package let made: Int
  /// errno.
  package let code: Int32

  package var description: String {
    "the system gave \(made) of \(wanted) threads: \(unsafe String(cString: strerror(code)))"
  }
}

/// Threads with a common beginning and end.
package struct ThreadRunner: Sendable {
  /// Threads to run.
  package let threads: Int
  package let seed: UInt64
  /// How long the threads run before they are told to stop.
  package let nanoseconds: Int64
  /// How long the threads may then take that have not finished their first operation: with more
  /// threads than processors some may not even have begun. The others come to their end meanwhile.
  package let turnPatience: Int64
  /// How long they may take to come back after that.
  package let patience: Int64
  /// Bytes of stack that a thread asks for; nil: what the system gives.
  package let stackBytes: @Sendable (_ thread: Int) -> Int?

  package init(
    threads: Int, seed: UInt64, nanoseconds: Int64, turnPatience: Int64 = 30_000_000_000,
    patience: Int64 = 30_000_000_000,
    stackBytes: @escaping @Sendable (_ thread: Int) -> Int? = { _ in nil }
  ) {
    self.stackBytes = stackBytes
    self.turnPatience = turnPatience
    self.threads = threads
    self.seed = seed
    self.nanoseconds = nanoseconds
    self.patience = patience
  }

  /// Runs `body` once on each thread and waits for the end. `interrupted` ends the run early;
  /// `poll` is called about every millisecond meanwhile, by the caller's thread.
  ///
  /// - Throws: `ThreadRefused` when the system has no more threads; those already made end first,
  ///   without having run `body`.
  package func run(
    interrupted: StopFlag, poll: () -> Void = {},
    _ body: @escaping @Sendable (inout Worker) -> Void
  ) throws(ThreadRefused) -> RunOutcome {
    let gate = Gate(body: body)
    let records = (0..<threads).map { _ in WorkerRecord() }
    var handles: [pthread_t] = []
    for index in 0..<threads {
      let start = ThreadStart(index: index, seed: seed, record: records[index], gate: gate)
      var handle = pthread_t()
      let context = unsafe Unmanaged.passRetained(start)
      var attributes = pthread_attr_t()
      unsafe pthread_attr_init(&attributes)
      defer { unsafe pthread_attr_destroy(&attributes) }
      if let bytes = stackBytes(index) { unsafe pthread_attr_setstacksize(&attributes, bytes) }
      let result = unsafe pthread_create(
        &handle, &attributes,
        { context in
          let start = unsafe Unmanaged<ThreadStart>.fromOpaque(context!).takeRetainedValue()
          start.run()
          return nil
        }, context.toOpaque())
      guard result == 0 else {
        unsafe context.release()
        gate.isCancelled.set()
        gate.open.store(true, ordering: .releasing)
        for handle in handles { pthread_join(handle, nil) }
        throw ThreadRefused(wanted: threads, made: handles.count, code: result)
      }
      handles.append(handle)
    }
    while gate.arrived.load(ordering: .acquiring) < threads { cfolio_yield() }
    let begin = cfolio_clock_ns()
    gate.open.store(true, ordering: .releasing)
    sleep(until: begin + nanoseconds, poll) { interrupted.isSet || Self.allDone(records) }
    gate.lastTurn.set()
    sleep(until: cfolio_clock_ns() + turnPatience, poll) {
      interrupted.isSet || Self.allHadTheirTurn(records)
    }
    gate.stop.set()
    sleep(until: cfolio_clock_ns() + patience, poll) { Self.allDone(records) }
    let end = cfolio_clock_ns()

    let stuck = records.indices.filter { !records[$0].isDone.load(ordering: .acquiring) }
    for index in handles.indices where !stuck.contains(index) {
      pthread_join(handles[index], nil)
    }
    return RunOutcome(
      operations: records.map { $0.operations.load(ordering: .relaxed) },
      covered: Self.sum(of: records.indices.filter { !stuck.contains($0) }.map { records[$0] }),
      stuck: stuck.map { index in
        let step = records[index].step
        return .init(thread: index, step: step.text, frame: step.frame)
      },
      nanoseconds: end - begin)
  }

  private static func allDone(_ records: [WorkerRecord]) -> Bool {
    records.allSatisfy { $0.isDone.load(ordering: .acquiring) }
  }

  private static func allHadTheirTurn(_ records: [WorkerRecord]) -> Bool {
    records.allSatisfy {
      $0.operations.load(ordering: .relaxed) > 0 || $0.isDone.load(ordering: .acquiring)
    }
  }

  private static func sum(of records: [WorkerRecord]) -> [Int] {
    records.reduce(into: []) { sum, record in
      sum += Array(repeating: 0, count: max(0, record.covered.count - sum.count))
      for (index, count) in record.covered.enumerated() { sum[index] += count }
    }
  }

  /// Polls: the run ends by the clock or by an event of another thread, whichever comes first.
  private func sleep(until deadline: Int64, _ poll: () -> Void, unless ended: () -> Bool) {
    while !ended() {
      poll()
      let left = deadline - cfolio_clock_ns()
      guard left > 0 else { return }
      cfolio_sleep_ns(min(left, 1_000_000))
    }
  }
}

/// Where threads wait for each other before they begin.
private final class Gate: Sendable {
  let arrived = Atomic<Int>(0)
  let open = Atomic<Bool>(false)
  /// The run does not take place. Set before `open`.
  let isCancelled = StopFlag()
  /// Time is over for those who have had their turn; for all.
  let lastTurn = StopFlag()
  let stop = StopFlag()
  let body: @Sendable (inout Worker) -> Void

  init(body: @escaping @Sendable (inout Worker) -> Void) { self.body = body }
}

/// One thread before it runs.
private final class ThreadStart: Sendable {
  let index: Int
  let seed: UInt64
  let record: WorkerRecord
  let gate: Gate

  init(index: Int, seed: UInt64, record: WorkerRecord, gate: Gate) {
    self.index = index
    self.seed = seed
    self.record = record
    self.gate = gate
  }

  func run() {
    _ = gate.arrived.add(1, ordering: .acquiringAndReleasing)
    var turns = 0
    while !gate.open.load(ordering: .acquiring) {
      // Hundreds of threads that only yield would keep the last ones from being made.
      if turns < 64 { cfolio_yield() } else { cfolio_sleep_ns(50_000) }
      turns += 1
    }
    defer { record.isDone.store(true, ordering: .releasing) }
    guard !gate.isCancelled.isSet else { return }
    var worker = Worker(
      index: index, seed: seed, record: record, lastTurn: gate.lastTurn, stop: gate.stop)
    gate.body(&worker)
    record.covered = worker.covered
  }
}
