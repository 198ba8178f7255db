// SPDX-License-Identifier: MIT

// XArray readers against writers. Every value says which range of indices it was stored over, so a
// reader that is handed somebody else's entry notices. Stores, erasures, multi-index stores, marks
// and iteration; stores may fail for want of memory and must then have changed nothing.

import CFolio
package import FolioCore

package final class XArrayRound: StressRound {
  package static let scenario = StressScenario(
    "xarray", "lock-free lookups and iteration against stores of every order"
  ) { try XArrayRound($0) }

  /// Indices in use, a power of two: two levels of nodes and a bit.
  private static let indices: UInt = 1 << 13

  package let maps: [PageMap] = []
  package let coverage = [
    CoverageItem("an entry stored"), CoverageItem("an entry of several indices stored"),
    CoverageItem("an entry loaded"), CoverageItem("an entry met by iteration"),
  ]
  private enum Item: Int { case store, storeWide, load, iterate }
  private let settings: RoundSettings
  private let array: Tree
  /// Nodes of other trees of the process (the registry of device maps).
  private let nodesBefore: Int

  @safe
  private final class Tree: @unchecked Sendable {
    // @unchecked: the array has its own lock and lock-free readers.
    let pointer: UnsafeMutablePointer<xarray>
    init() {
      unsafe pointer = .allocate(capacity: 1)
      unsafe xa_init(pointer)
    }
    deinit { unsafe pointer.deallocate() }
  }

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    array = Tree()
    rcu_barrier()
    nodesBefore = cfolio_xa_nodes()
  }

  /// A value that names the aligned range of 2^order indices at `first`, and a version.
  private static func value(_ first: UInt, _ order: Int, _ version: UInt) -> UInt {
    first << 24 | UInt(order) << 16 | (version & 0xffff)
  }

  private func isStray(_ entry: UnsafeMutableRawPointer, at index: UInt) -> Bool {
    guard unsafe xa_is_value(entry) else { return true }
    let value = unsafe xa_to_value(entry)
    let (first, order) = (value >> 24, (value >> 16) & 0xff)
    return index < first || index >= first + UInt(1) << order
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      if worker.pick(4) == 0 { change(&worker) } else { read(&worker) }
      worker.did()
    }
  }

  private func change(_ worker: inout Worker) {
    let tree = unsafe array.pointer
    let index = UInt(worker.pick(Int(Self.indices)))
    let version = UInt(worker.pick(1 << 16))
    switch worker.pick(8) {
    case 0, 1:
      _ = unsafe xa_erase(tree, index)
    case 2:
      unsafe xa_set_mark(tree, index, XA_MARK_0)
    case 3:
      unsafe xa_clear_mark(tree, index, XA_MARK_0)
    case 4:
      let result = unsafe xa_insert(tree, index, xa_mk_value(Self.value(index, 0, version)))
      check(result == -16 ? 0 : result, index)
    default:
      let order = worker.pick(3) == 0 ? worker.pick(9) : 0
      store(index & ~((UInt(1) << UInt(order)) - 1), order, version)
      worker.cover(order > 0 ? Item.storeWide : .store)
    }
  }

  /// Stores over exactly the aligned range. An entry that is larger would be replaced whole and
  /// keep its range, so it goes first, under the same lock.
  private func store(_ first: UInt, _ order: Int, _ version: UInt) {
    let tree = unsafe array.pointer
    var cursor = unsafe cfolio_xa_state(tree, first, UInt32(order))
    repeat {
      unsafe xas_lock(&cursor)
      if unsafe xas_load(&cursor) != nil, unsafe xas_get_order(&cursor) > Int32(order) {
        _ = unsafe xas_store(&cursor, nil)
        unsafe xas_set_order(&cursor, first, UInt32(order))
      }
      _ = unsafe xas_store(&cursor, xa_mk_value(Self.value(first, order, version)))
      unsafe xas_unlock(&cursor)
    } while unsafe xas_nomem(&cursor)
    check(unsafe xas_error(&cursor), first)
  }

  private func check(_ result: Int32, _ index: UInt) {
    settings.log.require(
      result == 0 || (result == -12 && settings.faultRate > 0), "XArray",
      "a store at \(index) failed with \(result)")
  }

  private func read(_ worker: inout Worker) {
    let tree = unsafe array.pointer
    let index = UInt(worker.pick(Int(Self.indices)))
    switch worker.pick(4) {
    case 0: iterate(from: index, &worker)
    case 1: _ = unsafe xa_get_mark(tree, index, XA_MARK_0)
    default:
      guard let entry = unsafe xa_load(tree, index) else { return }
      worker.cover(Item.load)
      settings.log.require(
        unsafe !isStray(entry, at: index), "XArray",
        "index \(index) has the entry \(String(UInt(bitPattern: entry), radix: 16))")
    }
  }

  /// Entries come in the order of their indices, each covers the index it is reported at.
  private func iterate(from start: UInt, _ worker: inout Worker) {
    let tree = unsafe array.pointer
    let filter = worker.pick(2) == 0 ? UInt32(XA_PRESENT) : UInt32(XA_MARK_0)
    let last = min(start + 256, Self.indices - 1)
    var index = start
    var entry = unsafe xa_find(tree, &index, last, filter)
    var previous = start
    while let found = unsafe entry {
      worker.cover(Item.iterate)
      settings.log.require(
        unsafe index >= previous && index <= last && !isStray(found, at: index), "XArray",
        "iteration from \(start) met \(String(UInt(bitPattern: found), radix: 16)) at \(index)")
      previous = index + 1
      guard index < last else { break }
      unsafe entry = unsafe xa_find_after(tree, &index, last, filter)
    }
  }

  package func settle() {
    let tree = unsafe array.pointer
    if let fault = unsafe cfolio_xa_verify(tree) {
      settings.log.add("XArray", "the tree is broken: \(unsafe String(cString: fault))")
    }
    var index: UInt = 0
    var seen = 0
    var entry = unsafe xa_find(tree, &index, UInt.max, UInt32(XA_PRESENT))
    while let found = unsafe entry {
      seen += 1
      settings.log.require(
        unsafe !isStray(found, at: index), "XArray", "a stray entry at \(index) at the end")
      unsafe entry = unsafe xa_find_after(tree, &index, UInt.max, UInt32(XA_PRESENT))
    }
    settings.log.require(
      (seen == 0) == (unsafe xa_empty(tree)), "XArray", "\(seen) entries found, emptiness differs")
    unsafe xa_destroy(tree)
    rcu_barrier()
    let nodes = cfolio_xa_nodes()
    settings.log.require(
      nodes == nodesBefore, "XArray", "\(nodes) nodes are left, \(nodesBefore) at the beginning")
  }

  package func close() throws(PageMapError) {}
}
