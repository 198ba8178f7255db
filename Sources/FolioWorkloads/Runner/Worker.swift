// SPDX-License-Identifier: MIT

// What one thread of a run has: its number, its random source, its count of operations and the
// word that tells it to stop. The threads themselves are made in ThreadRunner.swift.

import Synchronization

/// A word that tells every thread of a run to come to its end. Set once.
package final class StopFlag: Sendable {
  private let word = Atomic<Bool>(false)

  package init() {}

  /// ACQ-LD.
  package var isSet: Bool { word.load(ordering: .acquiring) }

  /// REL-ST. Any thread.
  package func set() { word.store(true, ordering: .releasing) }
}

/// A counter that threads share, for bookkeeping of a scenario. Never part of what is tested, but
/// for the places that say so.
package final class SharedCount: Sendable {
  private let word: Atomic<Int>

  package init(_ value: Int = 0) { word = Atomic(value) }

  /// ACQ-LD.
  package var value: Int { word.load(ordering: .acquiring) }

  /// REL-ST.
  package func set(_ value: Int) { word.store(value, ordering: .releasing) }

  /// Acquire and release; returns the new value.
  @discardableResult
  package func add(_ amount: Int = 1) -> Int {
    word.add(amount, ordering: .acquiringAndReleasing).newValue
  }

  /// Acquire and release: old to new, or false when the value is another.
  package func exchange(_ old: Int, for new: Int) -> Bool {
    word.compareExchange(
      expected: old, desired: new, successOrdering: .acquiringAndReleasing,
      failureOrdering: .acquiring
    ).exchanged
  }

  /// As a lock, which is free at 0: acquire and release; false: somebody has it.
  package func tryLock() -> Bool { exchange(0, for: 1) }

  /// REL-ST. Context: the lock.
  package func unlock() { set(0) }

  /// Acquire and release: takes one away unless the value is 0.
  package func takeOne() -> Bool {
    var seen = value
    while seen > 0 {
      if exchange(seen, for: seen - 1) { return true }
      seen = value
    }
    return false
  }
}

/// What the thread that runs the others sees of one thread.
@safe
final class WorkerRecord: @unchecked Sendable {
  // @unchecked: `covered` is written before `isDone` is set (REL-ST) and read after it was seen.
  let operations = Atomic<Int>(0)
  let isDone = Atomic<Bool>(false)
  /// What the thread counted by `Worker.cover`.
  var covered: [Int] = []
  /// A step that may block, as pointer and length of a static string; 0: none.
  private let stepText = Atomic<UInt>(0)
  private let stepLength = Atomic<Int>(0)
  private let stepFrame = Atomic<UInt>(UInt.max)

  func enter(_ step: StaticString, _ frame: UInt?) {
    stepFrame.store(frame ?? UInt.max, ordering: .relaxed)
    stepLength.store(step.utf8CodeUnitCount, ordering: .relaxed)
    stepText.store(UInt(bitPattern: unsafe step.utf8Start), ordering: .releasing)
  }

  /// The step that the thread is in and its frame. A snapshot.
  var step: (text: String, frame: UInt?) {
    let address = stepText.load(ordering: .acquiring)
    let length = stepLength.load(ordering: .relaxed)
    let frame = stepFrame.load(ordering: .relaxed)
    guard let start = unsafe UnsafePointer<UInt8>(bitPattern: address), length > 0 else {
      return ("no step that blocks", nil)
    }
    let text = unsafe String(
      decoding: UnsafeBufferPointer(start: start, count: length), as: UTF8.self)
    return (text, frame == UInt.max ? nil : frame)
  }
}

/// One thread of a run, as the scenario's body sees it.
package struct Worker: ~Copyable {
  /// 0, 1, ...; helpers of the scenario come after the threads that the user asked for.
  package let index: Int
  /// The thread's own source; a function of the run's seed and `index`.
  package var random: SeededRandom
  private let record: WorkerRecord
  private let lastTurn: StopFlag
  private let stop: StopFlag
  /// Operations done so far.
  package private(set) var operations = 0
  private(set) var covered = Array(repeating: 0, count: 8)

  init(
    index: Int, seed: UInt64, record: WorkerRecord, lastTurn: StopFlag, stop: StopFlag
  ) {
    self.index = index
    var spread = SplitMix64(seed: seed)
    var own = spread.next()
    for _ in 0..<index { own = spread.next() }
    random = SeededRandom(seed: own)
    self.record = record
    self.lastTurn = lastTurn
    self.stop = stop
  }

  /// False once the run's time is over: for a thread that has finished no operation yet, later.
  package var isRunning: Bool { !stop.isSet && (operations == 0 || !lastTurn.isSet) }

  /// Counts operations of the library that this thread has finished.
  package mutating func did(_ count: Int = 1) {
    operations += count
    record.operations.store(operations, ordering: .relaxed)
  }

  /// Counts one of the things that the round says must happen; its number in `coverage`.
  package mutating func cover<Item: RawRepresentable>(_ item: Item) where Item.RawValue == Int {
    covered[item.rawValue] += 1
  }

  /// Says what a step that may block is about, for the report should it never end.
  package func enter(_ step: StaticString, frame: UInt? = nil) {
    record.enter(step, frame)
  }

  /// A number in `0..<count`.
  package mutating func pick(_ count: Int) -> Int { random.number(in: 0...(count - 1)) }
}
