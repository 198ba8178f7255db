// SPDX-License-Identifier: MIT

// Small scenarios with known answers, as a user would write them.

import CFolio
import FolioCore
import FolioLab
import FolioWorkloads
import Synchronization

/// A world made of closures over named words.
final class WordsWorld: ScenarioWorld {
  let threads: [ScenarioThread]
  let hasOnlyWords = true
  private let words: [SharedWord]
  private let bodies: [() -> Void]
  private let end: () -> Void
  private let undo: () -> Void

  init(
    _ words: [SharedWord], _ bodies: [() -> Void], groups: [Int]? = nil,
    undo: @escaping () -> Void = {}, end: @escaping () -> Void
  ) {
    self.undo = undo
    self.words = words
    self.bodies = bodies
    self.end = end
    threads = bodies.indices.map {
      ScenarioThread("thread \($0)", group: groups?[$0] ?? $0 + 1)
    }
  }

  func run(_ thread: Int) { bodies[thread]() }
  func conclude() { end() }
  func tearDown() {
    undo()
    for word in words { word.free() }
  }
}

enum TestScenario {
  static func fail(_ invariant: String, _ text: String) {
    unsafe cfolio_violation_text(invariant, 0, text)
  }

  /// Two threads add one each, by a load and a store.
  static let racyCounter = Scenario(
    "racy-counter", "two unprotected increments", rules: [.strict], obligations: ["both came"]
  ) { settings in
    let counter = try SharedWord("counter")
    let add = { counter.store(counter.load() + 1) }
    return WordsWorld([counter], [add, add], groups: [1, 1]) {
      settings.obligations.reach(0)
      if counter.load() != 2 { fail("LOST", "the counter is \(counter.load())") }
    }
  }

  /// The same with one atomic addition each, by 1...4 threads.
  static let counter = Scenario(
    "counter", "atomic increments", rules: [.strict], size: 2, sizes: 1...4,
    obligations: ["all came"]
  ) { settings in
    let counter = try SharedWord("counter")
    let bodies = (0..<settings.size).map { _ in { _ = counter.add(1) } }
    return WordsWorld([counter], bodies, groups: bodies.map { _ in 1 }) {
      settings.obligations.reach(0)
      if counter.load() != Int32(settings.size) { fail("LOST", "an addition is missing") }
    }
  }

  /// Store buffering: with one memory for all, one of the two sees the other.
  static let storeBuffer = Scenario(
    "store-buffer", "each stores, then looks at the other", rules: [.strict],
    obligations: ["first", "second", "both see"]
  ) { settings in
    let (x, y) = (try SharedWord("x"), try SharedWord("y"))
    let (a, b) = (try SharedWord("a"), try SharedWord("b"))
    return WordsWorld(
      [x, y, a, b],
      [
        {
          x.store(1)
          a.store(y.load())
        },
        {
          y.store(1)
          b.store(x.load())
        },
      ]
    ) {
      switch (a.load(), b.load()) {
      case (0, 1): settings.obligations.reach(0)
      case (1, 0): settings.obligations.reach(1)
      case (1, 1): settings.obligations.reach(2)
      default: fail("SB", "neither saw the other")
      }
    }
  }

  /// Two locks, taken in different orders.
  static let lockOrder = Scenario(
    "lock-order", "two mutexes in different orders", rules: [.strict],
    obligations: ["both were in"]
  ) { settings in
    let world = try LockWorld(settings.obligations)
    return world
  }

  /// When a world breaks in which nothing is wrong while its threads run.
  enum Break { case setUp, tearDown }

  /// How an execution does not end although its threads have.
  enum End: String, Codable { case waits, stops }

  static func endless(_ end: End) -> Scenario {
    Scenario("endless", "what concludes does not end", rules: [.strict], obligations: []) { _ in
      let x = try SharedWord("x")
      return WordsWorld([x], [{ x.store(1) }, { _ = x.load() }]) {
        switch end {
        case .waits: while x.load() == 1 {}
        case .stops: unsafe cfolio_bug_text("LATE", nil, "nobody catches it")
        }
      }
    }
  }

  static func broken(_ when: Break?) -> Scenario {
    Scenario("broken", "a report outside of executions", rules: [.strict], obligations: []) { _ in
      let x = try SharedWord("x")
      if when == .setUp { fail("EARLY", "no world") }
      return WordsWorld(
        [x], [{ x.store(1) }, { _ = x.load() }],
        undo: { if when == .tearDown { fail("LATE", "something is left") } }
      ) {}
    }
  }

  /// A search can reach nothing of what it should.
  static let vacuous = Scenario(
    "vacuous", "an obligation that nothing meets", rules: [.strict],
    obligations: ["the moon"]
  ) { _ in
    let x = try SharedWord("x")
    return WordsWorld([x], [{ x.store(1) }, { _ = x.load() }]) {}
  }
}

/// Two threads, two mutexes.
@safe
final class LockWorld: ScenarioWorld {
  let threads = [ScenarioThread("a", group: 1), ScenarioThread("b", group: 2)]
  let hasOnlyWords = true
  private let first: UnsafeMutablePointer<CFolio.mutex>
  private let second: UnsafeMutablePointer<CFolio.mutex>
  private let obligations: Obligations

  init(_ obligations: Obligations) throws {
    self.obligations = obligations
    func lock() throws -> UnsafeMutablePointer<CFolio.mutex> {
      guard let memory = unsafe cfolio_zalloc(64) else { throw ScenarioMemoryError() }
      let lock = unsafe memory.bindMemory(to: CFolio.mutex.self, capacity: 1)
      unsafe mutex_init(lock, nil)
      return unsafe lock
    }
    unsafe first = try lock()
    unsafe second = try lock()
  }

  func run(_ thread: Int) {
    let outer = unsafe thread == 0 ? first : second
    let inner = unsafe thread == 0 ? second : first
    unsafe mutex_lock(outer)
    unsafe mutex_lock(inner)
    obligations.reach(0)
    unsafe mutex_unlock(inner)
    unsafe mutex_unlock(outer)
  }

  func tearDown() {
    unsafe cfolio_free(first)
    unsafe cfolio_free(second)
  }
}

private final class Runs: Sendable {
  private let count = Atomic<Int>(0)
  func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}

extension TestScenario {
  /// What a thread does depends on how often it ran before: nothing that the lab could put back.
  static let forgetful = Scenario(
    "forgetful", "a body that depends on what it did in earlier executions", rules: [.strict],
    obligations: ["ran"]
  ) { settings in
    let (x, y) = (try SharedWord("x"), try SharedWord("y"))
    let runs = Runs()
    return WordsWorld(
      [x, y],
      [
        {
          settings.obligations.reach(0)
          if runs.next() % 3 == 0 { x.store(1) } else { y.store(1) }
        },
        { _ = x.load() + y.load() },
      ]
    ) {}
  }
}
