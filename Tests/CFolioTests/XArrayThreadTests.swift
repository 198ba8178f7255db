// SPDX-License-Identifier: MIT
// Lock-free readers against a writer on real threads. Values carry the block they were stored for,
// so that a reader sees by itself when a lookup was led astray.

import CFolio
import FolioWorkloads
import Foundation
import Synchronization
import Testing

/// What a reader found wrong, and when everybody stops.
private final class SharedRun: Sendable {
  let array = TestXArray()
  let stop = Atomic<Bool>(false)
  let lookups = Atomic<Int>(0)
  let complaints = Mutex<[String]>([])

  func complain(_ text: String) {
    complaints.withLock { if $0.count < 5 { $0.append(text) } }
    stop.store(true, ordering: .relaxed)
  }

  /// Runs each body on a thread of its own, all until the deadline or the first complaint.
  func run(seconds: Double, _ bodies: [@Sendable () -> Void]) {
    let done = DispatchSemaphore(value: 0)
    for body in bodies {
      Thread.detachNewThread {
        body()
        done.signal()
      }
    }
    let deadline = Date(timeIntervalSinceNow: seconds)
    while !stop.load(ordering: .relaxed), Date() < deadline { Thread.sleep(forTimeInterval: 0.01) }
    stop.store(true, ordering: .relaxed)
    for _ in bodies { done.wait() }
  }
}

/// A value that says which block it was stored for.
private func encode(_ first: UInt, _ order: UInt32) -> UInt { first << 8 | UInt(order) }

private func covers(_ value: UInt, _ index: UInt) -> Bool {
  let order = value & 0xff
  return index >> order == (value >> 8) >> order
}

@Suite("XArray readers against a writer")
struct XArrayThreadTests {
  /// Entries that are there all the time: order 0, in nodes whose surroundings change.
  static let anchors: [UInt] = [5, 777, 4096 + 64, 40_000]

