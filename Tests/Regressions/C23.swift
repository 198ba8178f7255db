// SPDX-License-Identifier: MIT

// C23: peer-to-peer memory pinned for a caller that did not ask for it.
//
//   1. T1 pins a buffer for its device. It knows nothing of peer-to-peer memory, but some is
//      mapped.
//   2. The walk finds the page like any other and pins it.
//   3. T1's device cannot reach it; and T2, the memory's driver, cannot take its map down.
//
// Guard: the look at the kind of the map in try_grab_folio() and try_grab_folio_fast() of gup.c,
// and in is_ordinary() of gup_fast.c. No interleaving is needed. Run time: none to speak of. A
// failure shows a pin without FOLL_PCI_P2PDMA (CI44).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C23: only who asks for peer-to-peer memory gets it", arguments: [FOLL_GET, FOLL_PIN])
  func c23(flags: UInt32) throws {
    let space = try TestSpace(PageMap(.pciP2PDMA, pages: 512))
    unsafe zone_device_page_init(space.page(0))
    let folio = unsafe space.folio(0)
    try space.set(0, at: 0)
    let before = space.references(0)
    func giveBack(_ count: Int) {
      if flags == FOLL_PIN { space.unpin(count) } else { space.put(count) }
    }
    let uninvited = space.walk(0, 1, flags).count
    #expect(uninvited == 0 && space.references(0) == before)
    giveBack(uninvited)
    let status = unsafe try_grab_folio(folio, 1, flags)
    #expect(status == -121 && space.references(0) == before)
    if status == 0 { unsafe gup_put_folio(folio, 1, flags) }
    #expect(space.walk(0, 1, flags | FOLL_PCI_P2PDMA).count == 1)
    giveBack(1)
    try space.clear(0)
    unsafe folio_unlock(folio)
    unsafe put_page(space.page(0))
    #expect(space.map.firstBusyFrame == nil)
  }
}
