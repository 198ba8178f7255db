// SPDX-License-Identifier: MIT

// Records the history of one execution of a scenario. That one call returned before another was made has to
// be a fact of the execution that a search of classes sees, not an accident of the schedule that it
// picked for a class. So it is communicated, by words of the seam: behind each call its thread stores
// how many it has finished (REL-ST), in front of each call it loads the others' numbers (ACQ-LD).
// What was seen there did come before, in every memory model; and every order of calls is seen in
// some execution.

import CFolio

/// The calls of a few threads on one object, of one execution at a time.
///
/// `record` from the thread that it names, the rest between executions.
@safe
public final class HistoryRecorder<S: SequentialSpecification>: @unchecked Sendable
where S.Operation: BitwiseCopyable & CustomStringConvertible {
  // @unchecked: a thread writes its own calls; they are read when all have ended.
  private struct Call {
    var operation: S.Operation
    /// Eight bits per thread: so many of its calls had returned.
    var seen: UInt64
  }

  private let specification: S
  private let threads: Int
  private let calls: UnsafeMutablePointer<Call>
  private let counts: UnsafeMutablePointer<Int>
  private let finished: [SharedWord]
  /// Histories that were explained: most executions repeat one.
  private var explained: Set<History<S.Operation>> = []
  private static var callsPerThread: Int { 16 }

  /// - Parameter threads: at most 8.
  public init(_ specification: S, threads: Int) throws(ScenarioMemoryError) {
    precondition(1...8 ~= threads, "a history has at most 8 threads")
    self.specification = specification
    self.threads = threads
    unsafe calls = .allocate(capacity: threads * Self.callsPerThread)
    unsafe counts = .allocate(capacity: threads)
    unsafe counts.initialize(repeating: 0, count: threads)
    var words: [SharedWord] = []
    for _ in 0..<threads { words.append(try SharedWord("finished calls")) }
    finished = words
  }

  /// Before each execution.
  public func prepare() {
    for thread in 0..<threads { unsafe counts[thread] = 0 }
  }

  /// Makes a call, whose answer is part of what `body` returns.
  ///
  /// - Parameter noting: what its answer says of the execution; at once.
  public func record(
    _ thread: Int, noting: (S.Operation) -> Void = { _ in }, _ body: () -> S.Operation
  ) {
    let seen = look(thread)
    let operation = body()
    noting(operation)
    unsafe add(thread, Call(operation: operation, seen: seen))
    finished[thread].storeRelease(Int32(unsafe counts[thread]))
  }

  /// Makes one call that answers several questions, each of some moment between call and return.
  public func recordAll<C: Collection>(_ thread: Int, _ body: () -> C)
  where C.Element == S.Operation {
    let seen = look(thread)
    for operation in body() { unsafe add(thread, Call(operation: operation, seen: seen)) }
    finished[thread].storeRelease(Int32(unsafe counts[thread]))
  }

  private func look(_ thread: Int) -> UInt64 {
    var seen = UInt64(unsafe counts[thread]) << UInt64(8 * thread)
    for other in 0..<threads where other != thread {
      seen |= UInt64(finished[other].loadAcquire()) << UInt64(8 * other)
    }
    return seen
  }

  @unsafe
  private func add(_ thread: Int, _ call: Call) {
    let count = unsafe counts[thread]
    precondition(count < Self.callsPerThread, "more calls than a history keeps per thread")
    unsafe (calls + thread * Self.callsPerThread + count).initialize(to: call)
    unsafe counts[thread] = count + 1
  }

  /// What was called so far.
  public var history: History<S.Operation> {
    var first: [Int] = []
    var total = 0
    for thread in 0..<threads {
      first.append(total)
      total += unsafe counts[thread]
    }
    var events: [HistoryEvent<S.Operation>] = []
    for thread in 0..<threads {
      for index in 0..<(unsafe counts[thread]) {
        let call = unsafe calls[thread * Self.callsPerThread + index]
        var before: UInt64 = 0
        for other in 0..<threads {
          let count = call.seen >> UInt64(8 * other) & 0xff
          before |= ((1 << count) - 1) << UInt64(first[other])
        }
        events.append(HistoryEvent(thread: thread, operation: call.operation, before: before))
      }
    }
    return History(events)
  }

  /// After each execution: reports a history that no sequential object explains.
  public func conclude() {
    let history = history
    if explained.contains(history) { return }
    if history.linearization(specification) != nil {
      explained.insert(history)
    } else {
      unsafe cfolio_violation_text("LINEARIZABILITY", UInt.max, "no order explains \(history)")
    }
  }

  /// Gives the memory back. Context: the world is torn down.
  public func free() {
    for word in finished { word.free() }
    unsafe calls.deallocate()
    unsafe counts.deallocate()
  }
}
