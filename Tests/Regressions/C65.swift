// SPDX-License-Identifier: MIT

// C65: freeing a map right after its registry entry is erased.
//
//   1. T1 takes the map down. It is drained; T2, in a read section, has loaded the map.
//   2. T1 erases the entry and goes on without a grace period: struct pages and map are freed.
//   3. T2 uses the map.
//
// Guard: synchronize_rcu() between erase and reuse in the teardown. T2 enters its section while the
// map is killed but kept from draining by a reference, drops that, sees the entry erased, and
// stays; the teardown must not end before T2 leaves. Run time: 0.1 s. A failure shows a teardown
// that returned under T2's eyes (CI31).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C65: a teardown ends only after the readers that saw the map have left")
  func c65() throws {
    // Another test's teardown may hold the registry's owner up while it waits for our reader.
    var attempts = 0
    while attempts < 100, try !teardownUnderReader() { attempts += 1 }
    #expect(attempts < 100, "no teardown got as far as the erase")
  }

  /// False: the entry was not erased while the reader could wait for it.
  private func teardownUnderReader() throws -> Bool {
    let map = try PageMap(.fsdax, pages: 512)
    let frame = map.frames.lowerBound
    try #require(unsafe get_dev_pagemap(frame) != nil)
    let (returned, read, erased, leave) = (Flag(), Flag(), Flag(), Flag())
    let teardown = NativeThread {
      // The map is idle and alive, so nothing can be refused.
      try! map.unmap()
      returned.raise()
    }
    // The grace period of the kill must be over, or it would be the one that T2 holds up.
    let dead = poll(milliseconds: 10_000) {
      unsafe atomic_read_acquire(&map.pgmap.pointee.dead_visible) == 1
    }
    #expect(dead)
    let reader = NativeThread {
      rcu_read_lock()
      let found = unsafe cfolio_pgmap_lookup(frame) == map.pgmap
      unsafe put_dev_pagemap(map.pgmap)
      let gone = poll(milliseconds: 100) { unsafe cfolio_pgmap_lookup(frame) == nil }
      if found && gone { erased.raise() }
      read.raise()
      if gone { leave.wait() }
      rcu_read_unlock()
    }
    read.wait()
    if erased.isRaised {
      #expect(!poll(milliseconds: 30) { returned.isRaised }, "the map went under a reader's eyes")
    }
    leave.raise()
    reader.join()
    teardown.join()
    #expect(returned.isRaised)
    return erased.isRaised
  }
}
