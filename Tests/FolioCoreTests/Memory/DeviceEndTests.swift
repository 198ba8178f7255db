// SPDX-License-Identifier: MIT

// The end of a device while somebody else takes a leaf apart, and where its areas move to.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Device-dax: ends and moves", .serialized)
struct DeviceEndTests {
  private static let page = MemoryMap.pageSize

  private static func space() throws -> MemoryMap {
    var options = MemoryMap.Options()
    options.tableShift = 3
    return try MemoryMap(options)
  }

  @Test("the end of a device waits for whoever takes one of its leaves apart")
  func splitMeanwhile() throws {
    let map = try PageMap(.generic, pages: 64, .init(compoundOrder: 3))
    let device = try DeviceDAX(map)
    let space = try Self.space()
    let area = try space.map(device.object, pages: 64, [.read, .write], .shared)
    _ = try space.load(area.start)
    let folio = unsafe map.folio(map.frame(0))
    #expect(unsafe folio_mapcount(folio) == 1)
    // A translation is in use, so the split waits behind clearing the leaf.
    let (isUsed, mayEnd) = (Flag(), Flag())
    let user = NativeThread {
      var translation = translation()
      let isMapped = unsafe mmu_begin(space.mm, area.start, false, &translation)
      precondition(isMapped)
      isUsed.raise()
      while !mayEnd.isRaised { _ = poll(milliseconds: 1) { mayEnd.isRaised } }
      unsafe mmu_end(space.mm, &translation)
    }
    #expect(poll(milliseconds: 10_000) { isUsed.isRaised })
    let splitter = NativeThread {
      do throws(MemoryError) {
        try space.pin(area.addresses(ofPages: 0..<1), .splitLeaves).release()
        fatalError("a page of a device with leaves only")
      } catch {
        precondition(error == MemoryError(.fault, address: area.start))
      }
    }
    #expect(poll(milliseconds: 10_000) { pte_none(entry(space, area.start, PGTABLE_LEVEL_PMD)) })
    #expect(unsafe folio_mapcount(folio) == 1, "cleared and still counted")
    let isDead = Flag()
    let killer = NativeThread.begun {
      device.kill()
      isDead.raise()
    }
    #expect(!poll(milliseconds: 100) { isDead.isRaised })
    mayEnd.raise()
    for thread in [user, splitter, killer] { thread.join() }
    #expect(unsafe folio_mapcount(folio) == 0 && folio_ref_count(folio) == 1)
  }

  @Test("an area that moves is as aligned as it was", arguments: [3, 6])
  func movedAligned(order: Int) throws {
    let size = UInt(1 << order) * Self.page
    let map = try PageMap(.generic, pages: 128, .init(compoundOrder: order))
    let device = try DeviceDAX(map)
    let space = try Self.space()
    let area = try space.map(
      device.object, pages: 1 << order, [.read, .write], .shared, at: .fixed(4 * size))
    _ = try space.load(area.start)
    // In the way of growing in place, and of all but few places.
    try space.map(pages: 1, .read, .private, at: .fixed(area.end))
    try space.map(pages: 9, .read, .private, at: .fixed(0))
    let moved = try space.remap(area.range, pages: 2 << order)
    #expect(moved % size == 0, "at \(moved / Self.page)")
    _ = try space.load(moved)
    _ = try space.load(moved + size)
    #expect(map.references(0) == 2)
  }
}
