// SPDX-License-Identifier: MIT

// percpu_ref and the map's own reference (spec: core.md section 6; rows 53-59, CI28-CI31).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("percpu_ref", .serialized)
struct PercpuRefTests {
  /// A ref whose release is counted in a global of this file.
  private static let releases = Counter()

  private func withRef(_ body: (UnsafeMutablePointer<percpu_ref>) throws -> Void) throws {
    let ref = UnsafeMutablePointer<percpu_ref>.allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(ref).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<percpu_ref>.size)
    #expect(unsafe percpu_ref_init(ref, { _ in PercpuRefTests.releases.add() }) == 0)
    try unsafe body(ref)
    rcu_barrier()
    unsafe percpu_ref_exit(ref)
    unsafe ref.deallocate()
  }

  @Test("gets and puts of the percpu mode add up, and the switch loses none")
  func switching() throws {
    try unsafe withRef { ref in
      #expect(unsafe percpu_ref_is_percpu(ref) && percpu_ref_value(ref) == 1)
      unsafe percpu_ref_get_many(ref, 10)
      unsafe percpu_ref_put(ref)
      #expect(unsafe percpu_ref_tryget_many(ref, 2))
      #expect(unsafe percpu_ref_tryget(ref))
      #expect(unsafe percpu_ref_value(ref) == 13)
      unsafe percpu_ref_switch_to_atomic_sync(ref)
      #expect(unsafe !percpu_ref_is_percpu(ref) && percpu_ref_value(ref) == 13)
      #expect(unsafe percpu_ref_tryget_live(ref))
      unsafe percpu_ref_switch_to_percpu(ref)
      #expect(unsafe percpu_ref_is_percpu(ref) && percpu_ref_value(ref) == 14)
      unsafe percpu_ref_put_many(ref, 13)
      #expect(unsafe !percpu_ref_is_zero(ref))
    }
  }

  @Test("a killed ref refuses tryget_live, allows tryget, and releases once at 0")
  func kill() throws {
    try unsafe withRef { ref in
      let before = PercpuRefTests.releases.value
      unsafe percpu_ref_get(ref)
      unsafe percpu_ref_kill_and_confirm(ref) { ref in
        let live = unsafe percpu_ref_tryget_live(ref)
        PercpuRefTests.releases.add(live ? 100 : 0)
      }
      rcu_barrier()
      #expect(unsafe percpu_ref_is_dying(ref))
      #expect(unsafe !percpu_ref_tryget_live(ref))
      #expect(unsafe percpu_ref_tryget(ref))
      unsafe percpu_ref_put(ref)
      #expect(PercpuRefTests.releases.value == before)
      unsafe percpu_ref_put(ref)
      #expect(PercpuRefTests.releases.value == before + 1)
      #expect(unsafe percpu_ref_is_zero(ref) && !percpu_ref_tryget(ref))
      unsafe percpu_ref_reinit(ref)
      #expect(unsafe percpu_ref_value(ref) == 1 && percpu_ref_tryget_live(ref))
      unsafe percpu_ref_put(ref)
      unsafe percpu_ref_kill(ref)
      rcu_barrier()
      unsafe percpu_ref_resurrect(ref)
      #expect(unsafe !percpu_ref_is_dying(ref) && percpu_ref_value(ref) == 1)
    }
  }

  @Test("misuse that the kernel warns about is counted")
  func warnings() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    try unsafe withRef { ref in
      var before = cfolio_warning_count()
      #expect(unsafe percpu_ref_tryget_live_rcu(ref))
      #expect(cfolio_warning_count() > before, "outside a read section")
      unsafe percpu_ref_put(ref)
      unsafe percpu_ref_get(ref)
      unsafe percpu_ref_kill(ref)
      before = cfolio_warning_count()
      unsafe percpu_ref_kill(ref)
      #expect(cfolio_warning_count() > before, "killed twice")
      rcu_barrier()
      before = cfolio_warning_count()
      unsafe percpu_ref_reinit(ref)
      #expect(cfolio_warning_count() > before, "reinit above 0")
      unsafe percpu_ref_put(ref)
      unsafe percpu_ref_kill(ref)
      rcu_barrier()
    }
  }

  @Test("allocation failure is reported and leaves nothing")
  func noMemory() async {
    // In a process of its own: all allocations of the process fail.
    await #expect(processExitsWith: .success) {
      let ref = UnsafeMutablePointer<percpu_ref>.allocate(capacity: 1)
      cfolio_fault_injection(1, 1)
      #expect(unsafe percpu_ref_init(ref, { _ in }) == -12)
      cfolio_fault_injection(0, 0)
      unsafe ref.deallocate()
    }
  }

  @Test("a lookup finds the live map of a frame, and no map once it was killed")
  func lookups() throws {
    let map = try PageMap(.fsdax, pages: 1000)
    let budget = map.mapReferenceCount
    #expect(budget == 1 + 1000)
    for frame in [map.frames.lowerBound, map.frames.lowerBound + 999] {
      let found = unsafe get_dev_pagemap(frame)
      #expect(unsafe found == map.pgmap)
      #expect(map.mapReferenceCount == budget + 1)
      unsafe put_dev_pagemap(found)
    }
    put_dev_pagemap(nil)
    #expect(unsafe get_dev_pagemap(map.frames.upperBound) == nil)
    #expect(unsafe pgmap_pfn_valid(map.pgmap, map.frames.lowerBound + 999))
    #expect(unsafe !pgmap_pfn_valid(map.pgmap, map.frames.upperBound))
    #expect(unsafe pgmap_vmemmap_nr(map.pgmap) == 1 && pgmap_altmap(map.pgmap) == nil)
    let frame = map.frames.lowerBound
    try map.unmap()
    let found = unsafe get_dev_pagemap(frame)
    #expect(unsafe found != map.pgmap)
    unsafe put_dev_pagemap(found)
    #expect(map.audit().isEmpty)
  }
}