  @Test("lookups return only entries that cover the index, and miss none that stays")
  func churn() {
    let seed = xarraySeeds([0xc0ffee])[0]
    let run = SharedRun()
    for anchor in Self.anchors {
      _ = run.array.store(anchor, encode(anchor, 0))
      run.array.setMark(anchor, XA_MARK_0)
    }
    run.run(
      seconds: 0.4,
      [
        { Self.write(run, seed: seed) }, { Self.read(run, seed: seed + 1) },
        { Self.scan(run, seed: seed + 2) },
      ])
    let complaints = run.complaints.withLock { $0 }
    #expect(
      complaints.isEmpty,
      "seed \(seed); replay with FOLIO_SEED=\(seed) swift test --filter XArrayThreadTests")
    #expect(run.lookups.load(ordering: .relaxed) > 0, "the readers did nothing")
    #expect(run.array.brokenRule == nil)
  }

  private static func randomIndex(_ generator: inout XArrayGenerator) -> UInt {
    // Far indices come and go and make the tree grow and shrink.
    if generator.below(16) == 0 { return 1 << 30 + UInt(generator.below(100)) }
    return UInt(generator.below(generator.below(2) == 0 ? 256 : 65536))
  }

  private static func write(_ run: SharedRun, seed: UInt64) {
    var generator = XArrayGenerator(seed: seed)
    while !run.stop.load(ordering: .relaxed) {
      let order = UInt32(generator.below(13))
      let index = randomIndex(&generator)
      var cursor = unsafe cfolio_xa_state(run.array.pointer, index, order)
      let block = XArrayModel.block(index, order: order)
      if anchors.contains(where: block.contains) { continue }
      unsafe xas_lock(&cursor)
      let old = unsafe integer(xas_load(&cursor))
      if let old, unsafe xas_get_order(&cursor) > order {
        // A larger entry: replaced whole, so the new value has to speak for its block.
        _ = unsafe xas_store(&cursor, generator.below(4) == 0 ? entry(old) : nil)
      } else {
        _ = unsafe xas_store(
          &cursor, generator.below(3) == 0 ? nil : entry(encode(block.lowerBound, order)))
      }
      if unsafe xas_error(&cursor) != 0 { run.complain("store failed at \(index)") }
      unsafe xas_unlock(&cursor)
    }
  }

  private static func read(_ run: SharedRun, seed: UInt64) {
    var generator = XArrayGenerator(seed: seed)
    var lookups = 0
    while !run.stop.load(ordering: .relaxed) {
      for anchor in anchors where run.array.load(anchor) != encode(anchor, 0) {
        run.complain("entry of \(anchor) missed")
      }
      for _ in 0..<32 {
        let index = randomIndex(&generator)
        if let value = run.array.load(index), !covers(value, index) {
          run.complain("load \(index) returned the entry of \(value >> 8) order \(value & 0xff)")
        }
        lookups += 1
      }
    }
    run.lookups.add(lookups, ordering: .relaxed)
  }

  /// Full scans, each in one read section: entries in order, covering their index, all anchors met.
  private static func scan(_ run: SharedRun, seed: UInt64) {
    var generator = XArrayGenerator(seed: seed)
    while !run.stop.load(ordering: .relaxed) {
      let mark = generator.below(2) == 0 ? XA_MARK_0 : nil
      var cursor = unsafe cfolio_xa_state(run.array.pointer, 0, 0)
      var missing = anchors[...]
      var last: UInt?
      rcu_read_lock()
      while let value = unsafe integer(
        mark.map { unsafe xas_find_marked(&cursor, .max, $0) } ?? xas_next_entry(&cursor, .max))
      {
        let index = unsafe cursor.xa_index
        if let last, index <= last { run.complain("scan went from \(last) back to \(index)") }
        if !covers(value, index) { run.complain("scan at \(index) returned that of \(value >> 8)") }
        if index == missing.first { missing.removeFirst() }
        last = index
      }
      rcu_read_unlock()
      if !missing.isEmpty { run.complain("scan missed \(missing)") }
    }
  }

  // A reader at a sibling slot:
  // 1. The reader loads slot 31 and sees "sibling of slot 0".
  // 2. The writer erases the entry of slots 0...31 and stores another in slot 0 alone.
  // 3. The reader loads slot 0. The entry there does not cover slot 31 and must not be returned.
  // The slots lie on different cache lines, so that the reader often waits between its two loads.
  @Test(
    "a reader at a sibling slot never takes the entry that took the first slot over",
    arguments: [0, 6] as [UInt32])
  func siblingReuse(shift: UInt32) {
    let run = SharedRun()
    let unit = UInt(1) << shift
    // Keeps the node alive between the stores.
    _ = run.array.store(60 * unit, encode(60 * unit, 0))
    let reader: @Sendable () -> Void = {
      var lookups = 0
      while !run.stop.load(ordering: .relaxed) {
        for _ in 0..<64 {
          if let value = unsafe xa_load(run.array.pointer, 31 * unit),
            unsafe xa_to_value(value) & 0xff != UInt(shift) + 5
          {
            run.complain("load \(31 * unit) returned the entry of one slot")
          }
          lookups += 1
        }
      }
      run.lookups.add(lookups, ordering: .relaxed)
    }
    run.run(
      seconds: 0.25,
      [
        reader, reader,
        {
          var cursor = unsafe cfolio_xa_state(run.array.pointer, 0, shift)
          let large = unsafe entry(encode(0, shift + 5))
          let small = unsafe entry(encode(0, shift))
          while !run.stop.load(ordering: .relaxed) {
            unsafe xas_lock(&cursor)
            for _ in 0..<16 {
              unsafe xas_set_order(&cursor, 0, shift + 5)
              _ = unsafe xas_store(&cursor, large)
              _ = unsafe xas_store(&cursor, nil)
              unsafe xas_set_order(&cursor, 0, shift)
              _ = unsafe xas_store(&cursor, small)
            }
            unsafe xas_unlock(&cursor)
          }
        },
      ])
    #expect(run.complaints.withLock { $0 } == [])
    #expect(run.lookups.load(ordering: .relaxed) > 0)
  }
}
