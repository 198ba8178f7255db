// SPDX-License-Identifier: MIT

// C64: a lookup without a read section.
//
//   1. T1 loads the map of a frame from the registry.
//   2. T2 erases the entry, waits for readers - T1 is none - and frees the map.
//   3. T1 tries to take a reference: in freed memory.
//
// Guard: the read section around load and tryget in get_dev_pagemap(). The map of this test lies in
// memory of its own, so that its first access can be watched: it must be inside a section. Run
// time: none to speak of. A failure shows an access outside (CI31).

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C64: a lookup touches the map only inside a read section",
    .enabled(if: FaultPoint.isSupported))
  func c64() throws {
    let memory = unsafe mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    defer { unsafe munmap(memory, 4096) }
    let map = unsafe memory.bindMemory(to: dev_pagemap.self, capacity: 1)
    // The last frames that a device can have: automatic choice begins at the other end.
    let range = pfn_range(start: (1 << 30) - 512, end: (1 << 30) - 1)
    let status = unsafe percpu_ref_init(&map.pointee.ref) { _ in }
    #expect(status == 0)
    try #require(unsafe cfolio_pgmap_register(map, range) == 0)

    var inSection = false
    var found: UnsafeMutablePointer<dev_pagemap>?
    let reached = unsafe FaultPoint.run(at: memory) {
      inSection = rcu_read_lock_held()
    } body: {
      unsafe found = get_dev_pagemap(range.start + 3)
    }
    #expect(reached)
    #expect(inSection, "the map could be freed between load and tryget")
    #expect(unsafe found == map)
    unsafe put_dev_pagemap(found)
    cfolio_pgmap_unregister(range)
    synchronize_rcu()
    #expect(unsafe get_dev_pagemap(range.start) == nil)
    unsafe percpu_ref_exit(&map.pointee.ref)
  }
}
