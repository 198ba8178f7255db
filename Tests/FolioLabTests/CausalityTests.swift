// SPDX-License-Identifier: MIT

// What depended on what: values, races, pasts, preemptions, names. Executions written by hand, with
// answers that can be worked out on paper.

import FolioLab
import FolioWorkloads
import Testing

@Suite("Causality")
struct CausalityTests {
  @Test("each load is shown with the store that it saw")
  func readsFrom() {
    let lost = HandMade.lostUpdate.report()
    #expect(lost.steps.map(\.readsFrom) == [nil, nil, 1, nil, nil, nil, nil, nil, 6])
    let grace = HandMade.gracePeriods.report()
    #expect(
      grace.steps.map(\.readsFrom) == [nil, nil, nil, nil, 1, nil, nil, nil, nil, nil, 8, 10])
  }

  @Test("a word that changed by no step has no source, and a weak load has the one that it names")
  func otherSources() {
    var witness = HandMade.lostUpdate
    witness.finding.trace.steps[8].read = 7
    #expect(witness.report().steps[8].readsFrom == nil)
    // Under a weak model the newest store of that value is it.
    witness.model = .c11
    #expect(witness.report().steps[8].readsFrom == nil)
    witness.finding.trace.steps[8].read = 1
    #expect(witness.report().steps[8].readsFrom == 6)
    witness.finding.trace.steps[8].source = 2
    #expect(witness.report().steps[8].readsFrom == 2)
  }

  @Test("halves of a word are words of their own, and the whole is both")
  func halves() {
    let report = HandMade.halves.report()
    // 0: low = 5, 1: high = 6, 2: whole read, 3: low read, 4: whole = 0, 5: high read.
    #expect(report.steps.map(\.readsFrom) == [nil, nil, 1, 0, nil, 4])
    #expect(report.races.contains([0, 2]) && report.races.contains([1, 2]))
    #expect(!report.races.contains([0, 1]))
  }

  @Test("a preemption is a switch from a thread that could have gone on")
  func preemptions() {
    let lost = HandMade.lostUpdate
    #expect(lost.report().steps.map(\.preempts) == [nil, 0, nil, nil, 0, nil, nil, 1, nil])
    #expect(lost.finding.trace.preemptions == 3)
    #expect(Trace(steps: []).preemptions == 0)
  }

  @Test("races are the pairs whose order was open, not those that something between them orders")
  func races() {
    let lost = HandMade.lostUpdate.report()
    // Of entry, of _refcount twice, of freed: 7 comes behind 5, but not behind 6.
    #expect(lost.races == [[0, 4], [3, 5], [5, 7], [6, 8]])
    var trace = TraceBuilder(threads: 2, words: [0, 0])
    trace.step(0, .store, "scenario", "data", word: 0, to: 1)
    trace.step(0, .store, "scenario", "flag", word: 1, to: 1)
    trace.step(1, .load, "scenario", "flag", word: 1)
    trace.step(1, .load, "scenario", "data", word: 0)
    let message = Witness(
      scenario: "message", rules: "strict", threads: ["a", "b"],
      finding: FolioLab.Finding(
        invariant: "X", message: "", trace: Trace(steps: trace.steps), thread: 1),
      token: "t")
    // The flag orders the data: only the flag's order was open.
    #expect(message.report().races == [[1, 2]])
    #expect(message.report().steps.map(\.matters) == [false, true, true, true])
  }

  @Test("what cannot have led to the failure is folded, and never marked")
  func past() {
    let report = HandMade.lostUpdate.report()
    #expect(
      report.steps.map(\.isInPast) == [true, false, false, true, true, true, true, true, true])
    #expect(
      report.steps.map(\.matters) == [true, false, false, true, true, true, true, true, true])
    #expect(report.steps.map(\.fails).lastIndex(of: true) == 8)
    #expect(HandMade.lostUpdate.text().contains("… 2 steps of bystander"))
    // Found at the end: everything may have led to it.
    #expect(HandMade.atTheEnd.report().steps.allSatisfy { $0.isInPast && !$0.fails })
    #expect(HandMade.atTheEnd.text().contains("at the end: CI1"))
  }

  @Test("a grace period comes behind the sections that it captured, and behind no other")
  func gracePeriods() {
    let witness = HandMade.gracePeriods
    // Who fails behind the grace period has the reader's unlock in its past.
    #expect(witness.report().steps[6].isInPast)
    var other = witness
    // Not captured, and nothing else of the reader's last step matters: it is no longer there.
    other.finding.trace.steps[3].after = 0
    other.finding.trace.steps[5].after = 0
    #expect(!other.report().steps[6].isInPast)
  }

  @Test("a store buffer has a lane of its own, and comes behind its thread")
  func storeBuffers() {
    var trace = TraceBuilder(threads: 2, words: [0, 0])
    trace.step(0, .load, "f", "g(&p->guard)", word: 1)
    trace.step(9, .flush, "f", "g(&p->flag)", word: 0, to: 1)
    trace.step(1, .load, "f", "g(&p->flag)", word: 0)
    var witness = Witness(
      scenario: "buffer", rules: "strict", model: .tso, threads: ["writer", "reader"],
      finding: FolioLab.Finding(
        invariant: "X", message: "", trace: Trace(steps: trace.steps), thread: 1),
      token: "t")
    witness.finding.trace.steps[1].owner = 0
    let report = witness.report()
    #expect(report.steps.map(\.readsFrom) == [nil, nil, 1])
    #expect(report.races == [[1, 2]])
    #expect(report.steps.allSatisfy { $0.isInPast })
    #expect(witness.text().contains("writer's stores"))
    #expect(witness.svg().contains("writer&#39;s stores"))
  }

  @Test("words are called what their sites call them")
  func names() {
    #expect(
      HandMade.lostUpdate.report().words.map(\.name) == [
        "_refcount", "entry", "freed", "statistics",
      ])
    #expect(HandMade.gracePeriods.report().words.map(\.name) == ["_refcount", "entries"])
  }

  @Test(
    "names of words, from operations as they are written",
    arguments: [
      ("atomic_read(&page->_refcount)", "_refcount"),
      ("atomic_add(nr, &folio->page._refcount)", "_refcount"),
      ("atomic_sub_return(nr + f(a, b), &large->_mapcount)", "_mapcount"),
      ("shared_xchg(&slots[index(i, j)].entry, value)", "entry"),
      ("set_bits(mask, flags)", "flags"),
      ("atomic_read(v)", "v"),
      ("entry", "entry"),
      ("smp_mb()", "word 0"),
      ("f(1, 2)", "word 0"),
      ("((", "word 0"),
    ])
  func wordNames(_ text: String, _ name: String) {
    #expect(name == named([text]).first)
  }

  @Test("two words of one name are told apart, and members' names win")
  func sameNames() {
    #expect(named(["f(&a->count)", "f(&b->count)", "count"]) == ["count", "count#2", "count#3"])
    var trace = TraceBuilder(threads: 1, words: [0])
    for text in ["f(v)", "f(v)", "f(&page->_mapcount)"] {
      trace.step(0, .load, "g", text, word: 0)
    }
    #expect(witness(trace).report().words.map(\.name) == ["_mapcount"])
  }

  private func named(_ texts: [String]) -> [String] {
    var trace = TraceBuilder(threads: 1, words: texts.map { _ in 0 })
    for (index, text) in texts.enumerated() { trace.step(0, .load, "g", text, word: index) }
    return witness(trace).report().words.map(\.name)
  }

  private func witness(_ trace: TraceBuilder) -> Witness {
    Witness(
      scenario: "s", rules: "strict", threads: ["a"],
      finding: FolioLab.Finding(
        invariant: "X", message: "", trace: Trace(steps: trace.steps), thread: 0),
      token: "t")
  }
}
