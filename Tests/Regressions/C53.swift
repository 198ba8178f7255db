// SPDX-License-Identifier: MIT

// C53: counting mappings of a large folio without the bit lock.
//
//   1. L is read, changed and stored, with two owner slots beside it; nothing of that is atomic.
//   2. T1 and T2 map the folio for two address spaces: both read L == 0.
//   3. Both store 1. One mapping is lost, or one slot.
//
// Guard: the bit lock in _mm_ids, in folio_add_large_mapcount() and folio_sub_large_mapcount(). The
// test holds the lock and sees the others wait. The race itself is litmus T13. Run time: 0.1 s. A
// failure shows L changed under the lock (CI12).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C53: nobody counts a mapping while the owner slots are locked")
  func c53() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 9))
    let frame = map.frames.lowerBound
    let folio = unsafe map.folio(frame)
    // The word itself, byte 104 of the folio (core.md 1.2): Swift sees a copy of union fields.
    let ids = unsafe UnsafeMutableRawPointer(folio).advanced(by: 104)
      .assumingMemoryBound(to: shared_t.self)
    let steps: [(String, Int32, @Sendable () -> Void)] = [
      ("add", 1, { unsafe folio_add_file_rmap_pte(map.folio(frame), map.page(frame), 11) }),
      ("add PMD", 2, { unsafe folio_add_file_rmap_pmd(map.folio(frame), 22) }),
      ("remove PMD", 1, { unsafe folio_remove_rmap_pmd(map.folio(frame), 22) }),
      ("remove", 0, { unsafe folio_remove_rmap_pte(map.folio(frame), map.page(frame), 11) }),
    ]
    for (name, after, step) in steps {
      let before = unsafe folio_large_mapcount(folio)
      unsafe bit_spin_lock(FOLIO_MM_IDS_LOCK_BITNUM, ids)
      let thread = NativeThread.begun { step() }
      let changed = poll(milliseconds: 20) { unsafe folio_large_mapcount(folio) != before }
      #expect(!changed, "\(name) did not wait for the lock")
      unsafe bit_spin_unlock(FOLIO_MM_IDS_LOCK_BITNUM, ids)
      thread.join()
      #expect(unsafe folio_large_mapcount(folio) == after, "\(name)")
    }
    #expect(unsafe folio_mm_slots(folio).id0 == 0 && folio_mm_slots(folio).id1 == 0)
  }
}
