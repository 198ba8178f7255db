// SPDX-License-Identifier: MIT

// Event rings that are cleared, or that there is no memory for, while events come.

import CFolio
import FolioCore

enum Records {
  static let scenarios = [lost]

  private static let lost = Scenario(
    "trace-lost", "events of two threads, one ring, and a clear: each is kept, cleared or lost",
    rules: [.strict],
    obligations: ["one was kept", "both were kept", "one was lost", "all cleared"]
  ) { settings in
    // One ring that nobody writes to; there is no memory for another.
    MappingCounts.leaveRing()
    let pages = try RAMPages(1)
    let gone = try SharedWord("gone")
    let obligations = settings.obligations
    cfolio_trace_clear()
    cfolio_trace_enable(true)
    cfolio_fault_injection(1, 1)
    let page = unsafe pages.page(0)
    let writer = {
      unsafe cfolio_trace_emit(PAGE_REF_MOD, page, 1, 1)
      unsafe cfolio_trace_thread_exit(folio_this_thread())
    }
    return ProgramWorld(
      [
        (name: "writer", body: writer), (name: "writer", body: writer),
        (
          name: "clearer",
          body: {
            gone.store(Int32(cfolio_trace_available()))
            cfolio_trace_clear()
          }
        ),
      ],
      conclude: {
        let (kept, lost) = (cfolio_trace_available(), cfolio_trace_lost())
        require(cfolio_trace_enabled(), "TRACE", "clearing switched the log off")
        require(kept >= 0 && kept + lost <= 2, "TRACE", "more records than events")
        if kept == 1 { obligations.reach(0) }
        if kept == 2 { obligations.reach(1) }
        if lost > 0 { obligations.reach(2) }
        if kept == 0 && gone.load() > 0 { obligations.reach(3) }
      },
      tearDown: {
        cfolio_fault_injection(0, 0)
        cfolio_trace_enable(false)
        pages.tearDown()
        gone.free()
      })
  }
}
