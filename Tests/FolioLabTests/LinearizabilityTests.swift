// SPDX-License-Identifier: MIT

// The checker of histories: on histories with known answers, against all orders tried one by one, and in
// the lab on scenarios that record theirs.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

@Suite("Linearizability")
struct LinearizabilityTests {
  private typealias Call = CounterOperation

  /// Calls with the moments at which they were made and returned.
  private static func history<Operation>(
    _ calls: [(thread: Int, made: Int, returned: Int, Operation)]
  ) -> History<Operation> {
    History(
      calls.map { call in
        var before: UInt64 = 0
        for (index, other) in calls.enumerated() where other.returned < call.made {
          before |= 1 << UInt64(index)
        }
        return HistoryEvent(thread: call.thread, operation: call.3, before: before)
      })
  }

  private static func isExplained(
    _ initial: Int32, _ calls: [(thread: Int, made: Int, returned: Int, CounterOperation)]
  ) -> Bool {
    history(calls).linearization(CounterSpecification(initial: initial)) != nil
  }

  @Test("a refusal needs a moment at which R was 0")
  func refusal() {
    let refused = Call(.addUnless, 1, answer: 0)
    let put = Call(.subAndTest, 1, answer: 1)
    #expect(Self.isExplained(1, [(0, 0, 1, put), (1, 2, 3, refused)]))
    #expect(Self.isExplained(1, [(0, 0, 2, put), (1, 1, 3, refused)]))
    #expect(!Self.isExplained(1, [(1, 0, 1, refused), (0, 2, 3, put)]))
    #expect(
      !Self.isExplained(
        1,
        [(0, 0, 1, Call(.add, 1)), (1, 0, 3, refused), (0, 2, 3, Call(.subReturn, 1, answer: 1))]
      ))
  }

  @Test("one of two freezes succeeds, and one of two puts is the last")
  func winners() {
    let froze = Call(.freeze, 1, answer: 1)
    #expect(!Self.isExplained(1, [(0, 0, 2, froze), (1, 1, 3, froze)]))
    #expect(Self.isExplained(1, [(0, 0, 2, froze), (1, 1, 3, Call(.freeze, 1, answer: 0))]))
    #expect(
      Self.isExplained(1, [(0, 0, 1, froze), (0, 2, 3, Call(.unfreeze, 1)), (1, 0, 4, froze)]))
    #expect(!Self.isExplained(2, [(0, 0, 1, froze)]))
    let last = Call(.subAndTest, 1, answer: 1)
    let notLast = Call(.subAndTest, 1, answer: 0)
    #expect(Self.isExplained(2, [(0, 0, 2, last), (1, 1, 3, notLast)]))
    #expect(!Self.isExplained(2, [(0, 0, 2, last), (1, 1, 3, last)]))
    #expect(!Self.isExplained(2, [(0, 0, 2, notLast), (1, 1, 3, notLast)]))
    // The one that returned before the other was made cannot have been the last.
    #expect(!Self.isExplained(2, [(0, 0, 1, last), (1, 2, 3, notLast)]))
  }

  @Test("a lookup behind a store finds it; an iteration meets who stays")
  func trees() {
    typealias Call = XArrayOperation
    let array = XArraySpecification(initial: [(1, 10)])
    func isExplained(
      _ calls: [(thread: Int, made: Int, returned: Int, XArrayOperation)]
    ) -> Bool {
      Self.history(calls).linearization(array) != nil
    }
    let store = Call(.store, 1, 11, answer: 10)
    #expect(isExplained([(0, 0, 1, store), (1, 2, 3, Call(.load, 1, answer: 11))]))
    #expect(!isExplained([(0, 0, 1, store), (1, 2, 3, Call(.load, 1, answer: 10))]))
    #expect(isExplained([(0, 0, 2, store), (1, 1, 3, Call(.load, 1, answer: 10))]))
    // New, then old: one after the other, no store in between.
    #expect(
      !isExplained([
        (0, 0, 9, store), (1, 1, 2, Call(.load, 1, answer: 11)),
        (1, 3, 4, Call(.load, 1, answer: 10)),
      ]))
    let erase = Call(.store, 1, nil, answer: 10)
    let missed = Call(.load, 1)
    #expect(isExplained([(0, 0, 3, erase), (1, 1, 2, missed)]))
    #expect(!isExplained([(1, 0, 1, missed), (0, 2, 3, erase)]))
    #expect(!isExplained([(1, 0, 1, Call(.load, 2, answer: 20))]))
    #expect(
      !isExplained([(0, 0, 1, store), (1, 2, 3, Call(.exchange, 1, 12, expected: 10, answer: 10))]))
    #expect(isExplained([(0, 0, 1, Call(.refused, 2)), (1, 2, 3, Call(.load, 2))]))
    #expect(!isExplained([(0, 0, 1, Call(.setMark, 1)), (1, 2, 3, Call(.getMark, 1, answer: 0))]))
  }

  /// Every order that keeps `before`, one by one.
  private static func isExplainedByTrying(
    _ events: [HistoryEvent<CounterOperation>], _ specification: CounterSpecification
  ) -> Bool {
    func goOn(_ left: [Int], _ done: UInt64, _ state: Int32) -> Bool {
      if left.isEmpty { return true }
      for (position, index) in left.enumerated() {
        var next = state
        if events[index].before & ~done != 0 { continue }
        if !specification.accepts(events[index].operation, in: &next) { continue }
        var rest = left
        rest.remove(at: position)
        if goOn(rest, done | 1 << UInt64(index), next) { return true }
      }
      return false
    }
    return goOn(Array(events.indices), 0, specification.initial)
  }

  @Test("agrees with trying every order, on random histories")
  func bruteForce() throws {
    var random = SeededRandom(seed: 0x11ea)
    var (explained, unexplained) = (0, 0)
    for _ in 0..<20_000 {
      let initial = Int32(random.number(in: 0...(3 - 1)))
      let specification = CounterSpecification(initial: initial)
      let count = 2 + random.number(in: 0...(5 - 1))
      // Each thread's calls one after the other; answers now and then as a counter gives them.
      var clocks = [0, 0, 0]
      var state = initial
      var calls: [(thread: Int, made: Int, returned: Int, CounterOperation)] = []
      for _ in 0..<count {
        let thread = random.number(in: 0...(3 - 1))
        let made = clocks[thread] + random.number(in: 0...(4 - 1))
        let returned = made + 1 + random.number(in: 0...(6 - 1))
        clocks[thread] = returned + 1
        let kinds: [CounterOperation.Kind] = [
          .add, .subAndTest, .subReturn, .addUnless, .freeze, .unfreeze, .read,
        ]
        let kind = kinds[random.number(in: 0...(kinds.count - 1))]
        let amount = 1 + Int32(random.number(in: 0...(2 - 1)))
        let candidates = (0...3).map { Call(kind, amount, answer: Int32($0)) }
        var call = candidates[random.number(in: 0...(4 - 1))]
        if random.number(in: 0...(4 - 1)) != 0 {
          let fitting = candidates.first { candidate in
            var next = state
            return specification.accepts(candidate, in: &next)
          }
          if let fitting { call = fitting }
        }
        _ = specification.accepts(call, in: &state)
        calls.append((thread, made, returned, call))
      }
      let history = Self.history(calls)
      let order = history.linearization(specification)
      let expected = Self.isExplainedByTrying(history.events, specification)
      try #require((order != nil) == expected, "\(history)")
      if let order {
        explained += 1
        var done: UInt64 = 0
        var state = initial
        for index in order {
          #expect(history.events[index].before & ~done == 0)
          #expect(specification.accepts(history.events[index].operation, in: &state))
          done |= 1 << UInt64(index)
        }
        #expect(done == (1 << UInt64(calls.count)) - 1)
      } else {
        unexplained += 1
      }
    }
    #expect(explained > 1_000 && unexplained > 1_000, "\(explained) and \(unexplained)")
  }
}

#if LAB

  extension LabTests {
    @Suite("Histories")
    struct HistoryTests {
      /// Scenarios with the classes that each has.
      static let counts = [
        ("counter-freeze", 196), ("counter-try-get", 192), ("counter-puts", 277),
        ("xarray-history", 243), ("xarray-writers", 40), ("xarray-marks", 614),
        ("xarray-scan", 14), ("xarray-marked-scan", 45),
      ]

      @Test("every class has a history that one object explains", arguments: counts)
      func exhaustive(_ name: String, _ classes: Int) throws {
        try expectExhaustive(name, classes: classes)
      }

      @Test(
        "a wrong answer is found by its history",
        arguments: Mutant.all.filter { ("P64"..."P68").contains($0.id) })
      func caught(_ mutant: Mutant) throws {
        try expectCaught(mutant)
      }
    }
  }

#endif
