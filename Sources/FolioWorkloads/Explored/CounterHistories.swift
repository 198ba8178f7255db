// SPDX-License-Identifier: MIT

// Calls on one reference counter (spec: core.md section 3, rows 1-17), each with its answer: whatever they
// overlap with, the answers are those of one counter that does one call at a time.

import CFolio
import FolioCore

enum CounterHistories {
  static let scenarios = [freezing, tries, puts]

  private typealias Recorder = HistoryRecorder<CounterSpecification>
  private typealias Thread = (name: String, body: (Recorder, Int) -> Void)

  /// One page of RAM. Its counter only is looked at: whoever brings R to 0 frees nothing.
  @safe
  private struct Counter {
    let page: UnsafeMutablePointer<page>

    init(_ count: Int32) throws {
      unsafe page = try unsafe seamMemory(CFolio.page.self)
      unsafe cfolio_ram_init_page(page)
      unsafe set_page_count(page, count)
    }

    func tryGet(_ nr: Int32, unless limit: Int32 = 0) -> CounterOperation {
      let done = unsafe page_ref_add_unless(page, nr, limit)
      return CounterOperation(.addUnless, nr, unless: limit, answer: done ? 1 : 0)
    }

    func subAndTest(_ nr: Int32) -> CounterOperation {
      let isLast = unsafe page_ref_sub_and_test(page, nr)
      return CounterOperation(.subAndTest, nr, answer: isLast ? 1 : 0)
    }

    func decReturn() -> CounterOperation {
      CounterOperation(.subReturn, 1, answer: unsafe page_ref_dec_return(page))
    }

    func add(_ nr: Int32) -> CounterOperation {
      unsafe page_ref_add(page, nr)
      return CounterOperation(.add, nr)
    }

    func freeze(_ count: Int32) -> CounterOperation {
      CounterOperation(.freeze, count, answer: unsafe page_ref_freeze(page, count) ? 1 : 0)
    }

    func unfreeze(_ count: Int32) -> CounterOperation {
      unsafe page_ref_unfreeze(page, count)
      return CounterOperation(.unfreeze, count)
    }

    func read() -> CounterOperation {
      CounterOperation(.read, answer: unsafe page_ref_count(page))
    }

    func free() { unsafe cfolio_free(page) }
  }

  /// A scenario whose threads call one counter, which begins as `count`.
  private static func scenario(
    _ name: String, _ title: String, count: Int32, obligations: [String],
    threads: @escaping @Sendable (Counter, Obligations) -> [Thread]
  ) -> Scenario {
    Scenario(name, title, rules: [.strict], obligations: obligations) { settings in
      let counter = try Counter(count)
      return try HistoryWorld(
        CounterSpecification(initial: count), hasOnlyWords: true,
        threads(counter, settings.obligations), tearDown: { counter.free() })
    }
  }

  /// Two freezers, one of which keeps the page frozen, and a getter: T9 with answers.
  private static let freezing = Scenario(
    "counter-freeze", "two freezes, an unfreeze and try_get: each answers for its own moment",
    rules: [.strict],
    obligations: [
      "the first froze", "the second froze", "nobody froze", "try_get is refused",
      "try_get succeeds",
    ]
  ) { settings in
    let counter = try Counter(1)
    let obligations = settings.obligations
    let froze = try SharedWord("froze")
    let freezer = { (mark: Int32, gives: Bool) in
      { (recorder: Recorder, thread: Int) in
        var frozen = false
        recorder.record(thread, noting: { frozen = $0.answer == 1 }) { counter.freeze(1) }
        guard frozen else { return }
        obligations.reach(Int(mark) - 1)
        _ = froze.add(mark)
        guard gives else { return }
        recorder.record(thread) { counter.unfreeze(1) }
      }
    }
    return try HistoryWorld(
      CounterSpecification(initial: 1), hasOnlyWords: true,
      [
        (name: "first freezer", body: freezer(1, true)),
        (name: "second freezer", body: freezer(2, false)),
        (
          name: "getter",
          body: { recorder, thread in
            recorder.record(thread, noting: { obligations.reach($0.answer == 0 ? 3 : 4) }) {
              counter.tryGet(2)
            }
          }
        ),
      ],
      conclude: { if froze.load() == 0 { obligations.reach(2) } },
      tearDown: {
        counter.free()
        froze.free()
      })
  }

  /// Gets and puts of somebody who keeps a reference: a page that is never free is never refused.
  private static let tries = scenario(
    "counter-try-get", "try_get against gets and puts of a page in use: it may not be refused",
    count: 1,
    obligations: ["one reference", "more than one", "an add is refused at its limit"]
  ) { counter, obligations in
    [
      (
        name: "holder",
        body: { recorder, thread in
          recorder.record(thread) { counter.add(1) }
          recorder.record(thread) { counter.decReturn() }
        }
      ),
      (
        name: "getter",
        body: { recorder, thread in
          recorder.record(thread, noting: { obligations.reach($0.answer == 1 ? 0 : 1) }) {
            counter.read()
          }
          recorder.record(thread) { counter.tryGet(3) }
          recorder.record(thread, noting: { if $0.answer == 0 { obligations.reach(2) } }) {
            counter.tryGet(1, unless: 5)
          }
        }
      ),
    ]
  }

  /// The last references go at once, one of them in a bunch, while somebody wants more.
  private static let puts = scenario(
    "counter-puts", "puts of several forms against try_get: one put is the last, nobody gets later",
    count: 3,
    obligations: [
      "the first put is last", "the second put is last", "the getter's put is last",
      "the getter is refused",
    ]
  ) { counter, obligations in
    [
      (
        name: "holder of one",
        body: { recorder, thread in
          recorder.record(thread, noting: { if $0.answer == 0 { obligations.reach(0) } }) {
            counter.decReturn()
          }
        }
      ),
      (
        name: "holder of two",
        body: { recorder, thread in
          recorder.record(thread, noting: { if $0.answer == 1 { obligations.reach(1) } }) {
            counter.subAndTest(2)
          }
        }
      ),
      (
        name: "getter",
        body: { recorder, thread in
          var got = false
          recorder.record(thread, noting: { got = $0.answer == 1 }) { counter.tryGet(1) }
          guard got else {
            obligations.reach(3)
            return
          }
          recorder.record(thread, noting: { if $0.answer == 1 { obligations.reach(2) } }) {
            counter.subAndTest(1)
          }
        }
      ),
    ]
  }
}
