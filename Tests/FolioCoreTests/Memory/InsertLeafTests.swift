// SPDX-License-Identifier: MIT

// Mapping folios and frames by leaves (spec: core.md 9.4, 9.5, rows 76-80; CI17, CI19, CI53-CI55): one
// reference and one mapping for a folio of exactly the leaf's order, none for frames and for zeros, and
// the tables that are kept for leaves.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("Insertion of leaves", .serialized)
struct InsertLeafTests {
  private static func world(
    _ order: Int, _ contents: MappedObject.Contents = [], rules: PageMap.Rules = .strict,
    pages: Int = 64, _ rights: AccessRights = [.read, .write], _ sharing: Sharing = .shared,
    options: ((inout MemoryMap.Options) -> Void)? = nil
  ) throws -> InsertionWorld {
    var configuration = MemoryMap.Options(rules: rules)
    configuration.tableShift = LeafSize.shift
    options?(&configuration)
    let map = try PageMap(.generic, pages: 64, .init(rules: rules, compoundOrder: order))
    return try InsertionWorld(
      map, contents: contents, pages: pages, rights, sharing, configuration)
  }

  private static func entireMapcount(_ world: InsertionWorld, _ number: Int) -> Int32 {
    unsafe folio_entire_mapcount(world.folio(number))
  }

  @Test(
    "a leaf owns one reference and one mapping of the whole folio", arguments: LeafSize.allCases)
  func owned(_ size: LeafSize) throws {
    let world = try Self.world(size.order)
    let other = size.pages
    // From the middle of the leaf: it begins where leaves begin.
    #expect(world.insertLeaf(size, folio: other, at: other + 3) == .noPage)
    #expect(Counts(world.map, other) == Counts(2, 1))
    #expect(Self.entireMapcount(world, other) == 1)
    #expect(world.space.counters.filePages == size.pages)
    let leaf = world.entry(other, size.level)
    #expect(pmd_leaf(leaf) && pte_pfn(leaf) == world.map.frame(other))
    #expect(world.bits(other, size.level) == ["present"])
    #expect(world.insertLeaf(size, folio: 0, at: 0, write: true) == .noPage)
    #expect(world.bits(0, size.level) == ["present", "write", "dirty", "young"])
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
    try world.space.unmap(world.area.range)
    #expect(Counts(world.map, other) == Counts(1, 0) && Counts(world.map, 0) == Counts(1, 0))
    #expect(world.space.counters.filePages == 0 && world.space.counters.tables == 1)
  }

