// SPDX-License-Identifier: MIT

// Waits until a device page is idle (spec: core.md section 13, T4, C38-C41): the put that makes it so
// looks at the event word, then at the queue; the waiter counts itself there, then looks at the page.

import CFolio
import FolioCore

enum IdleWaits {
  static let scenarios = [lastPut, unpin, insertion, begin, callback]

  /// A map of one page, with some references on it.
  @safe
  private struct Page {
    let map: PageMap
    let page: UnsafeMutablePointer<page>
    let folio: UnsafeMutablePointer<folio>
    let references: Int32
    var pgmap: UnsafeMutablePointer<dev_pagemap> { unsafe map.pgmap }

    init(_ settings: Scenario.Settings, references: Int32) throws {
      readyWaitTable()
      map = try PageMap(.fsdax, pages: 1, .init(rules: settings.rules))
      unsafe page = unsafe map.page(map.frames.lowerBound)
      unsafe folio = unsafe map.folio(map.frames.lowerBound)
      self.references = references
      unsafe folio_ref_add(folio, references)
    }

    func close() {
      unsafe folio_ref_sub(folio, references)
      // Nothing else was taken: what executions did is undone.
      try! map.unmap()
    }
  }

  /// A wait without a thread: it is over at once, or goes on later.
  @safe
  private struct Continued {
    let wait: UnsafeMutablePointer<folio_idle_callback>
    let done: SharedWord
    /// How often it went on.
    let resumed: SharedWord

    init() throws {
      done = try SharedWord("done")
      resumed = try SharedWord("resumed")
      unsafe wait = try unsafe seamMemory(folio_idle_callback.self)
    }

    /// True: the page is idle as it is.
    func begin(_ page: Page, _ condition: folio_idle_condition) -> Bool {
      let isDone = unsafe folio_idle_callback_begin(
        wait, page.folio, condition,
        { callback in
          let word = unsafe callback.pointee.context!.assumingMemoryBound(to: atomic_t.self)
          unsafe _ = atomic_add_return(1, word)
        }, resumed.address)
      if isDone { done.store(1) }
      return isDone
    }

    func requireOnce() {
      require(done.load() + resumed.load() == 1, "CI47", "not continued exactly once")
    }

    func free() {
      unsafe cfolio_free(wait)
      done.free()
      resumed.free()
    }
  }

  private static let lastPut = Scenario(
    "idle-last-put", "the last put of a device page against who waits until it is idle (T4)",
    size: 1, sizes: 1...2, obligations: ["slept", "idle before the sleep"]
  ) { settings in
    let page = try Page(settings, references: Int32(settings.size))
    let obligations = settings.obligations
    let put = { unsafe put_page(page.page) }
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            var options = unsafe wait_options(exclusive: false)
            let sleeps = unsafe !folio_is_idle(page.folio, pgmap_idle_condition(page.pgmap))
            let result = unsafe folio_wait_idle(
              page.folio, pgmap_idle_condition(page.pgmap), &options)
            require(result == 0, "CI48", "an uninterruptible wait failed")
            let idle = unsafe folio_is_idle(page.folio, pgmap_idle_condition(page.pgmap))
            require(idle, "CI46", "the wait is over and the page is not idle")
            obligations.reach(sleeps ? 0 : 1)
          }
        )
      ] + (0..<settings.size).map { _ in (name: "holder", body: put) },
      conclude: { requireNoWaiter(settings.rules) },
      tearDown: { page.close() })
  }

  private static let unpin = Scenario(
    "idle-unpin", "the last unpin leaves a mapping: under strict rules that ends the wait (C41)",
    rules: [.strict], obligations: ["pinned when asked", "mapped and unpinned when asked"]
  ) { settings in
    let pin = Int32(GUP_PIN_COUNTING_BIAS)
    let page = try Page(settings, references: pin + 1)
    unsafe folio_add_file_rmap_pte(page.folio, page.page, 11)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            var options = unsafe wait_options(exclusive: false)
            let condition = unsafe pgmap_idle_condition(page.pgmap)
            obligations.reach(unsafe folio_is_idle(page.folio, condition) ? 1 : 0)
            unsafe _ = folio_wait_idle(page.folio, condition, &options)
            let idle = unsafe folio_is_idle(page.folio, FOLIO_UNPINNED)
            require(idle, "CI46", "the wait is over and the page is pinned")
          }
        ),
        (name: "unpinner", body: { unsafe folio_put_refs(page.folio, pin) }),
      ], conclude: {},
      tearDown: {
        unsafe folio_remove_rmap_pte(page.folio, page.page, 11)
        page.close()
      })
  }

  private static let insertion = Scenario(
    "idle-insertion", "a waiter that meets an insertion half way is woken when it is counted (C41)",
    rules: [.strict], obligations: ["met the reference alone", "met the mapping"]
  ) { settings in
    let page = try Page(settings, references: 0)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            var options = unsafe wait_options(exclusive: false)
            obligations.reach(unsafe folio_is_idle(page.folio, FOLIO_UNPINNED) ? 1 : 0)
            unsafe _ = folio_wait_idle(page.folio, FOLIO_UNPINNED, &options)
          }
        ),
        (
          name: "inserter",
          body: {
            unsafe folio_ref_inc(page.folio)
            unsafe folio_add_file_rmap_pte(page.folio, page.page, 11)
          }
        ),
      ],
      conclude: {
        let idle = unsafe folio_is_idle(page.folio, FOLIO_UNPINNED)
        require(idle, "CI59", "a mapping looks like a pin")
      },
      tearDown: { page.close() })
  }

  private static let begin = Scenario(
    "idle-begin", "an idle wait without a thread begins against the last put: it goes on",
    obligations: ["idle at once", "resumed later"]
  ) { settings in
    let page = try Page(settings, references: 1)
    let continued = try Continued()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "beginner",
          body: {
            unsafe _ = continued.begin(page, pgmap_idle_condition(page.pgmap))
          }
        ),
        (name: "holder", body: { unsafe put_page(page.page) }),
      ],
      conclude: {
        obligations.reach(continued.done.load() == 1 ? 0 : 1)
        continued.requireOnce()
        requireNoWaiter(settings.rules)
      },
      tearDown: {
        continued.free()
        page.close()
      })
  }

  /// Begin, wake and cancel race for one waiter: it goes on exactly once.
  private static let callback = Scenario(
    "idle-callback", "an idle wait without a thread: begin against the last put against cancel",
    rules: [.strict],
    obligations: ["idle at once", "cancelled before it began", "resumed later"]
  ) { settings in
    let page = try Page(settings, references: 1)
    let continued = try Continued()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "beginner",
          body: {
            guard continued.begin(page, FOLIO_UNPINNED) else { return }
            obligations.reach(unsafe folio_idle_callback_cancelled(continued.wait) ? 1 : 0)
          }
        ),
        (name: "holder", body: { unsafe folio_put(page.folio) }),
        (name: "canceller", body: { unsafe folio_idle_callback_cancel(continued.wait) }),
      ],
      conclude: {
        if continued.resumed.load() > 0 { obligations.reach(2) }
        continued.requireOnce()
        requireNoWaiter(settings.rules)
      },
      tearDown: {
        continued.free()
        page.close()
      })
  }
}
