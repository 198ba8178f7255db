// SPDX-License-Identifier: MIT

// Executions written by hand, for tests of how they are shown. What their steps say is what the engine
// would have recorded of such threads.

import FolioLab
import FolioWorkloads

/// Builds a trace step by step, with the values that words have.
struct TraceBuilder {
  private(set) var steps: [TraceStep] = []
  private var values: [Int64]
  private var counts: [Int: Int] = [:]
  private var inSection: Set<Int> = []
  private let alive: [Int]

  init(threads: Int, words: [Int64]) {
    alive = Array(0..<threads)
    values = words
  }

  mutating func step(
    _ thread: Int, _ kind: TraceStep.Kind, _ function: String = "", _ text: String = "",
    word: Int? = nil, to value: Int64? = nil, enabled: [Int]? = nil
  ) {
    let before = word.map { values[$0] } ?? 0
    let after = value ?? before
    if let word { values[word] = after }
    steps.append(
      TraceStep(
        thread: thread, index: counts[thread, default: 0], kind: kind, function: function,
        text: text, object: word, before: before, after: after, order: 5, enabled: enabled ?? alive,
        inSection: inSection.contains(thread)))
    counts[thread, default: 0] += 1
  }

  /// The thread's next steps are inside a read section, up to its unlock.
  mutating func enter(_ thread: Int) { inSection.insert(thread) }

  mutating func leave(_ thread: Int) {
    step(thread, .readUnlock)
    inSection.remove(thread)
  }
}

enum HandMade {
  /// The last put and the free come before a reader's try_get that tests and adds in two steps; a
  /// third thread does what has nothing to do with it.
  static var lostUpdate: Witness {
    var trace = TraceBuilder(threads: 3, words: [1, 1, 0, 0])
    let read = "atomic_read(&page->_refcount)"
    let put = "atomic_sub_and_test_low(refs, &folio->page._refcount)"
    trace.enter(0)
    trace.step(0, .load, "scenario", "entry", word: 1)
    trace.step(2, .change, "scenario", "statistics", word: 3, to: 1, enabled: [0, 1, 2])
    trace.step(2, .change, "scenario", "statistics", word: 3, to: 2)
    trace.step(0, .load, "page_ref_add_unless", read, word: 0, enabled: [0, 1])
    trace.step(1, .change, "scenario", "entry", word: 1, to: 0, enabled: [0, 1])
    trace.step(1, .change, "folio_put_refs", put, word: 0, to: 0, enabled: [0, 1])
    trace.step(1, .store, "scenario", "freed", word: 2, to: 1, enabled: [0, 1])
    trace.step(
      0, .store, "page_ref_add_unless", "atomic_set(&page->_refcount, count + nr)", word: 0, to: 1,
      enabled: [0, 1])
    trace.step(0, .load, "scenario", "freed", word: 2, enabled: [0, 1])
    return Witness(
      scenario: "gup-pin", size: 1, rules: "strict",
      threads: ["pinner", "unmapper", "bystander"],
      finding: FolioLab.Finding(
        invariant: "CI22", message: "a pinned page was freed: freed is 1, not 0",
        trace: Trace(steps: trace.steps), thread: 0),
      token: "folio:v1:gup-pin.1.strict.sc.P1:AQARIgEA",
      mutant: Witness.Story(
        id: "P1", title: "try_get tests and adds in two steps", source: "planted",
        story: "Between its test and its addition the last reference goes, and the page is freed."))
  }

