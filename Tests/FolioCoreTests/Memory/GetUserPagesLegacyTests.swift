// SPDX-License-Identifier: MIT

// Legacy rules (spec: core.md 12.3 last row, 12.5, 12.6 last paragraph, 12.7): entries that own nothing,
// taken while the page's map is held. C44 is that it is not.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("get_user_pages: legacy entries")
struct GetUserPagesLegacyTests {
  typealias Function = UserPagesSpace.Function

  /// A device, mapped and stored to.
  private struct World {
    let space: UserPagesSpace
    let map: PageMap
    let file: MappedObject
    let area: MemoryArea

    init(_ kind: PageMap.Kind, order: Int = 0, pages: Int = 4) throws {
      let compound = kind == .generic ? order : 0
      map = try PageMap(
        kind, pages: 512, .init(rules: .legacy, compoundOrder: compound))
      space = try UserPagesSpace(MemoryMap.Options(rules: .legacy))
      file = try MappedObject(
        kind == .fsdax ? .fsdax : .deviceDAX, DeviceFile(map, order: order))
      area = try space.map.map(file, pages: pages, [.read, .write], .shared)
      for page in stride(from: 0, to: pages, by: 1 << order) {
        try space.map.store(1, at: area.address(ofPage: page))
      }
    }
  }

  @Test(
    "pages are taken by both walks, through entries that own nothing", arguments: Function.allCases)
  func pages(_ function: Function) throws {
    for kind in [PageMap.Kind.fsdax, .generic] {
      let world = try World(kind)
      let entry = world.space.entry(world.area.start)
      #expect(pte_devmap(entry) && pte_special(entry))
      #expect(world.map.references(1) == 1)
      #expect(world.space.take(function, world.area.start, 4) == 4)
      #expect(world.space.frames(4) == (0..<4).map { world.map.frame($0) })
      #expect(world.map.references(1) == (function.isPin ? 1025 : 2))
      world.space.giveBack(function, 4)
      #expect(world.map.references(1) == 1)
      try world.space.map.unmap(world.area.range)
      #expect(world.map.references(1) == 1)
    }
  }

  @Test("leaves, page by page", arguments: Function.allCases)
  func leaves(_ function: Function) throws {
    for kind in [PageMap.Kind.fsdax, .generic] {
      let world = try World(kind, order: 9, pages: 512)
      let leaf = world.space.entry(world.area.start, PGTABLE_LEVEL_PMD)
      #expect(pmd_leaf(leaf) && pte_devmap(leaf))
      #expect(world.space.take(function, world.area.address(ofPage: 5), 3, FOLL_WRITE) == 3)
      #expect(world.space.frames(3) == (5..<8).map { world.map.frame($0) })
      if kind == .fsdax {
        #expect(world.map.pins(5) == [function.isPin ? 1025 : 2])
      } else {
        #expect(world.map.pins(5) == [4, function.isPin ? 3 : 0])
      }
      world.space.giveBack(function, 3)
      #expect(world.map.references(5) == 1)
    }
  }

