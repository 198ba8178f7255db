// SPDX-License-Identifier: MIT

// C25: pins of the zero page that count.
//
//   1. Threads read memory that was never written: everybody maps the zero page.
//   2. They pin it, for reading, again and again: each pin adds 1024 to R.
//   3. After two million pins R overflows; the last unpin frees a page that is never freed.
//
// Guard: uncounted() in gup.c, asked by every way to take a pin and to give one back. No
// interleaving is needed. In a process of its own, whose zero page it replaces. Run time: 0.02 s. A
// failure shows an R that changes (CI20).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C25: three million pins of the zero page change nothing")
  func c25() async {
    await #expect(processExitsWith: .success) {
      let space = try TestSpace(PageMap(.fsdax, pages: 512))
      try space.set(0, at: 0, 0)
      unsafe ZeroFolios.with(page: space.page(0)) {
        let folio = unsafe space.folio(0)
        precondition(space.walk(0, 1, FOLL_PIN).count == 1)
        precondition(space.references(0) == 1, "by the fast walk")
        precondition(unsafe try_grab_folio(folio, 1, FOLL_PIN) == 0)
        precondition(space.references(0) == 1, "by the slow one")
        unsafe folio_add_pin(folio)
        for _ in 0..<3 {
          precondition(unsafe folio_add_pins(folio, 1 << 20) == 0)
          precondition(space.references(0) == 1, "by many at once")
        }
        unsafe gup_put_folio(folio, 1, FOLL_PIN)
        space.unpin(1)
        unsafe unpin_folio(folio)
        for _ in 0..<3 { unsafe unpin_user_folio(folio, 1 << 20) }
        precondition(space.references(0) == 1, "given back")
      }
      try space.clear(0)
    }
  }
}
