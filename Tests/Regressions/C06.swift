// SPDX-License-Identifier: MIT

// C06: deciding who frees by anything but the result of one's own decrement.
//
//   1. R is 2. T1 decrements: 1.
//   2. T2 decrements: 0. T2 frees the page.
//   3. T1 looks at R to see whether it was the last: it reads 0 and frees the page as well.
//
// Guard: page_ref_put_return() - one decrement, its own result, 0 and nothing below. Race and steps
// count the free path's callback; the steps put T2 after each of T1's next instructions. Run time:
// 0.5 s, and the start of a process for the put below 0. A failure shows a page freed twice or not
// at all (CI22), or a process that survives the put (CI21).

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

extension Regressions {
  @Test("C06: two putters free once")
  func c06() async throws {
    await expectRace("c06", try TwoPutters())
  }

  @Test(
    "C06: a put inside a put, between any two instructions after its decrement, frees once",
    .enabled(if: SingleStep.isSupported))
  func c06Stepped() throws {
    let freed = Counter()
    let map = try PageMap(.pciP2PDMA, pages: 512, .init(onFree: { _ in freed.add() }))
    let page = unsafe map.page(map.frames.lowerBound)
    let folio = unsafe page_folio(page)
    var before = 0
    let runs = SingleStep.interleave(
      // From the decrement on, as far as it may take T1 to decide.
      places: 100, mayStep: { unsafe page_ref_count(page) == 1 },
      prepare: {
        before = freed.value
        // Each free drops the map reference of a page that was handed out.
        unsafe percpu_ref_get(&map.pgmap.pointee.ref)
        unsafe set_page_count(page, 2)
      },
      step: { unsafe folio_put(folio) },
      check: { place in
        #expect(freed.value == before + 1, "T2 ran \(place) instructions after T1's decrement")
        #expect(unsafe page_ref_count(page) == 0)
      },
      body: { unsafe folio_put(folio) })
    #expect(runs > 5)
  }

  @Test("C06: a put below 0 stops the process and does not free again")
  func c06BelowZero() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      // Freeing again would end the process with success, which is no signal.
      let map = try PageMap(.pciP2PDMA, pages: 512, .init(onFree: { _ in exit(0) }))
      unsafe folio_put(map.folio(map.frames.lowerBound))
    }
  }
}