  /// A freeze, a read section that a grace period waits for, a deferred call, words of every kind.
  static var gracePeriods: Witness {
    var trace = TraceBuilder(threads: 3, words: [2, 0x6000_0000_0040, 0])
    let pointer = "rcu_dereference(map->entries[index])"
    trace.enter(0)
    trace.step(0, .load, "xa_load", pointer, word: 1)
    trace.step(
      1, .exchange, "folio_ref_freeze", "atomic_try_cmpxchg(&page->_refcount, &expected, 0)",
      word: 0, to: 0)
    trace.step(
      1, .exchange, "xa_store", "atomic_long_cmpxchg(&map->entries[index], old, entry)", word: 1,
      to: 0)
    trace.step(1, .graceBegin, to: 1)
    trace.step(
      0, .load, "page_ref_add_unless", "atomic_add_unless(&page->_refcount, nr, u)", word: 0,
      enabled: [0, 2])
    trace.step(2, .deferCall, to: 1, enabled: [0, 2])
    trace.leave(0)
    trace.step(
      1, .graceEnd, enabled: [1])
    trace.step(
      1, .store, "folio_ref_unfreeze", "atomic_set_release(&page->_refcount, count)", word: 0,
      to: 2,
      enabled: [1, 3])
    trace.step(3, .runDeferred, enabled: [1, 3])
    trace.step(
      3, .change, "folio_put_refs", "atomic_sub_and_test_low(refs, &folio->page._refcount)",
      word: 0,
      to: 0, enabled: [1, 3])
    trace.step(1, .load, "page_ref_count", "atomic_read(&page->_refcount)", word: 0, enabled: [1])
    return Witness(
      scenario: "freeze-split", size: 1, rules: "legacy",
      threads: ["reader", "splitter", "remover"],
      finding: FolioLab.Finding(
        invariant: "CI4", message: "the splitter's folio has 0 references, not 2",
        trace: Trace(steps: trace.steps), thread: 1),
      token: "folio:v1:freeze-split.1.legacy.sc:AQARIgEA")
  }

  /// Accesses to the halves of eight bytes and to all of them.
  static var halves: Witness {
    func step(
      _ thread: Int, _ kind: TraceStep.Kind, _ object: Int, _ halves: UInt8, _ before: Int64,
      _ after: Int64
    ) -> TraceStep {
      TraceStep(
        thread: thread, index: 0, kind: kind, function: "f", text: "g(&p->word\(object))",
        object: object, before: before, after: after, enabled: [0, 1, 2], cell: 0, halves: halves)
    }
    let steps = [
      step(0, .store, 0, 1, 0, 5), step(1, .store, 1, 2, 0, 6),
      step(2, .load, 2, 3, 5 | 6 << 32, 5 | 6 << 32), step(2, .load, 0, 1, 5, 5),
      step(2, .store, 2, 3, 5 | 6 << 32, 0), step(1, .load, 1, 2, 0, 0),
    ]
    return Witness(
      scenario: "halves", rules: "strict", threads: ["low", "high", "whole"],
      finding: FolioLab.Finding(
        invariant: "X", message: "torn", trace: Trace(steps: steps), thread: 1),
      token: "t")
  }

  /// Names that mean something to XML, HTML, C, Swift and terminals.
  static var hostile: Witness {
    let evil = "<script>alert(1)</script>"
    var trace = TraceBuilder(threads: 2, words: [0])
    trace.step(0, .store, "f<T>&\"'\u{1}", "g(\(evil))", word: 0, to: .min)
    trace.step(1, .load, evil, "]]>", word: 0)
    return Witness(
      scenario: "a\"b??/\\", rules: "strict", threads: ["<b>&\u{1b}", evil],
      finding: FolioLab.Finding(
        invariant: "*/ \"", message: "\(evil) */ \u{7} \" \\(x) ??/ \n // end",
        trace: Trace(steps: trace.steps), thread: 1),
      token: "not:\"a\ttoken\\",
      mutant: Witness.Story(id: evil, title: evil, source: evil, story: evil))
  }

  /// Found when all was over.
  static var atTheEnd: Witness {
    var witness = lostUpdate
    witness.finding.invariant = "CI1"
    witness.finding.thread = nil
    return witness
  }

  /// `count` steps of two threads that all race for one word.
  static func long(_ count: Int, threads: Int = 2) -> Witness {
    var trace = TraceBuilder(threads: threads, words: [0])
    for step in 0..<count {
      trace.step(
        step % threads, .change, "page_ref_add", "atomic_add(nr, &page->_refcount)", word: 0,
        to: Int64(step + 1))
    }
    return Witness(
      scenario: "long", rules: "strict", threads: (0..<threads).map { "thread \($0)" },
      finding: FolioLab.Finding(
        invariant: "CI1", message: "too many", trace: Trace(steps: trace.steps),
        thread: (count - 1) % threads),
      token: "folio:v1:long.1.strict.sc:AAA")
  }
}
