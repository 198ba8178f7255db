// SPDX-License-Identifier: MIT

// Taking entries away (spec: core.md 10.1-10.3, rows 81-85; CI51, CI52): what falls at once, what waits
// for the flush, what an entry's bits become, and that part of a leaf takes all of it.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("Removal of entries", .serialized)
struct RemovalTests {
  /// Tables of four entries. Folios of 2^order pages, an area that maps nothing by itself.
  private static func world(
    _ order: Int, pages: Int = 64, options: ((inout MemoryMap.Options) -> Void)? = nil
  ) throws -> InsertionWorld {
    var configuration = MemoryMap.Options()
    configuration.tableShift = LeafSize.shift
    options?(&configuration)
    return try InsertionWorld(
      PageMap(.generic, pages: 64, .init(compoundOrder: order)), contents: .mixed, pages: pages,
      [.read, .write], .shared, configuration)
  }

  private static func insert(
    _ world: InsertionWorld, _ page: Int, at place: Int, write: Bool = false
  ) {
    let result = unsafe withFault(world.space, world.address(place)) {
      unsafe vmf_insert_page_mkwrite($0, world.page(page), write)
    }
    #expect(result == .noPage)
  }

  private static func insertLeaf(
    _ world: InsertionWorld, _ size: LeafSize, _ page: Int, at place: Int, write: Bool = false
  ) {
    let result = world.insertLeaf(size, folio: page, at: place, write: write)
    #expect(result == .noPage)
  }

  private static func has(_ world: InsertionWorld, _ page: Int, _ flag: pageflags) -> Bool {
    unsafe folio_test_flag(world.folio(page), Int32(flag.rawValue))
  }

  /// A leaf at the beginning of the area that leads to any frame.
  private static func setLeaf(_ world: InsertionWorld, _ size: LeafSize, _ frame: UInt) {
    var failed = false
    let place = unsafe pgtable_walk_alloc(
      world.space.mm, world.area.start, size.level, &failed
    ).entry!
    unsafe set_pte_at(place, pfn_pte(frame, _PAGE_PRESENT | _PAGE_PSE))
  }

  // MARK: pages

