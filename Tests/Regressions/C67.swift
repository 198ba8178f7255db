// SPDX-License-Identifier: MIT

// C67: adding the per-CPU counts one CPU at a time.
//
//   1. A percpu_ref is switched to atomic mode. The gets of three holders were counted on CPU 1.
//   2. T1 takes the bias off and adds CPU 0's share: the count is that of the initial reference.
//   3. T2 drops references of holders: the count passes through 0, release() runs.
//   4. T1 adds CPU 1's share to a count whose object is gone.
//
// Guards: switch_confirmed() sums first and adds once; until then the bias keeps the count away
// from 0. The test lays the slots across a page boundary, and T2 runs at T1's first access to those
// of CPU 1. And the sum is taken after a grace period, or a get that was under way is not in it: T2
// kills between any few instructions of T1's get. Run time: 0.2 s. A failure shows a release while
// references are held (CI30).

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C67: no put during a switch sees the count at 0",
    .enabled(if: folio_nr_cpus() > 1 && FaultPoint.isSupported))
  func c67() {
    let size = (Int(folio_nr_cpus()) * MemoryLayout<percpu_slot>.stride + 8191) & ~4095
    let memory = unsafe mmap(
      nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    defer { unsafe munmap(memory, size) }
    let slots = unsafe memory.advanced(by: 4096 - MemoryLayout<percpu_slot>.stride)
      .bindMemory(to: percpu_slot.self, capacity: Int(folio_nr_cpus()))
    let count = unsafe KilledCount(at: .allocate(byteCount: KilledCount.size, alignment: 16))
    defer { unsafe count.ref.deallocate() }
    unsafe count.start()
    unsafe atomic_long_set(long(slots + 1), 3)
    let own = unsafe shared_xchg(word(count), UInt(bitPattern: slots))

    var early = -1
    let reached = unsafe FaultPoint.run(at: slots + 1) {
      unsafe percpu_ref_put(count.ref)
      unsafe percpu_ref_put(count.ref)
      early = unsafe count.releases
    } body: {
      unsafe percpu_ref_switch_to_atomic(count.ref, nil)
      rcu_barrier()
    }
    #expect(reached)
    #expect(early == 0, "released while one holder and the owner have references")
    #expect(unsafe percpu_ref_value(count.ref) == 2)

    unsafe percpu_ref_kill(count.ref)
    #expect(unsafe count.releases == 0)
    unsafe percpu_ref_put(count.ref)
    #expect(unsafe count.releases == 1)
    let flags = unsafe shared_xchg(word(count), 0) & 3
    unsafe _ = shared_xchg(word(count), own | flags)
    unsafe percpu_ref_exit(count.ref)
  }

  @Test(
    "C67: a get during the kill is counted or refused",
    .enabled(if: SingleStep.isSupported))
  func c67Stepped() {
    let count = unsafe KilledCount(at: .allocate(byteCount: KilledCount.size, alignment: 16))
    defer { unsafe count.ref.deallocate() }
    var got = false
    var outcomes = (0, 0)
    let places = SingleStep.interleave(
      places: 300, stride: 4,
      prepare: { unsafe count.start() },
      step: { unsafe percpu_ref_kill(count.ref) },
      check: { place in
        rcu_barrier()
        #expect(unsafe count.releases == (got ? 0 : 1), "killed at place \(place)")
        if got { unsafe percpu_ref_put(count.ref) }
        #expect(unsafe count.releases == 1)
        unsafe percpu_ref_exit(count.ref)
        if got { outcomes.0 += 1 } else { outcomes.1 += 1 }
      },
      body: { got = unsafe percpu_ref_tryget_live(count.ref) })
    #expect(places > 5 && outcomes.0 > 0 && outcomes.1 > 0)
  }

  /// The word with the slots and the mode bits, which a percpu_ref begins with.
  private func word(_ count: KilledCount) -> UnsafeMutablePointer<shared_t> {
    unsafe UnsafeMutableRawPointer(count.ref).assumingMemoryBound(to: shared_t.self)
  }

  /// The count that a slot begins with.
  private func long(
    _ slot: UnsafeMutablePointer<percpu_slot>
  ) -> UnsafeMutablePointer<atomic_long_t> {
    unsafe UnsafeMutableRawPointer(slot).assumingMemoryBound(to: atomic_long_t.self)
  }
}
