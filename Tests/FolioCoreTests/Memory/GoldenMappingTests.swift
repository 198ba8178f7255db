// SPDX-License-Identifier: MIT

// The golden traces of spec: core.md 15.3 that page tables decide, under both schemes: refaults, parts of
// leaves, forks, copies. R and M after each step, wakes at the end. Those with references and pins are in
// GetUserPagesTraceTests, GENERIC 4K in DeviceDAXTests, P2PDMA in PeerMemoryTests, PRIVATE in
// PrivateDeviceTests and MigrationTests.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Golden traces of page tables")
struct GoldenMappingTests {
  private typealias State = TraceWorld.State

  /// A store's fault on a page, by the functions that the scheme has for it.
  private func refault(_ world: TraceWorld, _ frame: UInt) -> FaultResult {
    let (space, address) = (world.spaces[0].map, world.areas[0].start)
    return unsafe withFault(space, address, write: true) { fault in
      if world.isLegacy {
        return unsafe vmf_insert_mixed_mkwrite(fault.pointee.vma, address, frame)
      }
      return unsafe vmf_insert_page_mkwrite(fault, pfn_to_page(frame), true)
    }
  }

  @Test(
    "a refault on a present entry, of the same page and of another",
    arguments: PageMap.Rules.allCases)
  func refaults(_ rules: PageMap.Rules) throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let world = try TraceWorld(.fsdax, rules)
    try world.mapIn(0)
    world.expect(State(1, 1), State(1))
    let before = world.spaces[0].entry(world.areas[0].start).pte
    #expect(refault(world, world.map.frame(0)) == .noPage)
    world.expect(State(1, 1), State(1))
    // The other page is held by its owner; both stay as they are.
    unsafe folio_ref_inc(world.map.folio(world.map.frame(1)))
    let warnings = cfolio_warning_count()
    #expect(refault(world, world.map.frame(1)) == (world.isLegacy ? .noPage : .busError))
    #expect(cfolio_warning_count() > warnings)
    world.expect(State(1, 1), State(1))
    world.expect(State(1), State(2), page: 1)
    #expect(world.spaces[0].entry(world.areas[0].start).pte == before)
    unsafe put_page(world.map.page(world.map.frame(1)))
    try world.unmapIn(0)
    world.expect(State(0), State(1))
    world.expectWakes(1, 0)
    #expect(world.map.audit().isEmpty)
  }

  @Test("4 KiB of a mapped 2 MiB go: all of the leaf goes", arguments: PageMap.Rules.allCases)
  func partOfLeaf(_ rules: PageMap.Rules) throws {
    let world = try TraceWorld(.fsdax, rules, order: 9)
    world.expect(State(0), State(1))
    try world.mapIn(0)
    world.expect(State(1, 1), State(1))
    world.expectWakes(0, 0)
    try world.spaces[0].map.discard(world.areas[0].addresses(ofPages: 77..<78))
    world.expect(State(0), State(1))
    world.expectWakes(1, 0)
    #expect(world.spaces[0].entry(world.areas[0].start, PGTABLE_LEVEL_PMD).pte == 0)
    #expect(world.map.audit(mappedBy: world.spaces.map(\.map)).isEmpty)
  }

  @Test("a fork with a shared page: the child refaults", arguments: PageMap.Rules.allCases)
  func forkOfShared(_ rules: PageMap.Rules) throws {
    let world = try TraceWorld(.fsdax, rules)
    try world.mapIn(0)
    let parent = world.spaces[0].map
    do {
      let child = try parent.fork()
      world.expect(State(1, 1), State(1))
      _ = try child.load(world.areas[0].start)
      world.expect(State(2, 2), State(1))
      try world.unmapIn(0)
      world.expect(State(1, 1), State(1))
      world.expectWakes(0, 0)
    }
    world.expect(State(0), State(1))
    world.expectWakes(1, 0)
  }

  @Test(
    "a fork with a shared page of a mixed area: copied, counted by the modern scheme only",
    arguments: PageMap.Rules.allCases)
  func forkOfMixed(_ rules: PageMap.Rules) throws {
    let world = try TraceWorld(.fsdax, rules, contents: .mixed)
    try world.mapIn(0)
    world.expect(State(1, 1), State(1))
    do {
      let child = try world.spaces[0].map.fork()
      world.expect(State(2, 2), State(1))
      #expect(entry(child, world.areas[0].start).pte != 0)
      #expect(world.map.audit(mappedBy: [world.spaces[0].map, child]).isEmpty)
    }
    world.expect(State(1, 1), State(1))
    try world.unmapIn(0)
    world.expect(State(0), State(1))
    world.expectWakes(1, 0)
  }

  @Test("a private mapping: read, then a store that copies", arguments: PageMap.Rules.allCases)
  func copyOnWrite(_ rules: PageMap.Rules) throws {
    let world = try TraceWorld(.fsdax, rules)
    let space = world.spaces[0].map
    let area = try space.map(world.file, pages: 2, [.read, .write], .private)
    for page in 0..<2 { _ = try space.load(area.address(ofPage: page)) }
    world.expect(State(1, 1), State(1))
    whileTranslated(space, area.address(ofPage: 1)) {
      try space.store(9, at: area.start)
    } meanwhile: {
      // The transient reference of the fault.
      State(world.map, 0) == (rules == .legacy ? State(1) : State(2, 1))
        && entry(space, area.start).pte == 0
    }
    world.expect(State(0), State(1))
    world.expectWakes(1, 0)
    #expect(world.map.audit().isEmpty)
  }
}
