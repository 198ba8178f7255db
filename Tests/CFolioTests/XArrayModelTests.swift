// SPDX-License-Identifier: MIT
// Random operations on an XArray and on its model, compared step by step. The same run serves the
// tests with refused allocations (XArrayFailureTests.swift).

import CFolio
import FolioWorkloads
import Glibc
import Testing

/// One seeded run. Ends at the first difference, which it describes with seed and step.
struct XArrayModelRun {
  let seed: UInt64
  /// True when allocations may be refused: stores may then fail, changing nothing.
  let mayLackMemory: Bool
  private(set) var refusedStores = 0
  private let array = TestXArray()
  private var model = XArrayModel()
  private var generator: XArrayGenerator
  private var step = 0

  init(seed: UInt64, mayLackMemory: Bool = false) {
    self.seed = seed
    self.mayLackMemory = mayLackMemory
    generator = XArrayGenerator(seed: seed)
  }

  /// A difference between array and model.
  struct Difference: Error, CustomStringConvertible {
    let description: String
  }

  private func require(_ condition: Bool, _ text: @autoclosure () -> String) throws(Difference) {
    if condition { return }
    throw Difference(
      description: """
        seed \(seed) step \(step): \(text()); replay with \
        FOLIO_SEED=\(seed) swift test --filter XArray
        """)
  }

  mutating func run(steps: Int) throws(Difference) {
    while step < steps {
      step += 1
      try doOneStep()
      if step % 64 == 0 { try compareAll() }
    }
    try compareAll()
  }

  private mutating func doOneStep() throws(Difference) {
    let index = randomIndex()
    switch generator.below(100) {
    case 0..<28: try store(index, order: randomOrder(), randomValue())
    case 28..<44: try store(index, order: randomOrder(), nil)
    case 44..<48: try erase(index)
    case 48..<52: try insertOrExchange(index)
    case 52..<58: try storeRange(from: index)
    case 58..<70: try changeMark(index)
    case 70..<78: try compareLoad(index)
    case 78..<86: try compareFind(index)
    case 86..<90: try compareConflicts(index, order: randomOrder())
    case 90..<99: try scan(from: index)
    default: try sometimesClear()
    }
  }

  // MARK: - Choices

  /// Indices crowd around a few places, so that entries meet; the highest is below 2^40, but for
  /// the last index that there is.
  private mutating func randomIndex() -> UInt {
    let places: [UInt] = [0, 0, 0, 1 << 12, 1 << 18, 5 << 24, 1 << 36, (1 << 40) - 8192]
    let spreads: [UInt] = [8, 80, 700, 8192]
    if generator.below(400) == 0 { return .max - UInt(generator.below(3)) }
    if generator.below(40) == 0 { return UInt.random(in: 0..<(1 << 40), using: &generator) }
    let place = places[generator.below(places.count)]
    return place + UInt.random(in: 0..<spreads[generator.below(4)], using: &generator)
  }

  /// 0 ... 12, low ones more often; a block of any order once in a while.
  private mutating func randomOrder() -> UInt32 {
    if generator.below(150) == 0 { return UInt32(generator.below(64)) }
    return UInt32(min(generator.below(13), generator.below(16)))
  }

  private mutating func randomValue() -> UInt { UInt(generator.next() >> 1) }

  // MARK: - Changes

  /// Checks what a store returned; true when it was done.
  private mutating func accept(
    _ result: XArrayResult, expected: UInt?, _ what: String
  ) throws(Difference) -> Bool {
    if mayLackMemory, result == .error(-ENOMEM) {
      refusedStores += 1
      return false
    }
    try require(
      result == .entry(expected), "\(what): \(result), model \(String(describing: expected))")
    return true
  }

  private mutating func store(_ index: UInt, order: UInt32, _ value: UInt?) throws(Difference) {
    var after = model
    let expected = after.store(index, order: order, value)
    let result = order == 0 ? array.store(index, value) : array.store(index, order: order, value)
    if value == nil {
      try require(result == .entry(expected), "erase \(index) order \(order): \(result)")
    } else if try !accept(result, expected: expected, "store \(index) order \(order)") {
      return
    }
    model = after
    try compareLoad(index)
  }

