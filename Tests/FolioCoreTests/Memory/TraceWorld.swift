// SPDX-License-Identifier: MIT

// What the golden traces of spec: core.md 15.3 are compared with: a device under one of the schemes, the
// address spaces that map it, and R, M, PC and wakes of its pages.

import CFolio
import FolioCore
import TestSupport
import Testing

/// A device under one scheme, and who maps it.
final class TraceWorld {
  /// R, M, PC of the folio of a page.
  struct State: Hashable, CustomStringConvertible {
    var R: Int32
    var M: Int32
    var PC: Int32

    init(_ R: Int32, _ M: Int32 = 0, _ PC: Int32 = 0) { (self.R, self.M, self.PC) = (R, M, PC) }

    init(_ map: PageMap, _ page: Int) {
      let folio = unsafe map.folio(map.frame(page))
      let isLarge = unsafe folio_test_large(folio)
      self.init(
        unsafe folio_ref_count(folio), unsafe folio_mapcount(folio),
        isLarge ? unsafe atomic_read(&folio.pointee._pincount) : 0)
    }

    var description: String { "R \(R) M \(M) PC \(PC)" }
  }

  let map: PageMap
  let isLegacy: Bool
  let order: Int
  let file: MappedObject
  let spaces: [UserPagesSpace]
  var areas: [MemoryArea] = []

  init(
    _ kind: PageMap.Kind, _ rules: PageMap.Rules, order: Int = 0, spaces count: Int = 1,
    contents: MappedObject.Contents = []
  ) throws {
    isLegacy = rules == .legacy
    self.order = order
    map = try PageMap(
      kind, pages: 512, .init(rules: rules, compoundOrder: kind == .generic ? order : 0))
    file = try MappedObject(
      kind == .fsdax ? .fsdax : .deviceDAX, contents: contents,
      DeviceFile(map, order: order, answers: kind == .fsdax ? .frameStores : []))
    spaces = try (0..<count).map { _ in
      try UserPagesSpace(MemoryMap.Options(rules: rules))
    }
    try map.startAuditing()
  }

  /// Maps it in the n-th address space by a fault.
  func mapIn(_ number: Int) throws {
    areas.append(
      try spaces[number].map.map(file, pages: 1 << order, [.read, .write], .shared))
    try spaces[number].map.store(1, at: areas[number].start)
  }

  func unmapIn(_ number: Int) throws { try spaces[number].map.unmap(areas[number].range) }

  func expect(
    _ modern: State, _ legacy: State, page: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(State(map, page) == (isLegacy ? legacy : modern), sourceLocation: sourceLocation)
  }

  /// How often waiters for the page were woken since it was made.
  func expectWakes(
    _ modern: Int32, _ legacy: Int32, page: Int = 0,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let wakes = unsafe cfolio_ledger_numbers(map.page(map.frame(page))).wakes
    #expect(wakes == (isLegacy ? legacy : modern), sourceLocation: sourceLocation)
  }
}
