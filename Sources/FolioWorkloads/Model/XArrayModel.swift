// SPDX-License-Identifier: MIT

// The XArray as a plain Swift value: a sorted list of disjoint ranges. Written from the rules in
// folio/xarray.h, slow and obvious; knows nothing of trees, locks or memory.

/// One entry of the model: a block of indices with a value and a set of marks (bit per mark).
package struct XArrayModelEntry: Sendable, Hashable {
  package var first: UInt
  package var last: UInt
  package var value: UInt
  package var marks: UInt8

  package init(first: UInt, last: UInt, value: UInt, marks: UInt8 = 0) {
    self.first = first
    self.last = last
    self.value = value
    self.marks = marks
  }
}

package struct XArrayModel: Sendable, Hashable {
  /// Sorted by index, disjoint.
  package private(set) var entries: [XArrayModelEntry] = []

  package init() {}

  /// The aligned block of 2^order indices around the index.
  package static func block(_ index: UInt, order: UInt32) -> ClosedRange<UInt> {
    let mask = (1 as UInt) << order - 1
    return (index & ~mask)...(index | mask)
  }

  /// Position of the first entry that ends at or after the index.
  private func position(_ index: UInt) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].last < index { low = middle + 1 } else { high = middle }
    }
    return low
  }

  package func entry(at index: UInt) -> XArrayModelEntry? {
    let position = position(index)
    guard position < entries.count, entries[position].first <= index else { return nil }
    return entries[position]
  }

  /// The first entry that touches the range and has the mark.
  package func find(in range: ClosedRange<UInt>, mark: UInt32? = nil) -> XArrayModelEntry? {
    for entry in entries[position(range.lowerBound)...] {
      if entry.first > range.upperBound { return nil }
      if mark.map({ entry.marks & (1 << $0) != 0 }) ?? true { return entry }
    }
    return nil
  }

  /// Stores over an aligned block; returns the value of the lowest entry replaced.
  package mutating func store(_ index: UInt, order: UInt32, _ value: UInt?) -> UInt? {
    let block = Self.block(index, order: order)
    let start = position(block.lowerBound)
    var end = start
    while end < entries.count, entries[end].first <= block.upperBound { end += 1 }
    guard start < end else {
      if let value {
        entries.insert(
          XArrayModelEntry(first: block.lowerBound, last: block.upperBound, value: value),
          at: start)
      }
      return nil
    }
    let old = entries[start]
    guard let value else {
      entries.removeSubrange(start..<end)
      return old.value
    }
    let marks = entries[start..<end].reduce(0) { $0 | $1.marks }
    let replacement = XArrayModelEntry(
      first: min(block.lowerBound, old.first), last: max(block.upperBound, old.last),
      value: value, marks: marks)
    entries.replaceSubrange(start..<end, with: [replacement])
    return old.value
  }

  /// Stores over any range in the largest aligned blocks, from its start.
  package mutating func storeRange(_ range: ClosedRange<UInt>, _ value: UInt?) {
    var first = range.lowerBound
    while true {
      var order: UInt32 = 63
      while Self.block(first, order: order).lowerBound != first
        || Self.block(first, order: order).upperBound > range.upperBound
      {
        order -= 1
      }
      _ = store(first, order: order, value)
      let last = Self.block(first, order: order).upperBound
      if last == range.upperBound { return }
      first = last + 1
    }
  }

  package mutating func setMark(_ index: UInt, _ mark: UInt32, to isSet: Bool) {
    let position = position(index)
    guard position < entries.count, entries[position].first <= index else { return }
    if isSet {
      entries[position].marks |= 1 << mark
    } else {
      entries[position].marks &= ~(1 << mark)
    }
  }

  package func isMarked(_ mark: UInt32) -> Bool { entries.contains { $0.marks & (1 << mark) != 0 } }
}
