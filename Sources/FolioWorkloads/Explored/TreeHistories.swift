// SPDX-License-Identifier: MIT

// Calls on one XArray, each with its answer, against a map that does one call at a time: while nodes come
// and go, with marks, in iterations, and when there is no memory for a node.

import CFolio
import FolioCore

enum TreeHistories {
  static let scenarios = [levels, writers, marks, scan, markedScan, memory, replace]

  private typealias Recorder = HistoryRecorder<XArraySpecification>
  private typealias Thread = (name: String, body: (Recorder, Int) -> Void)

  /// A scenario whose threads call one tree that has some entries at first.
  private static func scenario(
    _ name: String, _ title: String, _ initial: [(index: UInt, value: UInt)],
    obligations: [String], conclude: @escaping @Sendable (Tree) -> Void = { _ in },
    threads: @escaping @Sendable (Tree, Obligations) -> [Thread]
  ) -> Scenario {
    Scenario(name, title, rules: [.strict], obligations: obligations) { settings in
      let tree = try Tree(initial.map { (index: $0.index, order: 0, value: $0.value) })
      return try HistoryWorld(
        XArraySpecification(initial: initial), hasOnlyWords: false,
        threads(tree, settings.obligations),
        conclude: {
          tree.verify()
          conclude(tree)
        }, tearDown: { tree.free() })
    }
  }

  /// The tree gains a level and loses it again under lookups.
  private static let levels = scenario(
    "xarray-history", "a level comes and goes under lookups: each answer is of some moment",
    [(1, 10)],
    obligations: ["the entry is not there yet or any more", "it is there", "there and gone again"]
  ) { tree, obligations in
    [
      (
        name: "writer",
        body: { recorder, thread in
          recorder.record(thread) { tree.storing(64, 640) }
          recorder.record(thread) { tree.storing(64, nil) }
        }
      ),
      (
        name: "reader",
        body: { recorder, thread in
          var seen = false
          recorder.record(
            thread,
            noting: {
              seen = $0.answer != nil
              obligations.reach(seen ? 1 : 0)
            }
          ) { tree.loading(64) }
          recorder.record(
            thread, noting: { if seen && $0.answer == nil { obligations.reach(2) } }
          ) { tree.loading(seen ? 64 : 1) }
        }
      ),
    ]
  }

  /// Writers of one index learn what was there.
  private static let writers = scenario(
    "xarray-writers", "stores and compare-exchanges of one index: each learns what it replaced",
    [(1, 10)],
    obligations: ["the exchange found the first entry", "the exchange came too late"]
  ) { tree, obligations in
    [
      (
        name: "storer",
        body: { recorder, thread in
          recorder.record(thread) { tree.storing(1, 11) }
          recorder.record(thread) { tree.loading(1) }
        }
      ),
      (
        name: "exchanger",
        body: { recorder, thread in
          recorder.record(thread, noting: { obligations.reach($0.answer == 10 ? 0 : 1) }) {
            tree.exchanging(1, 10, by: 12)
          }
          recorder.record(thread) { tree.storing(1, 13) }
        }
      ),
    ]
  }

  /// Marks of entries that stay, that go, and that a growing tree carries along.
  private static let marks = scenario(
    "xarray-marks", "marks set and cleared while the tree grows: a mark is its entry's",
    [(1, 10), (3, 30)],
    obligations: ["marked", "not marked"],
    conclude: { tree in
      require(unsafe xa_marked(tree.array, XA_MARK_0), "XArray", "the array forgot its mark")
      require(
        unsafe xa_get_order(tree.array, 64) == 0 && !xa_empty(tree.array), "XArray",
        "an entry of one index covers more")
    }
  ) { tree, obligations in
    [
      (
        name: "marker",
        body: { recorder, thread in
          recorder.record(thread) { tree.marking(1) }
          recorder.record(thread) { tree.storing(64, 640) }
          recorder.record(thread) { tree.unmarking(1) }
        }
      ),
      (
        name: "reader",
        body: { recorder, thread in
          recorder.record(thread, noting: { obligations.reach($0.answer == 1 ? 0 : 1) }) {
            tree.asking(1)
          }
          recorder.record(thread) { tree.marking(3) }
          recorder.record(thread) { tree.asking(3) }
        }
      ),
    ]
  }

