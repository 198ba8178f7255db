// SPDX-License-Identifier: MIT

// Pins for good of pages that may not stay where they are (spec: core.md 12.3, row 106; CI43): they are
// moved to RAM, and the pins are taken there; or all is undone.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Long-term pins of pages that move", .serialized)
struct LongTermPinTests {
  /// Four pages of an address space, holding 10...13, of which two are a device's.
  private struct World {
    let driver: TestDriver
    let space: UserPagesSpace
    let area: MemoryArea
    static let moved = [1, 2]

    init() throws {
      let driver = try TestDriver(.deviceCoherent)
      space = try UserPagesSpace()
      area = try space.map.map(pages: 4, [.read, .write], .private)
      for page in 0..<4 { try space.map.store(UInt(page) + 10, at: area.address(ofPage: page)) }
      let range = area.addresses(ofPages: 1..<3)
      let number = Counter()
      let count = try space.map.migrate(range, .ram) { source in
        let value = source.frame.map { unsafe shared_read(cfolio_frame_word($0)!) }
        return driver.handOut(number.add(), holding: value ?? 0)
      }
      try #require(count == 2)
      self.driver = driver
    }

    var frames: [UInt] {
      (0..<4).map { pte_pfn(entry(space.map, area.address(ofPage: $0))) }
    }
  }

  @Test(
    "coherent pages are brought to RAM first, with what they hold",
    arguments: [UserPagesSpace.Function.pin, .pinRemote, .pinUnlocked, .pinFast])
  func moved(_ function: UserPagesSpace.Function) throws {
    let world = try World()
    let before = world.frames
    #expect(World.moved.allSatisfy { before[$0] == world.driver.frame($0) })
    // Not for good: they stay.
    #expect(world.space.take(function, world.area.start, 4) == 4)
    #expect(world.space.frames(4) == before && counts(before[1]) == Counts(1025, 1))
    world.space.giveBack(function, 4)
    #expect(world.space.take(function, world.area.start, 4, FOLL_LONGTERM) == 4)
    let after = world.frames
    #expect(world.space.frames(4) == after)
    #expect(after[0] == before[0] && after[3] == before[3])
    #expect(World.moved.allSatisfy { !world.driver.map.frames.contains(after[$0]) })
    #expect(world.driver.freed.sorted() == World.moved.map { world.driver.frame($0) })
    for frame in after { #expect(counts(frame) == Counts(1025, 1)) }
    #expect(after.map { unsafe shared_read(cfolio_frame_word($0)!) } == [10, 11, 12, 13])
    world.space.giveBack(function, 4)
    for frame in after { #expect(counts(frame) == Counts(1, 1)) }
    #expect(world.space.map.counters.anonymousPages == 4)
    #expect(world.driver.map.firstBusyFrame == nil && world.driver.map.audit().isEmpty)
  }

  @Test("one that somebody else holds stays: -EBUSY, and every pin is undone")
  func staying() throws {
    let world = try World()
    let before = world.frames
    let stray = try reference(to: world.driver.frame(2))
    for function in [UserPagesSpace.Function.pin, .pinUnlocked] {
      #expect(world.space.take(function, world.area.start, 4, FOLL_LONGTERM) == -16)
      let found = world.frames
      #expect(found[0] == before[0] && found[2] == before[2] && found[3] == before[3])
      #expect(counts(before[0]) == Counts(1, 1) && counts(before[2]) == Counts(2, 1))
      #expect(!isLocked(before[2]))
      // The one in front of it has moved all the same.
      #expect(world.driver.freed == [world.driver.frame(1)] && counts(found[1]) == Counts(1, 1))
    }
    stray.release()
    try world.space.map.pin(world.area.range, [.write, .longTerm]).release()
    #expect(world.driver.freed.count == 2)
    #expect(try world.space.map.load(world.area.address(ofPage: 2)) == 12)
    #expect(world.driver.map.firstBusyFrame == nil)
  }
}
