// SPDX-License-Identifier: MIT
// What the plain XArray calls promise, one rule a test: multi-index entries, replacement, ranges,
// marks, bad input. Cursors are in XArrayCursorTests.swift.

import CFolio
import Glibc
import Testing

@Suite("XArray")
struct XArrayTests {
  let array = TestXArray()

  @Test("an entry is what its kind says")
  func entryKinds() {
    #expect(unsafe xa_is_value(xa_mk_value(0)))
    #expect(unsafe xa_to_value(xa_mk_value(UInt.max >> 1)) == .max >> 1)
    #expect(unsafe xa_is_internal(xa_mk_internal(256)))
    #expect(unsafe xa_to_internal(xa_mk_internal(256)) == 256)
    #expect(unsafe !xa_is_value(xa_mk_internal(1)) && !xa_is_err(xa_mk_internal(1)))
    #expect(unsafe xa_err(xa_mk_value(.max >> 1)) == 0 && xa_err(nil) == 0)
  }

  @Test("the first and the last index hold entries of their own")
  func extremeIndices() {
    for index in [0, 1, 63, 64, 1 << 32, .max - 1, .max] as [UInt] {
      #expect(array.store(index, index >> 1) == .entry(nil))
    }
    for index in [0, 1, 63, 64, 1 << 32, .max - 1, .max] as [UInt] {
      #expect(array.load(index) == index >> 1)
    }
    #expect(array.load(2) == nil && array.load(.max - 2) == nil)
    let hit = XArrayHit(index: .max - 1, value: .max >> 1)
    #expect(array.find(after: 1 << 32, through: .max) == hit)
    #expect(array.find(after: .max, through: .max) == nil)
    #expect(array.brokenRule == nil)
  }

  @Test("pointers are stored as they are")
  func pointers() {
    let target = UnsafeMutablePointer<UInt32>.allocate(capacity: 2)
    defer { unsafe target.deallocate() }
    let raw = unsafe UnsafeMutableRawPointer(target + 1)
    #expect(unsafe xa_store(array.pointer, 7, raw) == nil)
    #expect(unsafe xa_load(array.pointer, 7) == raw)
    #expect(unsafe xa_erase(array.pointer, 7) == raw)
    #expect(array.isEmpty)
  }

  @Test(
    "a multi-index entry is seen from every index it covers and from no other",
    arguments: [0, 1, 2, 5, 6, 7, 9, 11, 12] as [UInt32])
  func multiIndex(order: UInt32) {
    let size = UInt(1) << order
    #expect(array.store(3 * size + size / 2, order: order, 42) == .entry(nil))
    #expect((3 * size..<4 * size).allSatisfy { array.load($0) == 42 })
    #expect(array.load(3 * size - 1) == nil && array.load(4 * size) == nil)
    #expect(array.order(3 * size + size - 1) == Int32(order))
    #expect(array.erase(3 * size + size / 3) == 42)
    #expect(array.isEmpty)
  }

  @Test("a store inside a larger entry replaces it whole and keeps its range and marks")
  func smallerReplacesWhole() {
    _ = array.store(512, order: 9, 1)
    array.setMark(600, XA_MARK_1)
    #expect(array.store(777, 2) == .entry(1))
    #expect(array.load(512) == 2 && array.load(1023) == 2)
    #expect(array.order(512) == 9 && array.mark(1000, XA_MARK_1))
    #expect(array.store(1023, nil) == .entry(2))
    #expect(array.load(512) == nil && array.isEmpty && !array.isMarked(XA_MARK_1))
  }

  @Test("a larger entry replaces all smaller ones, takes their marks and frees their nodes")
  func largerReplacesAll() {
    for index in stride(from: 4096 as UInt, to: 8192, by: 3) { _ = array.store(index, index) }
    array.setMark(4096 + 300, XA_MARK_2)
    let before = array.nodes
    #expect(array.store(5000, order: 12, 9) == .entry(4096))
    #expect(before == 66 && array.nodes == 1)
    #expect(array.load(4097) == 9 && array.load(8191) == 9 && array.load(8192) == nil)
    #expect(array.mark(4096, XA_MARK_2) && !array.mark(4096, XA_MARK_0))
    #expect(array.brokenRule == nil)
  }

  @Test("the tree is as low as its highest index and order allow")
  func height() {
    _ = array.store(0, 1)
    #expect(array.nodes == 1)
    _ = array.store(1 << 40, 2)
    #expect(array.nodes == 13)
    #expect(array.erase(1 << 40) == 2)
    #expect(array.nodes == 1 && array.load(0) == 1)
    #expect(array.erase(0) == 1)
    #expect(array.nodes == 0 && array.isEmpty)
    // 2^24 frames in one slot of one node.
    #expect(array.storeRange((1 << 24)...(1 << 25 - 1), 5) == 0)
    #expect(array.nodes == 1 && array.order(1 << 24) == 24)
  }

