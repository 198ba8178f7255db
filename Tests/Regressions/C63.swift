// SPDX-License-Identifier: MIT

// C63: looking up a map that is going away.
//
//   1. T1 takes the map down: the reference is killed. T2 still holds a reference on the map.
//   2. T3 looks the map up. The registry still names it and its count is not 0.
//   3. With a plain tryget T3 gets a reference. With enough T3s the map is never drained.
//
// Guard: percpu_ref_tryget_live_rcu() in get_dev_pagemap(): no success once the kill is visible
// everywhere. Run time: some ms. A failure shows a lookup that succeeded (CI29).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C63: a killed map is not found, though it is registered and referenced")
  func c63() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let frame = map.frames.lowerBound
    let first = unsafe get_dev_pagemap(frame)
    #expect(unsafe first == map.pgmap)
    let thread = NativeThread {
      // The map is idle and alive, so nothing can be refused.
      try! map.unmap()
    }
    let dead = poll(milliseconds: 10_000) {
      unsafe atomic_read_acquire(&map.pgmap.pointee.dead_visible) == 1
    }
    #expect(dead)
    rcu_read_lock()
    let registered = unsafe cfolio_pgmap_lookup(frame) == map.pgmap
    rcu_read_unlock()
    #expect(registered, "the map must still be registered, or this test shows nothing")
    let second = unsafe get_dev_pagemap(frame)
    #expect(unsafe second == nil)
    unsafe put_dev_pagemap(second)
    unsafe put_dev_pagemap(first)
    thread.join()
    #expect(Violation.takeRecorded(in: map.frames) == [])
  }
}