  @Test("a folio of another order is refused with a warning (CI17)", arguments: LeafSize.allCases)
  func otherOrder(_ size: LeafSize) throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    for order in [0, 2, 3, 4] where order != size.order {
      let world = try Self.world(order)
      let before = world.ledger()
      let warnings = cfolio_warning_count()
      #expect(world.insertLeaf(size, folio: 0, at: 0, write: true) == .busError)
      #expect(cfolio_warning_count() > warnings)
      #expect(world.ledger() == before && world.entry(0, size.level).pte == 0)
    }
  }

  @Test(
    "a leaf that goes beyond its area is refused, and counted by nobody",
    arguments: LeafSize.allCases)
  func outside(_ size: LeafSize) throws {
    let world = try Self.world(size.order, pages: 2 * size.pages - 1)
    let before = world.ledger()
    #expect(world.insertLeaf(size, folio: 0, at: size.pages) == .busError)
    #expect(world.ledger() == before)
    #expect(world.insertLeaf(size, folio: 0, at: 0) == .noPage)
    let frames = try Self.world(size.order, .frames, pages: 2 * size.pages - 1)
    #expect(frames.insertLeaf(size, frame: 1 << 30, at: size.pages) == .busError)
  }

  @Test("a leaf that is there: a store of the same folio gets the right, nothing is counted")
  func existing() async {
    // Warnings are counted for the process.
    await #expect(processExitsWith: .success) {
      for size in LeafSize.allCases {
        let world = try Self.world(size.order)
        precondition(world.insertLeaf(size, folio: 0, at: 0) == .noPage)
        let before = (world.ledger(), world.entry(0, size.level).pte)
        let warnings = cfolio_warning_count()
        precondition(world.insertLeaf(size, folio: 0, at: 0) == .noPage)
        precondition(world.insertLeaf(size, folio: size.pages, at: 0) == .noPage)
        precondition(before == (world.ledger(), world.entry(0, size.level).pte))
        precondition(cfolio_warning_count() == warnings, "a load does not ask what is there")
        precondition(
          world.insertLeaf(size, folio: size.pages, at: 0, write: true) == .noPage)
        precondition(before == (world.ledger(), world.entry(0, size.level).pte))
        precondition(cfolio_warning_count() == warnings + 1)
        precondition(world.insertLeaf(size, folio: 0, at: 0, write: true) == .noPage)
        precondition(world.bits(0, size.level) == ["present", "write", "dirty", "young"])
        precondition(world.ledger() == before.0 && cfolio_warning_count() == warnings + 1)
      }
    }
  }

  @Test("a table in the place of a leaf stays; a store that wanted the leaf is told so")
  func tableInTheWay() async {
    await #expect(processExitsWith: .success) {
      let world = try Self.world(LeafSize.pmd.order, .mixed)
      let one = unsafe vm_insert_page(world.vma, world.address(1), world.page(9))
      precondition(one == 0)
      let before = world.ledger()
      precondition(world.insertLeaf(.pmd, folio: 0, at: 0) == .noPage)
      let warnings = cfolio_warning_count()
      precondition(world.insertLeaf(.pmd, folio: 0, at: 0, write: true) == .noPage)
      precondition(cfolio_warning_count() == warnings + 1)
      precondition(world.ledger() == before && pte_pfn(world.entry(1)) == world.map.frame(9))
    }
  }

  @Test("the huge zero folio: a special leaf, and constant counts (CI20)")
  func hugeZero() async {
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.generic, pages: 1024, .init(compoundOrder: 9))
      let world = try InsertionWorld(map, pages: 1024 + 448)
      let zero = unsafe cfolio_huge_zero_folio_now()!
      // Where a leaf begins in the area.
      let place = 448
      func insert(_ folio: UnsafeMutablePointer<folio>, write: Bool) -> FaultResult {
        unsafe withFault(world.space, world.address(place), write: write) {
          unsafe vmf_insert_folio_pmd($0, folio, write)
        }
      }
      func state() -> [Int32] {
        unsafe [
          folio_ref_count(zero), folio_mapcount(zero), atomic_read(&zero.pointee._pincount),
        ]
      }
      let before = state()
      unsafe precondition(insert(unsafe zero, write: false) == .noPage && state() == before)
      precondition(world.bits(place, PGTABLE_LEVEL_PMD) == ["present", "special"])
      precondition(world.space.counters.filePages == 0)
      // A store that finds it is not warned of, and changes nothing.
      let warnings = cfolio_warning_count()
      let folio = unsafe world.folio(0)
      unsafe precondition(insert(unsafe folio, write: true) == .noPage)
      precondition(cfolio_warning_count() == warnings)
      precondition(world.bits(place, PGTABLE_LEVEL_PMD) == ["present", "special"])
      // Pins of it are none.
      let leaf = world.area.addresses(ofPages: place..<(place + 512))
      let pins = try world.space.pin(leaf)
      let count = pins.count
      precondition(count == 512 && state() == before)
      precondition(PinStatistics.current == PinStatistics(acquired: 0, released: 0))
      pins.release()
      precondition(state() == before)
      precondition(world.map.audit(mappedBy: [world.space]).isEmpty)
      try world.space.unmap(world.area.range)
      precondition(state() == before && Counts(map, 0) == Counts(1, 0))
    }
  }

  @Test("v6.15's special leaves are counted all the same", arguments: LeafSize.allCases)
  func specialLeaves(_ size: LeafSize) throws {
    let world = try Self.world(size.order) { $0.specialLeaves = true }
    #expect(world.insertLeaf(size, folio: 0, at: 0) == .noPage)
    #expect(world.bits(0, size.level) == ["present", "special"])
    #expect(Counts(world.map, 0) == Counts(2, 1))
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
    try world.space.unmap(world.area.range)
    #expect(Counts(world.map, 0) == Counts(1, 0) && world.space.counters.filePages == 0)
  }

  @Test("part of a special leaf takes all that it owns", arguments: LeafSize.allCases)
  func partOfSpecialLeaf(_ size: LeafSize) throws {
    let world = try Self.world(size.order) { $0.specialLeaves = true }
    #expect(world.insertLeaf(size, folio: 0, at: 0) == .noPage)
    try world.space.discard(world.area.addresses(ofPages: 1..<2))
    #expect(world.entry(0, size.level).pte == 0 && Counts(world.map, 0) == Counts(1, 0))
    #expect(world.space.counters.filePages == 0)
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
  }

  @Test(
    "C56 as v6.15 has it: a fork copies a special leaf uncounted, and both ends give back",
    arguments: LeafSize.allCases)
  func forkedSpecialLeaf(_ size: LeafSize) throws {
    let world = try Self.world(size.order, .mixed) { $0.specialLeaves = true }
    #expect(world.insertLeaf(size, folio: 0, at: 0, write: true) == .noPage)
    let child = try world.space.fork()
    let copy = entry(child, world.address(0), size.level)
    #expect(pmd_leaf(copy) && pte_special(copy) && pte_pfn(copy) == world.map.frame(0))
    #expect(Counts(world.map, 0) == Counts(2, 1) && child.counters.filePages == 0)
    let found = world.map.audit(mappedBy: [world.space, child]).map(\.invariant)
    #expect(Set(found) == ["CI4", "CI52"])
    // The child's end takes what the parent's leaf owns: R loses the base by the parent's own.
    try child.unmap(world.area.range)
    #expect(Counts(world.map, 0) == Counts(1, 0) && child.counters.filePages == -size.pages)
    let left = world.map.audit(mappedBy: [world.space]).map(\.invariant)
    #expect(left.contains("CI18"))
    // Given again, so that nothing is lost behind this test: a mapping that has no slot, as the child's
    // end found none.
    let (folio, order) = unsafe (world.folio(0), UInt32(size.order))
    unsafe folio_ref_inc(folio)
    unsafe folio_add_file_rmap_leaf(folio, order, child.mm.pointee.mm_id)
    unsafe folio_add_file_rmap_leaf(folio, order, 1 << 20)
    unsafe folio_remove_rmap_leaf(folio, order, child.mm.pointee.mm_id)
    unsafe add_mm_counter(child.mm, MM_FILEPAGES, size.pages)
    #expect(world.map.audit(mappedBy: [world.space, child]).isEmpty)
  }

  @Test("... and the second end stops the process: the device's base is gone (CI25)")
  func forkedSpecialLeafEnds() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try Self.world(LeafSize.pmd.order, .mixed) { $0.specialLeaves = true }
      precondition(world.insertLeaf(.pmd, folio: 0, at: 0, write: true) == .noPage)
      let child = try world.space.fork()
      try child.unmap(world.area.range)
      try world.space.unmap(world.area.range)
    }
  }

  @Test("an entry that is not present in the place of a leaf is left alone")
  func notPresent() async {
    await #expect(processExitsWith: .success) {
      for size in LeafSize.allCases {
        for checks in [false, true] {
          let world = try Self.world(size.order) { $0.upgradeChecksPresent = checks }
          var failed = false
          let place = unsafe pgtable_walk_alloc(
            world.space.mm, world.address(0), size.level, &failed
          ).entry!
          let soft = softleaf_pte(world.map.frame(0), SOFTLEAF_MIGRATION_READ)
          unsafe set_pte_at(place, soft)
          let before = world.ledger()
          precondition(world.insertLeaf(size, folio: 0, at: 0) == .noPage)
          precondition(world.insertLeaf(size, folio: 0, at: 0, write: true) == .noPage)
          precondition(world.entry(0, size.level).pte == soft.pte && world.ledger() == before)
          unsafe set_pte_at(place, pte_t())
        }
      }
    }
  }

  @Test("leaves of frames are special and count nothing", arguments: LeafSize.allCases)
  func frames(_ size: LeafSize) throws {
    for (contents, frame) in [(MappedObject.Contents.frames, UInt(1) << 30), (.mixed, 1 << 30)] {
      let world = try Self.world(size.order, contents)
      #expect(world.insertLeaf(size, frame: frame, at: 3) == .noPage)
      #expect(world.bits(0, size.level) == ["present", "special"])
      #expect(pmd_leaf(world.entry(0, size.level)) && pte_pfn(world.entry(0, size.level)) == frame)
      #expect(world.insertLeaf(size, frame: frame, at: 0, write: true) == .noPage)
      #expect(world.bits(0, size.level) == ["present", "special", "write", "dirty", "young"])
      #expect(world.space.counters.filePages == 0)
      try world.space.unmap(world.area.range)
      #expect(world.space.audit().isEmpty && world.space.counters.tables == 1)
    }
    // Frames that have pages: no count of them changes.
    let world = try Self.world(size.order, .frames)
    let before = world.ledger().pages
    #expect(world.insertLeaf(size, frame: world.map.frame(0), at: 0) == .noPage)
    #expect(world.ledger().pages == before)
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
    try world.space.unmap(world.area.range)
    #expect(world.ledger().pages == before)
    // Legacy: the leaf of a DAX folio says what it is, in any area.
    let legacy = try Self.world(size.order, rules: .legacy)
    #expect(legacy.insertLeaf(size, frame: legacy.map.frame(0), at: 0) == .noPage)
    #expect(legacy.bits(0, size.level) == ["present", "special", "devmap"])
    #expect(Counts(legacy.map, 0) == Counts(1, 0) && legacy.space.counters.filePages == 0)
  }

  @Test("areas that leaves of frames are not for stop the process")
  func misuse() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try Self.world(LeafSize.pmd.order)
      _ = world.insertLeaf(.pmd, frame: 1 << 30, at: 0)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try Self.world(LeafSize.pud.order, [.frames, .mixed])
      _ = world.insertLeaf(.pud, frame: 1 << 30, at: 0)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try Self.world(LeafSize.pmd.order, .frames, [.read, .write], .private)
      _ = world.insertLeaf(.pmd, frame: 1 << 30, at: 0)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try Self.world(LeafSize.pud.order, .mixed)
      _ = world.insertLeaf(.pud, frame: world.map.frame(0), at: 0)
    }
  }

  // MARK: tables that are kept (row 79)

  @Test("each PMD leaf keeps a table, which its end gives back; PUD leaves keep none (CI53)")
  func deposits() throws {
    let world = try Self.world(LeafSize.pmd.order) { $0.depositsTables = true }
    #expect(world.insertLeaf(.pmd, folio: 0, at: 0) == .noPage)
    // Top, PUD and PMD tables; and the one that is kept.
    #expect(world.space.counters.tables == 4)
    #expect(world.insertLeaf(.pmd, folio: 4, at: 4) == .noPage)
    #expect(world.space.counters.tables == 5)
    // What was there keeps no second one.
    #expect(world.insertLeaf(.pmd, folio: 4, at: 4, write: true) == .noPage)
    #expect(world.space.counters.tables == 5)
    #expect(world.space.audit().isEmpty)
    // The end of a leaf as a whole, in part, and by its object.
    try world.space.discard(world.area.addresses(ofPages: 0..<4))
    #expect(world.space.counters.tables == 4 && world.space.audit().isEmpty)
    try world.space.discard(world.area.addresses(ofPages: 5..<6))
    #expect(world.space.counters.tables == 3 && world.space.audit().isEmpty)
    #expect(Counts(world.map, 4) == Counts(1, 0))

    let upper = try Self.world(LeafSize.pud.order) { $0.depositsTables = true }
    #expect(upper.insertLeaf(.pud, folio: 0, at: 0) == .noPage)
    #expect(upper.space.counters.tables == 2 && upper.space.audit().isEmpty)
  }

  @Test(
    "no memory, for a table on the way or for one to keep: VM_FAULT_OOM, nothing counted (CI55)")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      for (size, isKept) in [(LeafSize.pmd, true), (.pmd, false), (.pud, false)] {
        let world = try Self.world(size.order) { $0.depositsTables = isKept }
        // The tables on the way are there: only the kept one can be missing.
        if isKept {
          precondition(world.insertLeaf(size, folio: 0, at: 0) == .noPage)
        }
        let before = world.ledger()
        cfolio_fault_injection(1, 1)
        precondition(
          world.insertLeaf(size, folio: size.pages, at: size.pages) == .outOfMemory)
        cfolio_fault_injection(0, 0)
        precondition(world.ledger() == before && world.space.audit().isEmpty)
      }
    }
  }
}
