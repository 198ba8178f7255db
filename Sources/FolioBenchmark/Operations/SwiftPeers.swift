// SPDX-License-Identifier: MIT

// What a Swift program would use instead: ARC, weak references, Atomic, a Dictionary under a Mutex.

import BenchmarkPeers
internal import Synchronization

enum SwiftPeers {
  /// An object to count references to.
  final class Counted: Sendable {
    let words = (1, 2, 3, 4)
  }

  @inline(never)
  static func retainRelease(_ object: Unmanaged<Counted>, _ count: Int) -> Int {
    var index = 0
    while index < count {
      _ = unsafe object.retain()
      unsafe harness_observe(object.toOpaque())
      unsafe object.release()
      index &+= 1
    }
    return count
  }

  /// An object behind a weak reference: the try_get of ARC. Its own class instance, because an
  /// object that ever had a weak reference counts slower for ever.
  final class WeakHolder: @unchecked Sendable {
    // @unchecked: written once, before the threads read it.
    weak var object: Counted?
    let owner = Counted()

    init() {
      object = owner
    }
  }

  @inline(never)
  static func weakLoad(_ holder: WeakHolder, _ count: Int) -> Int {
    var got = 0
    for _ in 0..<count {
      if let object = holder.object {
        got &+= object.words.0
      }
    }
    return got
  }

  /// A counter that idles at 1, on a cache line of its own.
  final class Counter: Sendable {
    let padding = (0, 0, 0, 0, 0, 0, 0, 0)
    let value = Atomic<Int32>(1)
    let morePadding = (0, 0, 0, 0, 0, 0, 0, 0)
  }

  /// Raise unless 0, then lower and test: what folio_try_get and folio_put do.
  @inline(never)
  static func atomicTryGetPut(_ counter: Counter, _ count: Int) -> Int {
    var got = 0
    for _ in 0..<count {
      var value = counter.value.load(ordering: .relaxed)
      while value != 0 {
        let (done, seen) = counter.value.compareExchange(
          expected: value, desired: value &+ 1, successOrdering: .acquiringAndReleasing,
          failureOrdering: .relaxed)
        if done { break }
        value = seen
      }
      if value == 0 { continue }
      got &+= 1
      let left = counter.value.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
      if left == 0 { return got }
    }
    return got
  }

  /// Raise, then lower and test.
  @inline(never)
  static func atomicGetPut(_ counter: Counter, _ count: Int) -> Int {
    for done in 0..<count {
      counter.value.wrappingAdd(1, ordering: .relaxed)
      let left = counter.value.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
      if left == 0 { return done }
    }
    return count
  }

  /// What a frame number leads to: 64 bytes that name their owner, like a struct page.
  struct Descriptor {
    var flags: UInt = 0
    var owner: UInt = Self.ownerWord
    var words: (UInt, UInt, UInt, UInt, UInt, UInt) = (0, 0, 0, 0, 0, 0)

    static let ownerWord: UInt = 0x1000
  }

  /// Frames to descriptors, under a lock.
  @safe
  final class Table: @unchecked Sendable {
    // @unchecked: the descriptors are written here only; the dictionary is locked.
    let entries: Mutex<[UInt: UnsafePointer<Descriptor>]>
    private let descriptors: UnsafeMutablePointer<Descriptor>
    let first: UInt
    let count: Int
    let stride: UInt

    init(first: UInt, count: Int, stride: UInt = 1) {
      self.first = first
      self.count = count
      self.stride = stride
      unsafe descriptors = .allocate(capacity: count)
      unsafe descriptors.initialize(repeating: Descriptor(), count: count)
      var entries = unsafe [UInt: UnsafePointer<Descriptor>](minimumCapacity: count)
      for index in 0..<count {
        unsafe entries[first + UInt(index) * stride] = UnsafePointer(descriptors + index)
      }
      unsafe self.entries = Mutex(entries)
    }

    deinit { unsafe descriptors.deallocate() }

    @inline(__always)
    func contains(_ frame: UInt) -> Bool {
      unsafe entries.withLock { unsafe $0[frame] != nil }
    }

    /// From the frame to the owner that its descriptor names.
    @inline(__always)
    func lookUp(_ frame: UInt) -> Bool {
      unsafe entries.withLock { entries in
        unsafe entries[frame]?.pointee.owner == Descriptor.ownerWord
      }
    }
  }

  @inline(never)
  static func lookUpRandom(_ table: Table, _ seed: UInt64, _ count: Int) -> Int {
    var state = seed
    var hits = 0
    let (first, keys, stride) = (table.first, UInt64(table.count), table.stride)
    for _ in 0..<count {
      let key = first &+ UInt(scale_key(unsafe next_key(&state), keys)) &* stride
      hits &+= table.lookUp(key) ? 1 : 0
    }
    return hits
  }

  /// The same, without following the entry.
  @inline(never)
  static func findRandom(_ table: Table, _ seed: UInt64, _ count: Int) -> Int {
    var state = seed
    var hits = 0
    let (first, keys, stride) = (table.first, UInt64(table.count), table.stride)
    for _ in 0..<count {
      let key = first &+ UInt(scale_key(unsafe next_key(&state), keys)) &* stride
      hits &+= table.contains(key) ? 1 : 0
    }
    return hits
  }

  @inline(never)
  static func lookUpSequential(_ table: Table, _ start: Int, _ count: Int) -> Int {
    var offset = start % table.count
    var hits = 0
    for _ in 0..<count {
      let key = table.first &+ UInt(offset) &* table.stride
      hits &+= table.lookUp(key) ? 1 : 0
      offset &+= 1
      if offset == table.count { offset = 0 }
    }
    return hits
  }
}