  private mutating func erase(_ index: UInt) throws(Difference) {
    let expected = model.store(index, order: 0, nil)
    try require(array.erase(index) == expected, "erase \(index)")
  }

  private mutating func insertOrExchange(_ index: UInt) throws(Difference) {
    let value = randomValue()
    let present = model.entry(at: index)?.value
    if generator.below(2) == 0 {
      let error = array.insert(index, value)
      if mayLackMemory, error == -ENOMEM { return }
      try require(error == (present == nil ? 0 : -EBUSY), "insert \(index): \(error)")
      if error == 0 { _ = model.store(index, order: 0, value) }
    } else {
      let old = generator.below(3) == 0 ? value : present
      let result = array.exchange(index, from: old, to: value)
      if try accept(result, expected: present, "exchange \(index)"), old == present {
        _ = model.store(index, order: 0, value)
      }
    }
  }

  private mutating func storeRange(from first: UInt) throws(Difference) {
    let length = UInt.random(in: 0..<(1 << UInt(generator.below(16))), using: &generator)
    let (end, overflow) = first.addingReportingOverflow(length)
    let range = first...(overflow ? .max : end)
    let value = generator.below(3) == 0 ? nil : randomValue()
    let error = array.storeRange(range, value)
    if mayLackMemory, value != nil, error == -ENOMEM {
      refusedStores += 1
      return
    }
    try require(error == 0, "store range \(range): \(error)")
    model.storeRange(range, value)
  }

  private mutating func changeMark(_ index: UInt) throws(Difference) {
    let target = generator.below(3) == 0 ? index : model.find(in: index...(.max))?.first ?? index
    let mark = UInt32(generator.below(3))
    let isSet = generator.below(3) != 0
    if isSet { array.setMark(target, mark) } else { array.clearMark(target, mark) }
    model.setMark(target, mark, to: isSet)
    let expected = (model.entry(at: target)?.marks ?? 0) & (1 << mark) != 0
    try require(array.mark(target, mark) == expected, "mark \(mark) of \(target)")
    try require(array.isMarked(mark) == model.isMarked(mark), "mark \(mark) of the array")
  }

  private mutating func sometimesClear() throws(Difference) {
    guard generator.below(20) == 0 else { return }
    try require(array.storeRange(0...(.max), nil) == 0, "erase of all indices")
    model.storeRange(0...(.max), nil)
    try require(array.isEmpty, "not empty after erasing all indices")
  }

  // MARK: - Comparisons

  private func compareLoad(_ index: UInt) throws(Difference) {
    let expected = model.entry(at: index)
    let seen = array.load(index)
    try require(seen == expected?.value, "load \(index): \(String(describing: seen))")
    let width = expected.map { $0.last - $0.first } ?? 0
    let order = Int32(UInt.bitWidth - width.leadingZeroBitCount)
    try require(array.order(index) == order, "order of \(index): \(array.order(index))")
  }

  private mutating func compareFind(_ index: UInt) throws(Difference) {
    let span = UInt.random(in: 0..<(1 << UInt(generator.below(42))), using: &generator)
    let last = index.addingReportingOverflow(span).overflow ? .max : index + span
    let mark = generator.below(2) == 0 ? nil : UInt32(generator.below(3))
    let filter = mark ?? XA_PRESENT
    var expected = model.find(in: index...last, mark: mark)
    try require(
      array.find(from: index, through: last, filter) == expected.map { hit($0, from: index) },
      "find \(index)...\(last) filter \(filter)")
    // After the entry that covers the index.
    let after = model.entry(at: index)?.last ?? index
    expected = after < last ? model.find(in: (after + 1)...last, mark: mark) : nil
    try require(
      array.find(after: index, through: last, filter) == expected.map { hit($0, from: index) },
      "find after \(index), through \(last), filter \(filter)")
  }

  private func hit(_ entry: XArrayModelEntry, from index: UInt) -> XArrayHit {
    XArrayHit(index: max(entry.first, index), value: entry.value)
  }

