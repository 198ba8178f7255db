// SPDX-License-Identifier: MIT

// What depended on what in one execution: which step gave a load its value, which pairs of steps raced,
// and what the failure can have been influenced by.

/// The dependences of an execution.
///
/// Two steps depend on each other when one thread takes both, when they touch the same bytes and one of
/// them writes, when one lets the other go on (wake, end of a read section, deferred call), and when
/// one begins a read section and the other a grace period. What precedes what is the closure of
/// that.
struct Causality {
  /// Pairs of steps of different threads, the earlier first, of which the other order was possible
  /// and would have been another execution: they conflict, and nothing between them orders them.
  private(set) var races: [(earlier: Int, later: Int)] = []
  /// The step whose value each step saw; nil: it reads nothing, or what was there at the beginning.
  private(set) var readsFrom: [Int?]
  /// By step: it can have influenced the failure.
  private(set) var past: [Bool]
  /// By step: it is in a race within that past, or the failure follows it.
  private(set) var matters: [Bool]
  /// The step that the failure was found behind; nil: at the end, or of no one step.
  let failing: Int?

  private typealias Clock = [Int]
  private var clocks: [Clock] = []

  init(_ witness: Witness) {
    let steps = witness.steps
    readsFrom = Array(repeating: nil, count: steps.count)
    past = Array(repeating: true, count: steps.count)
    matters = Array(repeating: false, count: steps.count)
    failing = Self.failing(witness.finding)
    var order = DependenceOrder()
    var last: [Int: Int] = [:]
    let lanes = (witness.lanes.max() ?? 0) + 1
    for (index, step) in steps.enumerated() {
      var clock = last[step.thread].map { clocks[$0] } ?? Clock(repeating: 0, count: lanes)
      // A store that leaves its buffer comes behind its thread.
      if let before = step.owner.flatMap({ last[$0] }) { Self.join(&clock, clocks[before]) }
      let dependences = order.dependences(of: index, steps)
      for earlier in dependences.synchronizes { Self.join(&clock, clocks[earlier]) }
      // Newest first: what a newer one already orders is no race of its own.
      for earlier in dependences.conflicts.sorted(by: >)
      where clock[steps[earlier].thread] <= earlier {
        races.append((earlier, index))
        Self.join(&clock, clocks[earlier])
      }
      clock[step.thread] = index + 1
      clocks.append(clock)
      last[step.thread] = index
      readsFrom[index] =
        step.source ?? order.source(of: index, steps, isStrict: witness.isSequential)
      order.add(index, steps)
    }
    if let failing {
      for index in steps.indices { past[index] = clocks[failing][steps[index].thread] > index }
      matters[failing] = true
    }
    for race in races where past[race.earlier] && past[race.later] {
      matters[race.earlier] = true
      matters[race.later] = true
    }
  }

  private static func join(_ clock: inout Clock, _ other: Clock) {
    for lane in clock.indices { clock[lane] = max(clock[lane], other[lane]) }
  }

  /// The last step of the thread that failed. What several threads have part in, or what happened
  /// to memory between steps (a free), has no such step, and everything is its past.
  private static func failing(_ finding: Finding) -> Int? {
    let shared = ["DEADLOCK", "LIVELOCK", "STARVATION", "LEAK", "USE-AFTER-FREE", "DOUBLE-FREE"]
    guard let thread = finding.thread, !shared.contains(finding.invariant) else { return nil }
    return finding.trace.steps.lastIndex { $0.thread == thread }
  }
}

/// What is needed of the steps so far to tell what the next one depends on.
private struct DependenceOrder {
  private struct Cell {
    var writers: [Int] = []
    /// By thread, the last since the last write.
    var readers: [Int: Int] = [:]
  }

  /// By cell and half.
  private var halves: [Int: Cell] = [:]
  /// Sleepers and wakers by cell: thread to step.
  private var queues: [Int: [Int: Int]] = [:]
  private var wakes: [Int: Int] = [:]
  /// By thread: where its last read section began, if it is in one, and its unlocks.
  private var sectionBegins: [Int: Int] = [:]
  private var isInSection: [Int: Bool] = [:]
  private var unlocks: [Int: [Int]] = [:]
  /// By thread, the last beginning of a grace period.
  private var graces: [Int: Int] = [:]
  private var deferred: [Int] = []
  private var run: [Int] = []

  private func cells(_ step: TraceStep) -> [Int] {
    guard step.touchesWord, let cell = step.cell else { return [] }
    return (0...1).filter { step.halves >> UInt8($0) & 1 == 1 }.map { 2 * cell + $0 }
  }

  private func beginsSection(_ step: TraceStep) -> Bool {
    step.inSection && isInSection[step.thread] != true && step.kind != .readUnlock
  }

