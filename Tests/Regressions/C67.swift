// SPDX-License-Identifier: MIT

// C67: adding the per-CPU counts one CPU at a time.
//
//   1. A percpu_ref is switched to atomic mode. The gets of three holders were counted on CPU 1.
//   2. T1 takes the bias off and adds CPU 0's share: the count is that of the initial reference.
//   3. T2 drops references of holders: the count passes through 0, release() runs.
//   4. T1 adds CPU 1's share to a count whose object is gone.
//
// Guard: switch_confirmed() sums first and adds once; until then the bias keeps the count away from
// 0. The test lays the slots across a page boundary, and T2 runs at T1's first access to CPU 1's.
// Run time: some ms. A failure shows a release while references are held (CI30).

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

extension Regressions {
  @Test("C67: no put during a switch sees the count at 0", .enabled(if: folio_nr_cpus() > 1))
  func c67() throws {
    let size = (Int(folio_nr_cpus()) * MemoryLayout<percpu_slot>.stride + 8191) & ~4095
    let memory = unsafe mmap(
      nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    defer { unsafe munmap(memory, size) }
    let slots = unsafe memory.advanced(by: 4096 - MemoryLayout<percpu_slot>.stride)
      .bindMemory(to: percpu_slot.self, capacity: Int(folio_nr_cpus()))
    let (ref, own) = try unsafe makeRef(slots)

    let early = PlainWords(1)
    let reached = unsafe FaultPoint.run(at: slots + 1) {
      unsafe percpu_ref_put(&ref.pointee.ref)
      unsafe percpu_ref_put(&ref.pointee.ref)
      unsafe early[0] = ref.pointee.releases
    } body: {
      unsafe percpu_ref_switch_to_atomic(&ref.pointee.ref, nil)
      rcu_barrier()
    }
    #expect(reached)
    #expect(early[0] == 0, "released while one holder and the owner have references")
    #expect(unsafe percpu_ref_value(&ref.pointee.ref) == 2)

    unsafe percpu_ref_kill(&ref.pointee.ref)
    #expect(unsafe ref.pointee.releases == 0)
    unsafe percpu_ref_put(&ref.pointee.ref)
    #expect(unsafe ref.pointee.releases == 1)
    let flags = unsafe shared_xchg(&ref.pointee.ref.percpu_count_ptr, 0) & 3
    unsafe _ = shared_xchg(&ref.pointee.ref.percpu_count_ptr, own | flags)
    unsafe percpu_ref_exit(&ref.pointee.ref)
    unsafe ref.deallocate()
  }

  @unsafe private struct Counted: ~Copyable {
    var ref = unsafe percpu_ref()
    var releases = 0
  }

  /// A reference count in percpu mode that counts in `slots`, three gets on CPU 1; and the slots
  /// that it came with.
  private func makeRef(
    _ slots: UnsafeMutablePointer<percpu_slot>
  ) throws -> (UnsafeMutablePointer<Counted>, UInt) {
    let ref = UnsafeMutablePointer<Counted>.allocate(capacity: 1)
    unsafe ref.initialize(to: Counted())
    let status = unsafe percpu_ref_init(&ref.pointee.ref) { ref in
      let counted = unsafe UnsafeMutableRawPointer(ref).assumingMemoryBound(to: Counted.self)
      unsafe counted.pointee.releases += 1
    }
    try #require(status == 0)
    unsafe atomic_long_set(&slots[1].count, 3)
    let own = unsafe shared_xchg(&ref.pointee.ref.percpu_count_ptr, UInt(bitPattern: slots))
    return unsafe (ref, own)
  }
}