  private static let scanned: [UInt] = [1, 3, 64, 65]

  /// An iteration while entries come and go.
  private static let scan = scenario(
    "xarray-scan", "iteration against stores and erasures: who stays is met, who is absent is not",
    [(1, 10), (3, 30), (64, 640)],
    obligations: ["the new one was met", "the old one was met"]
  ) { tree, obligations in
    [
      (
        name: "writer",
        body: { recorder, thread in
          recorder.record(thread) { tree.storing(3, nil) }
          recorder.record(thread) { tree.storing(65, 650) }
        }
      ),
      (
        name: "scanner",
        body: { recorder, thread in
          recorder.recordAll(thread) {
            let met = tree.met(to: 127)
            if met[65] != nil { obligations.reach(0) }
            if met[3] != nil { obligations.reach(1) }
            return scanned.map { XArrayOperation(.load, $0, answer: met[$0]) }
          }
        }
      ),
    ]
  }

  /// An iteration over marked entries. Mark and entry are two words: each has its own moment.
  private static let markedScan = scenario(
    "xarray-marked-scan", "iteration over marked entries against erasures and marks",
    [(1, 10), (3, 30), (64, 640)],
    obligations: ["the erased one was met", "the new one was met"]
  ) { tree, obligations in
    [
      (
        name: "writer",
        body: { recorder, thread in
          recorder.record(thread) { tree.marking(64) }
          recorder.record(thread) { tree.marking(3) }
          recorder.record(thread) { tree.storing(3, nil) }
        }
      ),
      (
        name: "scanner",
        body: { recorder, thread in
          recorder.recordAll(thread) {
            let met = tree.met(to: 127, marked: true)
            if met[3] != nil { obligations.reach(0) }
            if met[64] != nil { obligations.reach(1) }
            return scanned.flatMap { index in
              let mark = XArrayOperation(.getMark, index, answer: met[index] == nil ? 0 : 1)
              let entry = met[index].map { XArrayOperation(.load, index, answer: $0) }
              return [mark] + (entry.map { [$0] } ?? [])
            }
          }
        }
      ),
    ]
  }

  /// Allocations are refused now and then: a store that fails has changed nothing.
  private static let memory = Scenario(
    "xarray-nomem", "stores that need nodes when there is no memory for some: all or nothing",
    rules: [.strict], obligations: ["both stored", "one was refused"]
  ) { settings in
    let tree = try Tree([(1, 0, 10)])
    let refusals = try SharedWord("refusals")
    let obligations = settings.obligations
    let writer = { (index: UInt) in
      { (recorder: Recorder, thread: Int) in
        recorder.record(thread, noting: { if $0.kind == .refused { _ = refusals.add(1) } }) {
          tree.storing(index, index * 10)
        }
        recorder.record(thread) { tree.loading(index) }
      }
    }
    let world = try HistoryWorld(
      XArraySpecification(initial: [(1, 10)]), hasOnlyWords: false,
      [(name: "first writer", body: writer(64)), (name: "second writer", body: writer(128))],
      conclude: {
        tree.verify()
        require(
          unsafe cfolio_xa_nodes() == cfolio_xa_count_nodes(tree.array), "XArray",
          "a store that was refused kept a node")
        require(cfolio_faults_injected() > 0, "XArray", "no allocation was refused")
        obligations.reach(refusals.load() == 0 ? 0 : 1)
      },
      tearDown: {
        cfolio_fault_injection(0, 0)
        tree.free()
        refusals.free()
      })
    // Of the allocations that follow, the first, fourth and sixth are refused.
    cfolio_fault_injection(2, 20)
    return world
  }