  /// Steps that the execution had in front of `index`: those whose order with it was open, and those
  /// that it had to come behind.
  func dependences(
    of index: Int, _ steps: [TraceStep]
  ) -> (conflicts: Set<Int>, synchronizes: Set<Int>) {
    let step = steps[index]
    var conflicts: Set<Int> = []
    var synchronizes: Set<Int> = []
    for half in cells(step) {
      guard let cell = halves[half] else { continue }
      if let writer = cell.writers.last { conflicts.insert(writer) }
      if step.writes { conflicts.formUnion(cell.readers.values) }
    }
    if beginsSection(step) { conflicts.formUnion(graces.values) }
    switch step.kind {
    case .sleep, .wake:
      if let cell = step.cell { conflicts.formUnion((queues[cell] ?? [:]).values) }
    case .resume:
      if let cell = step.cell, let wake = wakes[cell], step.after == 0 { synchronizes.insert(wake) }
    case .graceBegin, .deferCall:
      conflicts.formUnion(sectionBegins.values)
    case .graceEnd:
      if let begin = graces[step.thread] {
        synchronizes.formUnion(ended(before: index, by: begin, steps))
      }
    case .runDeferred:
      if run.count < deferred.count {
        let begin = deferred[run.count]
        synchronizes.insert(begin)
        synchronizes.formUnion(ended(before: index, by: begin, steps))
      }
    case .barrier:
      if let last = run.last { synchronizes.insert(last) }
    default:
      break
    }
    conflicts = conflicts.filter { steps[$0].thread != step.thread }
    return (conflicts, synchronizes)
  }

  /// The unlocks that a grace period has behind it: of captured sections the next one, else the last
  /// one before it began.
  private func ended(before end: Int, by begin: Int, _ steps: [TraceStep]) -> [Int] {
    unlocks.compactMap { thread, unlocks in
      let isCaptured = steps[begin].after >> Int64(thread) & 1 == 1
      return isCaptured
        ? unlocks.first { $0 > begin && $0 < end } : unlocks.last { $0 < begin }
    }
  }

  /// The step whose value this one saw. Under strict consistency that is the last writer, or nobody
  /// when the word changed by what is no step; else the newest writer of the value that was seen.
  func source(of index: Int, _ steps: [TraceStep], isStrict: Bool) -> Int? {
    let step = steps[index]
    guard step.reads else { return nil }
    let writers = cells(step).compactMap { halves[$0]?.writers.last }
    guard let last = writers.max() else { return nil }
    if steps[last].wrote(step.read, to: step) { return last }
    if isStrict { return nil }
    return cells(step).compactMap { halves[$0] }.flatMap(\.writers)
      .filter { steps[$0].wrote(step.read, to: step) }.max()
  }

  mutating func add(_ index: Int, _ steps: [TraceStep]) {
    let step = steps[index]
    if beginsSection(step) { sectionBegins[step.thread] = index }
    isInSection[step.thread] = step.inSection && step.kind != .readUnlock
    for half in cells(step) {
      if step.writes {
        halves[half, default: Cell()].writers.append(index)
        halves[half]!.readers = [:]
      } else {
        halves[half, default: Cell()].readers[step.thread] = index
      }
    }
    switch step.kind {
    case .sleep: if let cell = step.cell { queues[cell, default: [:]][step.thread] = index }
    case .wake:
      if let cell = step.cell {
        queues[cell, default: [:]][step.thread] = index
        wakes[cell] = index
      }
    case .graceBegin: graces[step.thread] = index
    case .deferCall:
      graces[step.thread] = index
      deferred.append(index)
    case .runDeferred: run.append(index)
    case .readUnlock: unlocks[step.thread, default: []].append(index)
    default: break
    }
  }
}

extension TraceStep {
  /// It accesses a word, and does not only wait or wake.
  var touchesWord: Bool {
    switch kind {
    case .load, .store, .change, .exchange, .lock, .tryLock, .unlock, .bitLock, .sleep: true
    case .flush: true
    case .resume, .wake, .graceBegin, .graceEnd, .readUnlock, .deferCall: false
    case .runDeferred, .barrier, .yield, .fence: false
    }
  }

  /// It writes a word, perhaps the value that was there.
  var writes: Bool {
    switch kind {
    case .store, .change, .exchange, .lock, .unlock, .bitLock, .flush: true
    case .tryLock: before != after
    default: false
    }
  }

  /// What it does depends on the value of a word.
  var reads: Bool { touchesWord && ![.store, .unlock, .flush].contains(kind) }

  /// This step's write left `value` in the bytes that `reader` looks at.
  func wrote(_ value: Int64, to reader: TraceStep) -> Bool {
    if halves == reader.halves { return after == value }
    let shared = halves & reader.halves
    func part(_ value: Int64, of word: UInt8) -> Int32 {
      Int32(truncatingIfNeeded: word == 3 && shared == 2 ? value >> 32 : value)
    }
    return part(after, of: halves) == part(value, of: reader.halves)
  }
}