  @Test("runs of one folio go together, up to the ends of range, folio and table")
  func runs() throws {
    let world = try Self.world(2)
    for page in 0..<12 { Self.insert(world, page, at: page + 2) }
    #expect(Counts(world.map, 4) == Counts(5, 4) && world.space.counters.filePages == 12)
    unsafe zap_page_range_single(world.vma, world.address(3), 9 * MemoryMap.pageSize)
    #expect(
      (0..<3).map { Counts(world.map, 4 * $0) } == [Counts(2, 1), Counts(1, 0), Counts(3, 2)])
    #expect(world.space.counters.filePages == 3)
    #expect((2..<14).filter { world.entry($0).pte != 0 } == [2, 12, 13])
    // Pages of one folio that are not consecutive, and of two folios that are.
    for (page, place) in [(0, 20), (2, 21), (3, 22), (4, 23)] {
      Self.insert(world, page, at: place)
    }
    unsafe zap_page_range_single(world.vma, world.address(20), 4 * MemoryMap.pageSize)
    #expect((0..<2).map { Counts(world.map, 4 * $0) } == [Counts(2, 1), Counts(1, 0)])
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
    try world.space.unmap(world.area.range)
    #expect(world.map.firstBusyFrame == nil)
  }

  @Test("more pages than a batch holds")
  func batches() throws {
    let map = try PageMap(.generic, pages: 512)
    let world = try InsertionWorld(map, contents: .mixed, pages: 300)
    for page in 0..<300 { Self.insert(world, page, at: page, write: page % 3 == 0) }
    #expect(world.space.counters.filePages == 300)
    try world.space.unmap(world.area.range)
    #expect((0..<300).allSatisfy { Counts(map, $0) == Counts(1, 0) })
    #expect(world.space.counters.filePages == 0)
  }

  @Test("the mapping goes at once, the reference behind the flush (CI51)")
  func flush() throws {
    let world = try Self.world(0)
    for page in 0..<2 { Self.insert(world, page, at: page) }
    let (space, range) = (world.space, world.area.addresses(ofPages: 0..<1))
    whileTranslated(space, world.address(1)) {
      try space.discard(range)
    } meanwhile: {
      world.entry(0).pte == 0 && Counts(world.map, 0) == Counts(2, 0)
        && space.counters.filePages == 1
    }
    #expect(Counts(world.map, 0) == Counts(1, 0))
  }

  @Test("of a page that was stored to the mapping waits for the flush too (T16)")
  func delayed() throws {
    let world = try Self.world(0)
    for page in 0..<2 { Self.insert(world, page, at: page, write: page == 0) }
    let (space, range) = (world.space, world.area.addresses(ofPages: 0..<1))
    #expect(!Self.has(world, 0, PG_dirty))
    whileTranslated(space, world.address(1)) {
      try space.discard(range)
    } meanwhile: {
      world.entry(0).pte == 0 && Counts(world.map, 0) == Counts(2, 1)
        && Self.has(world, 0, PG_dirty)
    }
    #expect(Counts(world.map, 0) == Counts(1, 0))
  }

  @Test("dirty and accessed bits become the folio's")
  func marks() throws {
    let world = try Self.world(0)
    for page in 0..<3 { Self.insert(world, page, at: page, write: page == 2) }
    _ = try world.space.load(world.address(1))
    try world.space.discard(world.area.range)
    let found = (0..<3).map {
      (Self.has(world, $0, PG_dirty), Self.has(world, $0, PG_referenced))
    }
    #expect(found.map(\.0) == [false, false, true])
    #expect(found.map(\.1) == [false, true, true])
  }

  @Test("a mapping too many that is lost is warned of", arguments: [0, 2])
  func lostMapping(order: Int) async {
    await #expect(processExitsWith: .success) { [order] in
      let world = try Self.world(order)
      let level = order == 0 ? PGTABLE_LEVEL_PTE : PGTABLE_LEVEL_PMD
      var failed = false
      let place = unsafe pgtable_walk_alloc(
        world.space.mm, world.area.start, level, &failed
      ).entry!
      world.hold(0..<1)
      let leaf = order == 0 ? 0 : _PAGE_PSE
      unsafe set_pte_at(place, pfn_pte(world.map.frame(0), _PAGE_PRESENT | leaf))
      let warnings = cfolio_warning_count()
      unsafe zap_page_range_single(
        world.vma, world.area.start, UInt(1 << order) * MemoryMap.pageSize)
      precondition(cfolio_warning_count() > warnings)
      precondition(Counts(world.map, 0).references == 1)
    }
  }

  // MARK: leaves

  @Test("a leaf: one mapping at once, one reference behind the flush", arguments: LeafSize.allCases)
  func leaf(_ size: LeafSize) throws {
    let world = try Self.world(size.order)
    Self.insertLeaf(world, size, 0, at: 0)
    Self.insertLeaf(world, size, size.pages, at: size.pages, write: true)
    unsafe folio_ref_inc(world.folio(0))
    #expect(world.space.counters.filePages == 2 * size.pages)
    let (space, range) = (world.space, world.area.addresses(ofPages: 0..<size.pages))
    whileTranslated(space, world.address(size.pages)) {
      try space.discard(range)
    } meanwhile: {
      world.entry(0, size.level).pte == 0 && Counts(world.map, 0) == Counts(3, 0)
        && space.counters.filePages == size.pages
    }
    #expect(Counts(world.map, 0) == Counts(2, 0))
    #expect(unsafe folio_entire_mapcount(world.folio(0)) == 0)
    #expect(!Self.has(world, 0, PG_dirty) && !Self.has(world, 0, PG_referenced))
    try space.discard(world.area.addresses(ofPages: size.pages..<(2 * size.pages)))
    #expect(Self.has(world, size.pages, PG_dirty) && Self.has(world, size.pages, PG_referenced))
    #expect(Counts(world.map, size.pages) == Counts(1, 0))
    #expect(space.counters.filePages == 0)
    unsafe folio_put(world.folio(0))
    #expect(world.map.audit(mappedBy: [space]).isEmpty)
  }

  @Test(
    "a leaf that begins at a tail stops the process (row 82)",
    arguments: LeafSize.allCases.map(\.order))
  func tailLeaf(order: Int) async {
    await #expect(processExitsWith: .signal(SIGABRT)) { [order] in
      let size = LeafSize.allCases.first { $0.order == order }!
      let world = try Self.world(5)
      world.hold(0..<1)
      Self.setLeaf(world, size, world.map.frame(size.pages))
      try world.space.discard(world.area.addresses(ofPages: 0..<size.pages))
    }
  }

  @Test("a private page behind a leaf at the PUD level is warned of (row 83)")
  func privateLeaf() async {
    await #expect(processExitsWith: .success) {
      for (size, count) in [(LeafSize.pmd, 0), (.pud, 1)] {
        let world = try Self.world(size.order)
        let mapping = unsafe world.page(0).pointee.mapping
        Self.insertLeaf(world, size, 0, at: 0)
        unsafe shared_set(&world.page(0).pointee.mapping, FOLIO_MAPPING_ANON)
        let warnings = cfolio_warning_count()
        try world.space.discard(world.area.addresses(ofPages: 0..<size.pages))
        precondition(cfolio_warning_count() == warnings + count)
        precondition(Counts(world.map, 0) == Counts(1, 0))
        precondition(world.space.counters.anonymousPages == -size.pages)
        unsafe world.page(0).pointee.mapping = mapping
        // Where it was counted when it was mapped.
        unsafe add_mm_counter(world.space.mm, MM_FILEPAGES, -size.pages)
        unsafe add_mm_counter(world.space.mm, MM_ANONPAGES, size.pages)
      }
    }
  }

  /// A leaf at the PUD level whose folio is counted, in an area of no DAX memory; and its end.
  private static func zapUpperLeaf(_ rules: PageMap.Rules) throws {
    var options = MemoryMap.Options(rules: rules)
    options.tableShift = LeafSize.shift
    let size = LeafSize.pud
    let world = try InsertionWorld(
      PageMap(.generic, pages: 64, .init(rules: rules, compoundOrder: size.order)),
      kind: .sharedMemory, contents: .mixed, pages: 64, [.read, .write], .shared, options)
    insertLeaf(world, size, 0, at: 0)
    try world.space.discard(world.area.addresses(ofPages: 0..<size.pages))
    precondition(Counts(world.map, 0) == Counts(1, 0))
  }

  @Test("a counted leaf of no DAX memory at the PUD level: legacy rules have none (row 83)")
  func legacyUpperLeaf() async throws {
    try Self.zapUpperLeaf(.strict)
    try Self.zapUpperLeaf(.kernel)
    await #expect(processExitsWith: .signal(SIGABRT)) { try Self.zapUpperLeaf(.legacy) }
  }

  @Test(
    "part of a leaf takes all of it: flush, mapping, reference (10.3)", arguments: LeafSize.allCases
  )
  func partOfLeaf(_ size: LeafSize) throws {
    for countsAfterPut in [false, true] {
      let world = try Self.world(size.order) { $0.countsAfterPut = countsAfterPut }
      Self.insertLeaf(world, size, 0, at: 0, write: true)
      Self.insertLeaf(world, size, size.pages, at: size.pages)
      let (space, range) = (world.space, world.area.addresses(ofPages: 1..<2))
      whileTranslated(space, world.address(size.pages)) {
        try space.discard(range)
      } meanwhile: {
        world.entry(0, size.level).pte == 0 && Counts(world.map, 0) == Counts(2, 1)
          && space.counters.filePages == 2 * size.pages
      }
      #expect(Counts(world.map, 0) == Counts(1, 0) && space.counters.filePages == size.pages)
      #expect(Self.has(world, 0, PG_dirty) && Self.has(world, 0, PG_referenced))
      #expect(world.entry(size.pages, size.level).pte != 0, "the other leaf stays")
      // Both ends in the middle of a leaf.
      Self.insertLeaf(world, size, 0, at: 0)
      try space.discard(world.area.addresses(ofPages: (size.pages - 1)..<(size.pages + 1)))
      #expect(Counts(world.map, 0) == Counts(1, 0))
      #expect(Counts(world.map, size.pages) == Counts(1, 0) && space.counters.filePages == 0)
      #expect(world.map.audit(mappedBy: [space]).isEmpty)
    }
  }

  @Test(
    "part of a leaf of frames takes all of it, and counts nothing", arguments: LeafSize.allCases)
  func partOfFrames(_ size: LeafSize) throws {
    let world = try Self.world(size.order)
    let result = world.insertLeaf(size, frame: 1 << 30, at: 0)
    #expect(result == .noPage)
    let before = world.ledger()
    try world.space.discard(world.area.addresses(ofPages: 1..<2))
    #expect(world.entry(0, size.level).pte == 0)
    #expect(world.ledger().pages == before.pages && world.space.counters.filePages == 0)
  }

  @Test(
    "a leaf of legacy DAX memory counts nothing, whole or in part", arguments: LeafSize.allCases)
  func legacy(_ size: LeafSize) throws {
    var options = MemoryMap.Options(rules: .legacy)
    options.tableShift = LeafSize.shift
    for pages in [size.pages, 1] {
      let map = try PageMap(
        .generic, pages: 64, .init(rules: .legacy, compoundOrder: size.order))
      let world = try InsertionWorld(map, pages: 64, [.read, .write], .shared, options)
      let result = world.insertLeaf(size, frame: map.frame(0), at: 0, write: true)
      #expect(result == .noPage && Counts(map, 0) == Counts(1, 0))
      try world.space.discard(world.area.addresses(ofPages: 0..<pages))
      #expect(world.entry(0, size.level).pte == 0 && Counts(map, 0) == Counts(1, 0))
      #expect(world.space.counters.filePages == 0)
    }
  }
}