  private func compareConflicts(_ index: UInt, order: UInt32) throws(Difference) {
    let block = XArrayModel.block(index, order: order)
    let expected = model.entries
      .filter { $0.last >= block.lowerBound && $0.first <= block.upperBound }
      .map { hit($0, from: block.lowerBound) }
    let seen = unsafe array.withCursor(at: index, order: order) { cursor in
      var hits: [XArrayHit] = []
      while let value = unsafe integer(xas_find_conflict(&cursor)) {
        unsafe hits.append(XArrayHit(index: cursor.xa_index, value: value))
      }
      return hits
    }
    try require(seen == expected, "conflicts of \(block): \(seen), model \(expected)")
  }

  /// Goes through a part of the array with one cursor, changing and pausing on the way.
  private mutating func scan(from start: UInt) throws(Difference) {
    let mark = generator.below(3) == 0 ? UInt32(generator.below(3)) : nil
    let last = generator.below(4) == 0 ? .max : start | 0xffff
    var cursor = unsafe cfolio_xa_state(array.pointer, start, 0)
    var next = start
    unsafe xas_lock(&cursor)
    defer { unsafe xas_unlock(&cursor) }
    for _ in 0..<60 {
      let expected = model.find(in: next...last, mark: mark)
      let seen =
        unsafe mark.map { unsafe integer(xas_find_marked(&cursor, last, $0)) }
        ?? integer(xas_next_entry(&cursor, last))
      try require(seen == expected?.value, "scan at \(next), mark \(String(describing: mark))")
      guard let entry = expected else { return }
      try require(unsafe cursor.xa_index == max(entry.first, next), "scan's index after \(next)")
      try unsafe scanChange(&cursor, entry)
      if entry.last >= last { return }
      next = entry.last + 1
    }
  }

  private mutating func scanChange(
    _ cursor: inout xa_state, _ entry: XArrayModelEntry
  ) throws(Difference) {
    let index = unsafe cursor.xa_index
    switch generator.below(8) {
    case 0:
      unsafe xas_pause(&cursor)
    case 1:
      // Resetting means the same entry again.
      unsafe xas_reset(&cursor)
      try require(unsafe integer(xas_find(&cursor, index)) == entry.value, "reset at \(index)")
    case 2:
      let old = unsafe integer(xas_store(&cursor, nil))
      try require(old == model.store(index, order: 0, nil), "scan erases \(index)")
      if generator.below(2) == 0 { unsafe xas_pause(&cursor) }
    case 3:
      let value = randomValue()
      let old = unsafe integer(xas_store(&cursor, CFolioTests.entry(value)))
      try require(old == model.store(index, order: 0, value), "scan stores at \(index)")
      try require(unsafe xas_error(&cursor) == 0, "replacing needed memory at \(index)")
    case 4:
      let mark = UInt32(generator.below(3))
      unsafe xas_set_mark(&cursor, mark)
      model.setMark(index, mark, to: true)
      try require(unsafe xas_get_mark(&cursor, mark), "scan marks \(index)")
    default:
      break
    }
  }

  private func compareAll() throws(Difference) {
    let rule = array.brokenRule
    try require(rule == nil, "broken tree: \(rule ?? "")")
    var next: UInt = 0
    for entry in model.entries {
      let seen = array.find(from: next, through: .max)
      try require(
        seen == hit(entry, from: next), "full scan at \(next): \(String(describing: seen))")
      for mark in 0..<XA_MAX_MARKS {
        try require(
          array.mark(entry.last, mark) == (entry.marks & (1 << mark) != 0),
          "full scan: mark \(mark) of \(entry.last)")
      }
      if entry.last == .max { return }
      next = entry.last + 1
    }
    try require(array.find(from: next, through: .max) == nil, "full scan: entry after \(next)")
    try require(array.isEmpty == model.entries.isEmpty, "emptiness")
  }
}

@Suite("XArray against its model")
struct XArrayModelTests {
  @Test(
    "twenty thousand random steps agree with the model",
    arguments: xarraySeeds([1, 2, 3, 0xf0110]))
  func randomSteps(seed: UInt64) throws {
    var run = XArrayModelRun(seed: seed)
    try run.run(steps: 20_000)
  }
}
