// SPDX-License-Identifier: MIT

// An address space with tables of four entries, in which one leaf maps one folio: what C50 to C52,
// C56 and C57 look at.

import CFolio
import FolioCore
import TestSupport
import Testing

/// Folio 0 of a device, mapped by one leaf at the beginning of an area.
struct MappedLeaf {
  let world: InsertionWorld
  let size: LeafSize

  init(_ kind: PageMap.Kind, _ size: LeafSize) throws {
    self.size = size
    var options = MemoryMap.Options()
    options.tableShift = LeafSize.shift
    let map = try PageMap(kind, pages: 512, .init(compoundOrder: size.order))
    world = try InsertionWorld(
      map, contents: .mixed, pages: 64, [.read, .write], .shared, options)
    // One reference while the leaf is made (9.6).
    world.hold(0..<1)
    let result = world.insertLeaf(size, folio: 0, at: 0, write: true)
    unsafe folio_put(world.folio(0))
    try #require(result == .noPage)
  }

  var space: MemoryMap { world.space }
  var range: Range<UInt> { world.area.addresses(ofPages: 0..<size.pages) }
  var counts: Counts { Counts(world.map, 0) }
}