  /// A marked entry gives way to one of four indices, and everything to nothing: not one moment, but
  /// each slot has one.
  private static let replace = Scenario(
    "xarray-replace", "marked entries give way to a larger one, then to none: no stranger is met",
    rules: [.strict], obligations: ["an old entry", "the large entry", "nothing"]
  ) { settings in
    let tree = try Tree([(4, 0, 40), (6, 0, 60)])
    unsafe xa_set_mark(tree.array, 6, XA_MARK_0)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: {
            tree.store(4, 2, 44)
            require(unsafe xa_get_order(tree.array, 5) == 2, "XArray", "a wrong order")
            require(unsafe xa_get_mark(tree.array, 5, XA_MARK_0), "XArray", "a mark is lost")
            tree.clear(order: 12)
          }
        ),
        (
          name: "reader",
          body: {
            let value = tree.load(6)
            require(
              value == 60 || value == 44 || value == nil, "XArray", "a lookup gave a stray entry")
            obligations.reach(value == 60 ? 0 : value == 44 ? 1 : 2)
            let marked = tree.met(to: 63, marked: true)
            require(
              marked.values.allSatisfy { $0 == 60 || $0 == 44 || $0 == 40 }, "XArray",
              "an iteration over marks met a stray entry")
          }
        ),
      ],
      conclude: {
        tree.verify()
        require(unsafe xa_empty(tree.array), "XArray", "entries are left in a cleared tree")
        require(unsafe !xa_marked(tree.array, XA_MARK_0), "XArray", "an empty tree has a mark")
      }, tearDown: { tree.free() })
  }
}

/// Calls, with their answers.
extension Tree {
  func loading(_ index: UInt) -> XArrayOperation {
    XArrayOperation(.load, index, answer: load(index))
  }

  /// nil erases.
  func storing(_ index: UInt, _ value: UInt?) -> XArrayOperation {
    let old: UnsafeMutableRawPointer?
    if let value {
      unsafe old = xa_store(array, index, xa_mk_value(value))
    } else {
      unsafe old = xa_erase(array, index)
    }
    if unsafe xa_is_err(old) { return XArrayOperation(.refused, index) }
    return XArrayOperation(.store, index, value, answer: unsafe Self.value(old))
  }

  func exchanging(_ index: UInt, _ expected: UInt, by value: UInt) -> XArrayOperation {
    let old = unsafe xa_cmpxchg(array, index, xa_mk_value(expected), xa_mk_value(value))
    return XArrayOperation(
      .exchange, index, value, expected: expected, answer: unsafe Self.value(old))
  }

  /// Stores nothing over the first 2^order indices.
  func clear(order: UInt32) {
    var cursor = unsafe cfolio_xa_state(array, 0, order)
    unsafe xas_lock(&cursor)
    unsafe _ = xas_store(&cursor, nil)
    unsafe xas_unlock(&cursor)
  }

  func marking(_ index: UInt) -> XArrayOperation {
    unsafe xa_set_mark(array, index, XA_MARK_0)
    return XArrayOperation(.setMark, index)
  }

  func unmarking(_ index: UInt) -> XArrayOperation {
    unsafe xa_clear_mark(array, index, XA_MARK_0)
    return XArrayOperation(.clearMark, index)
  }

  func asking(_ index: UInt) -> XArrayOperation {
    XArrayOperation(.getMark, index, answer: unsafe xa_get_mark(array, index, XA_MARK_0) ? 1 : 0)
  }

  /// What one iteration from 0 to `last` meets, by index, all in one read section.
  func met(to last: UInt, marked: Bool = false) -> [UInt: UInt] {
    var met: [UInt: UInt] = [:]
    var cursor = unsafe cfolio_xa_state(array, 0, 0)
    var before: UInt?
    rcu_read_lock()
    var entry =
      unsafe marked ? xas_find_marked(&cursor, last, XA_MARK_0) : xas_find(&cursor, last)
    while let found = unsafe entry {
      let index = unsafe cursor.xa_index
      require(before.map { $0 < index } ?? true, "XArray", "an iteration went back")
      before = index
      if let value = unsafe Self.value(found) { met[index] = value }
      unsafe entry =
        marked ? xas_find_marked(&cursor, last, XA_MARK_0) : xas_next_entry(&cursor, last)
    }
    rcu_read_unlock()
    return met
  }
}