  @Test("a range is stored in the fewest aligned entries, and removed in any other cut")
  func ranges() {
    #expect(array.storeRange(5...1030, 7) == 0)
    var pieces: [UInt] = []
    var next: UInt = 0
    while let hit = array.find(from: next, through: .max) {
      pieces.append(hit.index)
      next = hit.index + (1 << UInt(array.order(hit.index)))
    }
    #expect(pieces == [5, 6, 8, 16, 32, 64, 128, 256, 512, 1024, 1028, 1030])
    #expect(array.load(4) == nil && array.load(1031) == nil)
    #expect(array.storeRange(0...4095, nil) == 0)
    #expect(array.isEmpty)
  }

  @Test("the whole index range can be one entry's and be erased")
  func wholeRange() {
    #expect(array.storeRange(0...(.max), 3) == 0)
    #expect(array.load(0) == 3 && array.load(.max) == 3 && array.order(.max) == 63)
    #expect(array.nodes == 1)
    #expect(array.find(after: 0, through: .max) == XArrayHit(index: 1 << 63, value: 3))
    #expect(array.find(after: 1 << 63, through: .max) == nil)
    #expect(array.storeRange(0...(.max), nil) == 0)
    #expect(array.isEmpty)
  }

  @Test("insert and exchange change nothing when the index is not as expected")
  func conditionalStores() {
    _ = array.store(128, order: 6, 1)
    #expect(array.insert(130, 2) == -EBUSY && array.load(130) == 1)
    #expect(array.insert(192, 2) == 0 && array.load(192) == 2)
    #expect(array.exchange(130, from: 5, to: 6) == .entry(1) && array.load(128) == 1)
    #expect(array.exchange(130, from: 1, to: 6) == .entry(1) && array.load(128) == 6)
    #expect(array.exchange(64, from: nil, to: 8) == .entry(nil) && array.load(64) == 8)
    #expect(array.exchange(64, from: 8, to: nil) == .entry(8) && array.load(64) == nil)
  }

  @Test("what cannot be stored is refused and nothing changes")
  func badInput() {
    _ = array.store(9, 1)
    let retry = unsafe xa_mk_internal(256)
    #expect(unsafe xa_err(xa_store(array.pointer, 9, retry)) == -EINVAL)
    #expect(unsafe xa_err(xa_cmpxchg(array.pointer, 9, entry(1), retry)) == -EINVAL)
    #expect(unsafe xa_insert(array.pointer, 10, retry) == -EINVAL)
    #expect(unsafe xa_insert(array.pointer, 10, nil) == -EINVAL)
    #expect(unsafe xa_err(xa_store_range(array.pointer, 3, 2, entry(1))) == -EINVAL)
    #expect(unsafe xa_err(xa_store_range(array.pointer, 2, 3, retry)) == -EINVAL)
    #expect(array.load(9) == 1 && array.load(10) == nil)
  }

  @Test("marks are found, survive replacement and go with their entry")
  func marks() {
    for index in [2, 70, 5000, 1 << 30] as [UInt] { _ = array.store(index, index) }
    _ = array.store(1 << 20, order: 9, 1)
    array.setMark(70, XA_MARK_0)
    array.setMark(1 << 20 + 511, XA_MARK_0)
    array.setMark(3, XA_MARK_0)
    #expect(!array.mark(3, XA_MARK_0), "no entry, no mark")
    #expect(array.find(from: 0, through: .max, XA_MARK_0) == XArrayHit(index: 70, value: 70))
    #expect(array.find(after: 70, through: .max, XA_MARK_0) == XArrayHit(index: 1 << 20, value: 1))
    #expect(
      array.find(from: 1 << 20 + 9, through: .max, XA_MARK_0)
        == XArrayHit(index: 1 << 20 + 9, value: 1))
    #expect(array.find(after: 1 << 20 + 9, through: .max, XA_MARK_0) == nil)
    _ = array.store(70, 71)
    #expect(array.mark(70, XA_MARK_0))
    _ = array.erase(70)
    _ = array.store(70, 72)
    #expect(!array.mark(70, XA_MARK_0))
    array.clearMark(1 << 20, XA_MARK_0)
    #expect(!array.isMarked(XA_MARK_0))
    #expect(array.brokenRule == nil)
  }

  @Test("a destroyed array is empty and can be used again")
  func destroyAndReuse() {
    for index in 0..<1000 as Range<UInt> { _ = array.store(index * 977, index) }
    array.setMark(977, XA_MARK_2)
    unsafe xa_destroy(array.pointer)
    #expect(array.isEmpty && !array.isMarked(XA_MARK_2))
    #expect(array.store(977, 1) == .entry(nil) && !array.mark(977, XA_MARK_2))
  }

  @Test("an order or a mark that does not exist, and a store without the lock, stop the process")
  func misuse() async {
    await #expect(processExitsWith: .failure) {
      let array = TestXArray()
      _ = unsafe cfolio_xa_state(array.pointer, 0, 64)
    }
    await #expect(processExitsWith: .failure) {
      let array = TestXArray()
      array.setMark(0, 3)
    }
    await #expect(processExitsWith: .failure) {
      let array = TestXArray()
      var cursor = unsafe cfolio_xa_state(array.pointer, 0, 0)
      _ = unsafe xas_store(&cursor, entry(1))
    }
  }
}
