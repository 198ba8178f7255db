// SPDX-License-Identifier: MIT

// The golden traces of spec: core.md 15.3 that contain a reference or a pin, by mappings, walks and
// removals as they are, under both schemes: R, M and PC after each step.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("get_user_pages: golden traces")
struct GetUserPagesTraceTests {
  private typealias State = TraceWorld.State

  @Test("FS_DAX page: fault, GET, unmap, put", arguments: PageMap.Rules.allCases)
  func reference(_ rules: PageMap.Rules) throws {
    for function in [UserPagesSpace.Function.getFast, .getFastOnly, .getUnlocked, .get] {
      let world = try TraceWorld(.fsdax, rules)
      world.expect(State(0), State(1))
      try world.mapIn(0)
      world.expect(State(1, 1), State(1))
      #expect(world.spaces[0].take(function, world.areas[0].start, 1, FOLL_WRITE) == 1)
      world.expect(State(2, 1), State(2))
      try world.unmapIn(0)
      world.expect(State(1), State(2))
      world.expectWakes(0, 0)
      world.spaces[0].giveBack(function, 1)
      world.expect(State(0), State(1))
      world.expectWakes(1, 1)
      #expect(world.map.firstBusyFrame == nil)
    }
  }

  @Test("FS_DAX page: map, PIN, unpin, unmap", arguments: PageMap.Rules.allCases)
  func pin(_ rules: PageMap.Rules) throws {
    for function in [UserPagesSpace.Function.pinFast, .pinUnlocked, .pin] {
      let world = try TraceWorld(.fsdax, rules)
      try world.mapIn(0)
      world.expect(State(1, 1), State(1))
      #expect(world.spaces[0].take(function, world.areas[0].start, 1, FOLL_WRITE) == 1)
      world.expect(State(1025, 1), State(1025))
      world.expectWakes(0, 0)
      world.spaces[0].giveBack(function, 1)
      world.expect(State(1, 1), State(1))
      world.expectWakes(0, 1)
      try world.unmapIn(0)
      world.expect(State(0), State(1))
      world.expectWakes(1, 1)
    }
  }

  @Test("FS_DAX PMD: prep, map, a pin of 3 subpages, unpin, zap", arguments: PageMap.Rules.allCases)
  func threeOfLeaf(_ rules: PageMap.Rules) throws {
    for function in [UserPagesSpace.Function.pinFast, .pinUnlocked] {
      let world = try TraceWorld(.fsdax, rules, order: 9)
      world.expect(State(0), State(1))
      try world.mapIn(0)
      world.expect(State(1, 1), State(1))
      let start = world.areas[0].address(ofPage: 7)
      #expect(world.spaces[0].take(function, start, 3, FOLL_WRITE) == 3)
      for page in 7..<10 { world.expect(State(4, 1, 3), State(1025), page: page) }
      world.expect(State(4, 1, 3), State(1), page: 6)
      world.spaces[0].giveBack(function, 3)
      world.expect(State(1, 1), State(1), page: 8)
      // Legacy: each of the three wakes by itself.
      for page in 7..<10 where world.isLegacy { world.expectWakes(0, 1, page: page) }
      world.expectWakes(0, 0)
      try world.unmapIn(0)
      world.expect(State(0), State(1), page: 8)
      world.expectWakes(1, 0)
    }
  }

  @Test("FS_DAX PMD in two address spaces, one more GET", arguments: PageMap.Rules.allCases)
  func twoSpaces(_ rules: PageMap.Rules) throws {
    let world = try TraceWorld(.fsdax, rules, order: 9, spaces: 2)
    try world.mapIn(0)
    world.expect(State(1, 1), State(1))
    try world.mapIn(1)
    world.expect(State(2, 2), State(1))
    #expect(world.spaces[1].take(.getUnlocked, world.areas[1].start, 1) == 1)
    world.expect(State(3, 2), State(2))
    world.spaces[1].giveBack(.getUnlocked, 1)
    world.expect(State(2, 2), State(1))
  }

  @Test("GENERIC 2M: map, a slow PIN of 512, unpin, unmap", arguments: PageMap.Rules.allCases)
  func wholeLeaf(_ rules: PageMap.Rules) throws {
    for function in [UserPagesSpace.Function.pinUnlocked, .pinFast] {
      let world = try TraceWorld(.generic, rules, order: 9)
      world.expect(State(1), State(1))
      try world.mapIn(0)
      world.expect(State(2, 1), State(1))
      #expect(world.spaces[0].take(function, world.areas[0].start, 512, FOLL_WRITE) == 512)
      world.expect(State(514, 1, 512), State(513, 0, 512))
      world.spaces[0].giveBack(function, 512)
      world.expect(State(2, 1), State(1))
      try world.unmapIn(0)
      world.expect(State(1), State(1))
    }
  }

  @Test(
    "P2PDMA page: set, insert, put, GET, zap, put", arguments: PageMap.Rules.allCases)
  func peerToPeer(_ rules: PageMap.Rules) throws {
    let map = try PageMap(.pciP2PDMA, pages: 512, .init(rules: rules))
    let idle: Int32 = rules == .legacy ? 1 : 0
    let space = try UserPagesSpace()
    let first = map.frame(0)
    let file = try MappedObject(.peerToPeer, AnsweringFile { $0.insertPage(first) })
    #expect(State(map, 0) == State(idle))
    map.handOut(0)
    #expect(State(map, 0) == State(1))
    let area = try space.map.map(file, pages: 1, [.read, .write], .shared)
    _ = try space.map.load(area.start)
    #expect(State(map, 0) == State(2, 1))
    unsafe put_page(map.page(first))
    #expect(State(map, 0) == State(1, 1))
    for function in [UserPagesSpace.Function.getFast, .getUnlocked] {
      #expect(space.take(function, area.start, 1, FOLL_PCI_P2PDMA) == 1)
      #expect(State(map, 0) == State(2, 1))
      if function == .getUnlocked { try space.map.unmap(area.range) }
      space.giveBack(function, 1)
    }
    #expect(State(map, 0) == State(idle))
  }

  @Test(
    "1023 and 1024 references look like a pin, one earlier under legacy rules",
    arguments: PageMap.Rules.allCases)
  func falsePin(_ rules: PageMap.Rules) throws {
    let world = try TraceWorld(.fsdax, rules)
    try world.mapIn(0)
    let folio = unsafe world.map.folio(world.map.frame(0))
    // The entry's reference, or the base.
    for number in 2...1024 {
      #expect(unsafe !folio_maybe_dma_pinned(folio))
      #expect(world.spaces[0].take(.getFast, world.areas[0].start, 1) == 1)
      #expect(unsafe folio_ref_count(folio) == number)
    }
    #expect(unsafe folio_maybe_dma_pinned(folio))
    for _ in 2...1024 { world.spaces[0].giveBack(.getFast, 1) }
    world.expect(State(1, 1), State(1))
  }

  @Test("the zero page: map, PIN, unpin, zap")
  func zeroPage() throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 1, .read, .private)
    let zero = unsafe cfolio_zero_page_now()!
    func state() -> [Int32] {
      unsafe [page_ref_count(zero), atomic_read(&zero.pointee._mapcount)]
    }
    let before = state()
    _ = try space.map.load(area.start)
    #expect(state() == before)
    #expect(space.take(.pinUnlocked, area.start, 1) == 1)
    #expect(unsafe space.found[0] == zero && state() == before)
    space.giveBack(.pinUnlocked, 1)
    try space.map.unmap(area.range)
    #expect(state() == before)
  }
}