  @Test("long-term pins: the fast walk stops, the slow one has them for device-dax only")
  func longTerm() throws {
    for (kind, expected) in [(PageMap.Kind.fsdax, -95), (.generic, 4)] {
      let world = try World(kind)
      let (mm, found) = unsafe (world.space.map.mm, world.space.found)
      #expect(
        unsafe gup_fast(
          mm, world.area.start, world.area.end, FOLL_PIN | FOLL_LONGTERM, found) == 0)
      for function in [Function.pin, .pinUnlocked, .pinFast] {
        let count = world.space.take(function, world.area.start, 4, FOLL_LONGTERM)
        #expect(count == expected)
        world.space.giveBack(function, count)
      }
      #expect(world.map.references(0) == 1)
    }
  }

  @Test("without pages wanted, entries count as brought in")
  func populated() throws {
    for order in [0, 9] {
      let world = try World(.generic, order: order, pages: 512)
      let mm = unsafe world.space.map.mm
      #expect(unsafe get_user_pages_unlocked(mm, world.area.start, 512, nil, 0) == 512)
      #expect(world.map.references(0) == 1)
    }
  }

  /// Runs the body while the map goes down and cannot, because somebody looks at it.
  private func whileDying(_ map: PageMap, _ body: () -> Void) throws {
    let pgmap = unsafe try #require(get_dev_pagemap(map.frame(0)))
    unsafe percpu_ref_kill(&pgmap.pointee.ref)
    synchronize_rcu()
    body()
    unsafe percpu_ref_resurrect(&pgmap.pointee.ref)
    unsafe put_dev_pagemap(pgmap)
  }

  @Test("a map that goes down has no pages: the fast walk undoes all, the slow one fails at a leaf")
  func dyingLeaf() throws {
    let world = try World(.fsdax, order: 9, pages: 512)
    try whileDying(world.map) {
      for function in Function.allCases {
        let expected = function == .getFastOnly ? 0 : -14
        #expect(world.space.take(function, world.area.start, 4) == expected)
        #expect(world.map.references(0) == 1)
      }
    }
    #expect(world.space.take(.pinFast, world.area.start, 4) == 4)
    world.space.giveBack(.pinFast, 4)
  }

  @Test(
    "a leaf that goes while its pages are taken: none of them stays taken",
    .enabled(if: FaultPoint.isSupported))
  func leafGoes() throws {
    let world = try World(.fsdax, order: 9, pages: 512)
    let (mm, found) = unsafe (world.space.map.mm, world.space.found)
    let place = unsafe pgtable_walk(mm, world.area.start, PGTABLE_LEVEL_PMD).entry!
    var taken: UInt = 99
    // Struct pages 64 apart are in different 4 KiB: the point is the first touch of a page in the midst.
    let wasMet = unsafe FaultPoint.run(
      at: world.map.page(world.map.frame(64)),
      step: { _ = unsafe ptep_get_and_clear(place) },
      body: {
        taken = unsafe gup_fast(
          mm, world.area.start, world.area.address(ofPage: 100), FOLL_PIN, found)
      })
    #expect(wasMet && taken == 0)
    #expect((0..<100).allSatisfy { world.map.references($0) == 1 })
  }

  @Test("pages that were taken in front of one without a live map are given back")
  func dyingInTheMiddle() throws {
    let dying = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
    let alive = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
    let frames = [alive.frame(0), alive.frame(1), dying.frame(0)]
    let space = try UserPagesSpace()
    let file = try MappedObject(
      .deviceDAX, contents: .mixed, AnsweringFile { $0.insertMixed(frames[$0.page]) })
    let area = try space.map.map(file, pages: 3, .read, .shared)
    for page in 0..<3 { _ = try space.map.load(area.address(ofPage: page)) }
    let statistics = PinStatistics.current
    try whileDying(dying) {
      for function in [Function.getFastOnly] {
        #expect(space.take(function, area.start, 3) == 0)
        #expect(space.take(function, area.start, 2) == 2)
        space.giveBack(function, 2)
      }
      // A page is looked at again until its entry goes: no fault is allowed to wait for that here.
      #expect(space.take(.pinFast, area.start, 3, FOLL_NOFAULT) == 2, "the slow walk's")
      space.giveBack(.pinFast, 2)
      #expect(space.take(.pinUnlocked, area.address(ofPage: 2), 1, FOLL_NOFAULT) == -14)
    }
    #expect(alive.references(0) == 1 && dying.references(0) == 1)
    #expect(PinStatistics.current.acquired >= statistics.acquired + 2)
  }

  @Test("a page of a map that goes down is retried until its driver takes the entry away")
  func dyingPage() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
    let (first, isDead, results) = (map.frame(0), Counter(), Counter())
    let file = try MappedObject(
      .deviceDAX, contents: .mixed,
      AnsweringFile { isDead.value > 0 ? .busError : $0.insertMixed(first) })
    let space = try MemoryMap()
    let area = try space.map(file, pages: 1, [.read, .write], .shared)
    try space.store(1, at: area.start)
    try whileDying(map) {
      let pinner = NativeThread.begun {
        do throws(MemoryError) {
          try space.pin(area.range).release()
          results.add(1)
        } catch {
          results.add(error.code == .fault ? 100 : 1000)
        }
      }
      cfolio_sleep_ns(20_000_000)
      #expect(results.value == 0, "the entry is still there")
      isDead.add()
      file.unmap()
      pinner.join()
    }
    #expect(results.value == 100)
    #expect(map.references(0) == 1)
  }
}
