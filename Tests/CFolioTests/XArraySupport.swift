// SPDX-License-Identifier: MIT
// What the XArray tests share: an array with an owner, entries as plain integers, and a seeded
// generator. No tests and no model here (XArrayModel.swift).

import CFolio
import Glibc
import TestSupport

/// An `xarray` on the heap whose entries are value entries, seen from Swift as integers.
///
/// Safe to share between threads: lookups are lock-free, changes take the array's own lock.
@safe final class TestXArray: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<xarray>

  init() {
    unsafe pointer = UnsafeMutablePointer<xarray>.allocate(capacity: 1)
    unsafe pointer.initialize(to: xarray())
    unsafe xa_init(pointer)
  }

  deinit {
    unsafe xa_destroy(pointer)
    unsafe pointer.deallocate()
  }

  /// What is broken in the tree, or nil.
  var brokenRule: String? {
    guard let text = unsafe cfolio_xa_verify(pointer) else { return nil }
    return unsafe String(cString: text)
  }

  var isEmpty: Bool { unsafe xa_empty(pointer) }
  var nodes: Int { unsafe cfolio_xa_count_nodes(pointer) }

  func isMarked(_ mark: UInt32) -> Bool { unsafe xa_marked(pointer, mark) }

  func load(_ index: UInt) -> UInt? { unsafe integer(xa_load(pointer, index)) }

  /// `xa_store` of a value entry, or of NULL.
  func store(_ index: UInt, _ value: UInt?) -> XArrayResult {
    unsafe XArrayResult(xa_store(pointer, index, entry(value)))
  }

  func erase(_ index: UInt) -> UInt? { unsafe integer(xa_erase(pointer, index)) }

  func insert(_ index: UInt, _ value: UInt) -> Int32 {
    unsafe xa_insert(pointer, index, entry(value))
  }

  func exchange(_ index: UInt, from old: UInt?, to value: UInt?) -> XArrayResult {
    unsafe XArrayResult(xa_cmpxchg(pointer, index, entry(old), entry(value)))
  }

  func storeRange(_ range: ClosedRange<UInt>, _ value: UInt?) -> Int32 {
    unsafe xa_err(xa_store_range(pointer, range.lowerBound, range.upperBound, entry(value)))
  }

  /// Stores over the aligned block of 2^order indices around the index.
  func store(_ index: UInt, order: UInt32, _ value: UInt?) -> XArrayResult {
    var cursor = unsafe cfolio_xa_state(pointer, index, order)
    var old: UInt?
    repeat {
      unsafe xas_lock(&cursor)
      unsafe old = integer(xas_store(&cursor, entry(value)))
      unsafe xas_unlock(&cursor)
    } while unsafe xas_nomem(&cursor)
    let error = unsafe xas_error(&cursor)
    return error == 0 ? .entry(old) : .error(error)
  }

  func find(from start: UInt, through last: UInt, _ filter: UInt32 = XA_PRESENT) -> XArrayHit? {
    var index = start
    guard let value = unsafe integer(xa_find(pointer, &index, last, filter)) else { return nil }
    return XArrayHit(index: index, value: value)
  }

  func find(after start: UInt, through last: UInt, _ filter: UInt32 = XA_PRESENT) -> XArrayHit? {
    var index = start
    guard let value = unsafe integer(xa_find_after(pointer, &index, last, filter)) else {
      return nil
    }
    return XArrayHit(index: index, value: value)
  }

  func order(_ index: UInt) -> Int32 { unsafe xa_get_order(pointer, index) }
  func setMark(_ index: UInt, _ mark: UInt32) { unsafe xa_set_mark(pointer, index, mark) }
  func clearMark(_ index: UInt, _ mark: UInt32) { unsafe xa_clear_mark(pointer, index, mark) }
  func mark(_ index: UInt, _ mark: UInt32) -> Bool { unsafe xa_get_mark(pointer, index, mark) }

  /// Runs the body with a cursor under the array's lock.
  func withCursor<Result>(
    at index: UInt, order: UInt32 = 0, _ body: (inout xa_state) -> Result
  ) -> Result {
    var cursor = unsafe cfolio_xa_state(pointer, index, order)
    unsafe xa_lock(pointer)
    let result = unsafe body(&cursor)
    unsafe xa_unlock(pointer)
    return result
  }
}

/// An entry and the index at which a search met it.
struct XArrayHit: Equatable {
  var index: UInt
  var value: UInt
}

/// What a store returns: the entry before, or a negative errno.
enum XArrayResult: Equatable {
  case entry(UInt?)
  case error(Int32)

  init(_ pointer: UnsafeMutableRawPointer?) {
    let error = unsafe xa_err(pointer)
    self = error == 0 ? unsafe .entry(integer(pointer)) : .error(error)
  }
}

/// The value entry of an integer.
func entry(_ value: UInt?) -> UnsafeMutableRawPointer? {
  guard let value else { return nil }
  return unsafe xa_mk_value(value)
}

/// The integer of a value entry. Stops at an entry of another kind: tests store no other.
func integer(_ entry: UnsafeMutableRawPointer?) -> UInt? {
  guard let entry = unsafe entry else { return nil }
  precondition(unsafe xa_is_value(entry), "a search returned an internal entry")
  return unsafe xa_to_value(entry)
}

/// A small generator with a known sequence for each seed.
struct XArrayGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &self) }
}

/// The seeds of a test: the given ones, or the one in FOLIO_SEED when a failure is replayed.
func xarraySeeds(_ seeds: [UInt64]) -> [UInt64] { Seed.these(seeds).map(\.value) }
