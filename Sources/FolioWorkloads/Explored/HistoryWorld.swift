// SPDX-License-Identifier: MIT

// A world whose threads record what they call on one object, so that each execution's history is held
// against a sequential one when it has ended.

/// Threads are closures that make their calls through the recorder, under their own number.
final class HistoryWorld<S: SequentialSpecification>: ScenarioWorld
where S.Operation: BitwiseCopyable & CustomStringConvertible {
  typealias Recorder = HistoryRecorder<S>

  let threads: [ScenarioThread]
  let hasOnlyWords: Bool
  private let recorder: Recorder
  private var bodies: [(Recorder, Int) -> Void]
  private var end: () -> Void
  private var undo: () -> Void

  /// - Parameters:
  ///   - hasOnlyWords: as the protocol says, of what the closures use.
  ///   - conclude: after each execution, behind the look at its history.
  ///   - tearDown: gives memory back.
  init(
    _ specification: S, hasOnlyWords: Bool,
    _ threads: [(name: String, body: (Recorder, Int) -> Void)],
    conclude: @escaping () -> Void = {}, tearDown: @escaping () -> Void
  ) throws(ScenarioMemoryError) {
    self.hasOnlyWords = hasOnlyWords
    // Each has a word of its own in the history: no two of them run over the same words.
    self.threads = threads.enumerated().map { ScenarioThread($1.name, group: $0 + 1) }
    recorder = try Recorder(specification, threads: threads.count)
    bodies = threads.map(\.body)
    end = conclude
    undo = tearDown
  }

  func prepare() { recorder.prepare() }

  func run(_ thread: Int) {
    let body = bodies[thread]
    body(recorder, thread)
  }

  func conclude() {
    recorder.conclude()
    end()
  }

  func tearDown() {
    undo()
    recorder.free()
    (bodies, end, undo) = ([], {}, {})
  }
}
