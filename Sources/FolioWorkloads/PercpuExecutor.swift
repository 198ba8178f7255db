// SPDX-License-Identifier: MIT
//
// A real percpu_ref beside its counters of callbacks, for the operations of PercpuModel. Switches
// are waited for, as the model has them.

import CFolio

/// Runs operations on a percpu_ref of its own.
@safe
package final class PercpuExecutor {
  /// The ref and, right behind it because callbacks get the ref alone, what they count.
  private let memory: UnsafeMutableRawPointer
  private static let releasesOffset = unsafe MemoryLayout<percpu_ref>.stride
  private static let confirmationsOffset = releasesOffset + MemoryLayout<atomic_t>.stride

  /// nil when there is no memory for the per-CPU slots.
  package init?() {
    let size = Self.confirmationsOffset + MemoryLayout<atomic_t>.stride
    unsafe memory = .allocate(byteCount: size, alignment: 16)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    let ref = unsafe memory.assumingMemoryBound(to: percpu_ref.self)
    // A failed init leaves nothing behind that exit would have to free.
    isUsable = unsafe percpu_ref_init(ref, { unsafe PercpuExecutor.released($0) }) == 0
    if !isUsable { return nil }
  }

  private let isUsable: Bool

  deinit {
    if isUsable {
      rcu_barrier()
      unsafe percpu_ref_exit(ref)
    }
    unsafe memory.deallocate()
  }

  private var ref: UnsafeMutablePointer<percpu_ref> {
    unsafe memory.assumingMemoryBound(to: percpu_ref.self)
  }

  private static func counter(
    _ memory: UnsafeMutableRawPointer, _ offset: Int
  ) -> UnsafeMutablePointer<atomic_t> {
    unsafe (memory + offset).assumingMemoryBound(to: atomic_t.self)
  }

  private static func released(_ ref: UnsafeMutablePointer<percpu_ref>) {
    unsafe atomic_inc(counter(ref, releasesOffset))
  }

  private static func confirmed(_ ref: UnsafeMutablePointer<percpu_ref>) {
    unsafe atomic_inc(counter(ref, confirmationsOffset))
  }

  package var words: PercpuWords {
    var words = PercpuWords()
    words.value = unsafe percpu_ref_value(ref)
    words.isDying = unsafe percpu_ref_is_dying(ref)
    words.releases = unsafe Int(atomic_read(Self.counter(memory, Self.releasesOffset)))
    words.confirmations = unsafe Int(atomic_read(Self.counter(memory, Self.confirmationsOffset)))
    return words
  }

  package func perform(_ operation: PercpuOperation) -> Outcome {
    switch operation {
    case .get(1): unsafe percpu_ref_get(ref)
    case .get(let count): unsafe percpu_ref_get_many(ref, UInt(count))
    case .tryget(1): return .flag(unsafe percpu_ref_tryget(ref))
    case .tryget(let count): return .flag(unsafe percpu_ref_tryget_many(ref, UInt(count)))
    case .put(1): unsafe percpu_ref_put(ref)
    case .put(let count): unsafe percpu_ref_put_many(ref, UInt(count))
    case .trygetLive: return .flag(unsafe percpu_ref_tryget_live(ref))
    case .trygetLiveRCU:
      rcu_read_lock()
      defer { rcu_read_unlock() }
      return .flag(unsafe percpu_ref_tryget_live_rcu(ref))
    case .kill: unsafe percpu_ref_kill(ref)
    case .killAndConfirm:
      unsafe percpu_ref_kill_and_confirm(ref) { unsafe PercpuExecutor.confirmed($0) }
    case .switchToAtomic:
      unsafe percpu_ref_switch_to_atomic(ref) { unsafe PercpuExecutor.confirmed($0) }
    case .switchToAtomicSync: unsafe percpu_ref_switch_to_atomic_sync(ref)
    case .switchToPercpu: unsafe percpu_ref_switch_to_percpu(ref)
    case .reinit: unsafe percpu_ref_reinit(ref)
    case .resurrect: unsafe percpu_ref_resurrect(ref)
    case .isZero: return .flag(unsafe percpu_ref_is_zero(ref))
    case .isDying: return .flag(unsafe percpu_ref_is_dying(ref))
    }
    switch operation {
    case .kill, .killAndConfirm, .switchToAtomic, .switchToAtomicSync: rcu_barrier()
    default: break
    }
    return .none
  }
}
