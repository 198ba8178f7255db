// SPDX-License-Identifier: MIT

// The end of a device map (spec: core.md 6.4). Two ways: memunmap_pages(), which blocks until the
// map's references are gone, and the disposal of a map that its owner dropped, which never blocks
// the owner. Neither frees a struct page that somebody still references.

import CFolio

enum Teardown {
  /// `memunmap_pages`: LIVE, DYING (killed), DRAINED (last reference gone), UNREGISTERED (erased and
  /// a grace period passed), GONE. Blocks. Under strict teardown a page that is not idle when the
  /// map is drained stops the process with CI32.
  static func unmap(_ map: Remap.Map) {
    unsafe Remap.drain(map) { ref in
      let map = unsafe Remap.Map(containing: ref)
      unsafe atomic_set_release(&map.pointee.dead_visible, 1)
    }
    if unsafe map.pointee.strict_teardown {
      for frames in unsafe map.frameRanges {
        let idleCount = unsafe pgmap_idle_count(map)
        if let frame = FrameSpace.firstBusyFrame(in: frames, idleCount: idleCount) {
          unsafe cfolio_bug_text(
            "CI32", pfn_to_page(frame), "device map torn down with a page in use")
        }
      }
    }
    unsafe cfolio_ledger_stop(map)
    unsafe Remap.removeRanges(map)
    unsafe percpu_ref_exit(&map.pointee.ref)
    if unsafe map.hasPutHook { cfolio_events_disable(Int32(FOLIO_EVENT_MANAGED.rawValue)) }
    if unsafe map.pointee.altmap.alloc != 0 {
      unsafe cfolio_warn_text("altmap memory not returned at the end of a device map")
    }
  }

  /// Waits, away from the caller, until no struct page of the map is referenced, then frees the
  /// dev_pagemap. `live`: the map was never unmapped.
  static func dispose(_ map: Remap.Map, live: Bool) {
    unsafe map.pointee.strict_teardown = false
    if !live && !(unsafe Remap.hasRetiredRange(map)) {
      unsafe free(map)
      return
    }
    let started = unsafe cfolio_run_detached(
      { context in
        let map = unsafe context!.assumingMemoryBound(to: dev_pagemap.self)
        // Drained already when it was unmapped before: the reference then has no slots.
        if unsafe atomic_read(&map.pointee.dead_visible) == 0 { unsafe Teardown.unmap(map) }
        // The last reference of a GENERIC page drops without any event to wait for.
        while unsafe Remap.hasRetiredRange(map) { cfolio_sleep_ns(5_000_000) }
        unsafe Teardown.free(map)
      }, map)
    // Without a thread the map stays: leaked, never dangling.
    if !started { unsafe cfolio_warn_text("no thread to dispose of a device map: it is leaked") }
  }

  private static func free(_ map: Remap.Map) {
    unsafe Driver.detach(map)
    unsafe cfolio_free(map)
  }
}
