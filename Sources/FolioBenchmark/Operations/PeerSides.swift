// SPDX-License-Identifier: MIT

// Peers that several operations have in common, each with its own memory and its own comparison of
// counters at the end of a batch.

import BenchmarkPeers
internal import Synchronization

enum PeerSides {
  /// Owns counters of peers/atomics.h.
  @safe private final class Counters {
    let handle: OpaquePointer

    init?(count: Int, value: Int32) {
      guard let handle = unsafe c11_counters_create(count, value) else { return nil }
      unsafe self.handle = handle
    }

    deinit { unsafe c11_counters_destroy(handle) }
  }

  /// A loop over <stdatomic.h> counters that end where they began.
  static func cAtomics(
    count: Int = 1, idle: Int32 = 1,
    _ body: @escaping (_ counters: OpaquePointer, _ mask: Int, _ first: Int, _ count: Int) -> Int
  ) -> Side {
    guard let counters = Counters(count: count, value: idle) else {
      return Side(Peer.cAtomics, refused: Refusal("no memory"))
    }
    return Side(
      Peer.cAtomics,
      loop: Loop { _, first, iterations in
        unsafe body(counters.handle, count - 1, first, iterations)
      },
      verify: { _, verifier in
        for index in 0..<min(count, 1024) {
          verifier.expect(
            unsafe c11_counter_value(counters.handle, index), idle, "C counter \(index)")
        }
      })
  }

  static func swiftARC() -> Side {
    let object = SwiftPeers.Counted()
    return Side(
      Peer.swiftARC,
      loop: Loop { _, _, count in
        unsafe SwiftPeers.retainRelease(Unmanaged.passUnretained(object), count)
      })
  }

  static func swiftWeak() -> Side {
    let holder = SwiftPeers.WeakHolder()
    return Side(
      Peer.swiftWeak, loop: Loop { _, _, count in SwiftPeers.weakLoad(holder, count) })
  }

  /// - Parameter body: the pair to time on the counter.
  static func swiftAtomic(_ body: @escaping (SwiftPeers.Counter, Int) -> Int) -> Side {
    let counter = SwiftPeers.Counter()
    return Side(
      Peer.swiftAtomic, loop: Loop { _, _, count in body(counter, count) },
      verify: { _, verifier in
        verifier.expect(counter.value.load(ordering: .relaxed), 1, "Swift counter")
      })
  }

  @safe private final class SharedPointer {
    let handle: OpaquePointer

    init?() {
      guard let handle = unsafe standard_pointer_create() else { return nil }
      unsafe self.handle = handle
    }

    deinit { unsafe standard_pointer_destroy(handle) }
  }

  static func sharedPointer() -> Side {
    guard let pointer = SharedPointer() else {
      return Side(Peer.sharedPointer, refused: Refusal("no memory"))
    }
    return Side(
      Peer.sharedPointer,
      loop: Loop { _, _, count in
        unsafe standard_pointer_copy(pointer.handle, count)
        return count
      },
      verify: { _, verifier in
        verifier.expect(unsafe standard_pointer_owners(pointer.handle), 1, "shared_ptr owners")
      })
  }

  @safe private final class Map {
    let handle: OpaquePointer

    init?(first: UInt, count: Int, stride: UInt) {
      guard
        let handle = unsafe standard_map_create(UInt64(first), UInt64(count), UInt64(stride))
      else {
        return nil
      }
      unsafe self.handle = handle
    }

    deinit { unsafe standard_map_destroy(handle) }
  }

  /// - Parameter body: the lookups to time.
  static func unorderedMap(
    _ name: String = Peer.unorderedMap, first: UInt, count: Int, stride: UInt = 1,
    _ body: @escaping (_ map: OpaquePointer, _ thread: Int, _ first: Int, _ count: Int) -> Int
  ) -> Side {
    guard let map = Map(first: first, count: count, stride: stride) else {
      return Side(name, refused: Refusal("no memory"))
    }
    return Side(
      name,
      loop: Loop { thread, first, count in unsafe body(map.handle, thread, first, count) })
  }

  /// A seed per thread and place in its sequence, never 0.
  static func seed(_ thread: Int, _ first: Int) -> UInt64 {
    (UInt64(thread) &+ 1) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(first) &* 0xbf58_476d_1ce4_e5b9 | 1
  }
}
