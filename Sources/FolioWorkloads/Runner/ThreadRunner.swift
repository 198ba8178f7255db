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
  /// Threads that never came back: what they use must be kept for ever.
  package let stuck: [Stuck]
  /// Nanoseconds from the start of the threads to the end of the last.
  package let nanoseconds: Int64
}

/// Why a run did not begin.
package struct ThreadRefused: Error {}

/// Threads with a common beginning and end.
package struct ThreadRunner: Sendable {
  /// Threads to run.
  package let threads: Int
  package let seed: UInt64
  /// How long the threads run before they are told to stop.
  package let nanoseconds: Int64
  /// How long they may take to come back after that.
  package let patience: Int64

  package init(
    threads: Int, seed: UInt64, nanoseconds: Int64, patience: Int64 = 30_000_000_000
  ) {
    self.threads = threads
    self.seed = seed
    self.nanoseconds = nanoseconds
    self.patience = patience
  }

  /// Runs `body` once on each thread and waits for the end. `interrupted` ends the run early.
  ///
  /// - Throws: `ThreadRefused` when the system has no more threads; those already made end first.
  package func run(
    interrupted: StopFlag, _ body: @escaping @Sendable (inout Worker) -> Void
  ) throws(ThreadRefused) -> RunOutcome {
    let gate = Gate(body: body)
    let records = (0..<threads).map { _ in WorkerRecord() }
    var handles: [pthread_t] = []
    for index in 0..<threads {
      let start = ThreadStart(index: index, seed: seed, record: records[index], gate: gate)
      var handle = pthread_t()
      let context = unsafe Unmanaged.passRetained(start)
      let result = unsafe pthread_create(
        &handle, nil,
        { context in
          let start = unsafe Unmanaged<ThreadStart>.fromOpaque(context!).takeRetainedValue()
          start.run()
          return nil
        }, context.toOpaque())
      guard result == 0 else {
        unsafe context.release()
        gate.stop.set()
        gate.open.store(true, ordering: .releasing)
        for handle in handles { pthread_join(handle, nil) }
        throw ThreadRefused()
      }
      handles.append(handle)
    }
    while gate.arrived.load(ordering: .acquiring) < threads { cfolio_yield() }
    let begin = cfolio_clock_ns()
    gate.open.store(true, ordering: .releasing)
    sleep(until: begin + nanoseconds) { interrupted.isSet || Self.allDone(records) }
    gate.stop.set()
    sleep(until: cfolio_clock_ns() + patience) { Self.allDone(records) }
    let end = cfolio_clock_ns()

    let stuck = records.indices.filter { !records[$0].isDone.load(ordering: .acquiring) }
    for index in handles.indices where !stuck.contains(index) {
      pthread_join(handles[index], nil)
    }
    return RunOutcome(
      operations: records.map { $0.operations.load(ordering: .relaxed) },
      stuck: stuck.map { index in
        let step = records[index].step
        return .init(thread: index, step: step.text, frame: step.frame)
      },
      nanoseconds: end - begin)
  }

  private static func allDone(_ records: [WorkerRecord]) -> Bool {
    records.allSatisfy { $0.isDone.load(ordering: .acquiring) }
  }

  /// Polls: the run ends by the clock or by an event of another thread, whichever comes first.
  private func sleep(until deadline: Int64, unless ended: () -> Bool) {
    while !ended() {
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
    while !gate.open.load(ordering: .acquiring) { cfolio_yield() }
    var worker = Worker(index: index, seed: seed, record: record, stop: gate.stop)
    gate.body(&worker)
    record.isDone.store(true, ordering: .releasing)
  }
}
