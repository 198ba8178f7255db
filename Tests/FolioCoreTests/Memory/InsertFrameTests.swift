// SPDX-License-Identifier: MIT

// Mapping frames by entries that count nothing (spec: core.md 9.4, rows 74, 75 and 80; CI19, CI54): what
// the areas must be, what is done to an entry that is there, and that R, M and the map's counters stay.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("Insertion of frames", .serialized)
struct InsertFrameTests {
  /// A frame of no device and of no RAM.
  private static let bare = UInt(FOLIO_RAM_PFNS) + 1 << 30

  private func mixed(
    _ world: InsertionWorld, _ frame: UInt, at place: Int, write: Bool = false
  ) -> FaultResult {
    let address = world.address(place)
    return FaultResult(
      rawValue: write
        ? unsafe vmf_insert_mixed_mkwrite(world.vma, address, frame)
        : unsafe vmf_insert_mixed(world.vma, address, frame))
  }

  @Test("mixed: special entries of counted pages count nothing, when made and when removed")
  func mixedCounts() throws {
    let world = try InsertionWorld(PageMap(.generic, pages: 16), contents: .mixed)
    let tables = world.ledger()
    #expect(mixed(world, world.map.frame(3), at: 1) == .noPage)
    #expect(world.bits(1) == ["present", "special"])
    #expect(pte_pfn(world.entry(1)) == world.map.frame(3))
    #expect(mixed(world, world.map.frame(4), at: 2, write: true) == .noPage)
    #expect(world.bits(2) == ["present", "special", "write", "dirty", "young"])
    #expect(mixed(world, Self.bare, at: 3) == .noPage)
    #expect(world.ledger().pages == tables.pages && world.space.counters.filePages == 0)
    // No page is behind such an entry: nothing can be taken (row 80).
    var found: UnsafeMutablePointer<page>?
    #expect(
      unsafe get_user_pages_unlocked(world.space.mm, world.address(1), 1, &found, 0) == -17)
    try world.space.discard(world.area.range)
    #expect(world.entry(1).pte == 0 && world.ledger().pages == tables.pages)
    #expect(world.space.counters.filePages == 0)
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
  }

  @Test("mixed: what the area must be; the zero page is for loads")
  func mixedRefusals() throws {
    let world = try InsertionWorld(PageMap(.generic, pages: 16), contents: .mixed)
    let zero = unsafe page_to_pfn(cfolio_zero_page_now()!)
    let outside = FaultResult(
      rawValue: unsafe vmf_insert_mixed(world.vma, world.area.end, Self.bare))
    #expect(outside == .busError)
    #expect(mixed(world, zero, at: 0, write: true) == .busError && world.entry(0).pte == 0)
    #expect(mixed(world, zero, at: 0) == .noPage && world.bits(0) == ["present", "special"])
    // Not an area for bare frames: zeros only.
    let plain = try InsertionWorld(world.map)
    #expect(mixed(plain, world.map.frame(0), at: 0) == .busError)
    #expect(mixed(plain, Self.bare, at: 0) == .busError && plain.entry(0).pte == 0)
    #expect(mixed(plain, zero, at: 0) == .noPage)
    // And DAX pages under legacy rules, by entries that say what they are.
    let legacy = try InsertionWorld(PageMap(.fsdax, pages: 16, .init(rules: .legacy)))
    #expect(mixed(legacy, legacy.map.frame(0), at: 0) == .noPage)
    #expect(legacy.bits(0) == ["present", "special", "devmap"])
    #expect(Counts(legacy.map, 0) == Counts(1, 0) && legacy.space.counters.filePages == 0)
    #expect(legacy.map.audit(mappedBy: [legacy.space]).isEmpty)
  }

  @Test("an entry that is there: a store of the same frame gets the right, anything else nothing")
  func existing() async {
    // Warnings are counted for the process.
    await #expect(processExitsWith: .success) {
      let world = try InsertionWorld(PageMap(.generic, pages: 16), contents: .mixed)
      let frame = world.map.frame(0)
      let zero = unsafe page_to_pfn(cfolio_zero_page_now()!)
      func insert(_ frame: UInt, at place: Int, write: Bool) -> FaultResult {
        let address = world.address(place)
        return FaultResult(
          rawValue: write
            ? unsafe vmf_insert_mixed_mkwrite(world.vma, address, frame)
            : unsafe vmf_insert_mixed(world.vma, address, frame))
      }
      precondition(insert(frame, at: 0, write: false) == .noPage)
      precondition(insert(zero, at: 1, write: false) == .noPage)
      let warnings = cfolio_warning_count()
      precondition(insert(frame, at: 0, write: false) == .noPage)
      precondition(insert(frame + 1, at: 0, write: false) == .noPage)
      precondition(world.bits(0) == ["present", "special"])
      precondition(cfolio_warning_count() == warnings, "a load does not ask what is there")
      precondition(insert(frame, at: 0, write: true) == .noPage)
      precondition(world.bits(0) == ["present", "special", "write", "dirty", "young"])
      precondition(insert(frame, at: 1, write: true) == .noPage)
      precondition(pte_pfn(world.entry(1)) == zero && !pte_write(world.entry(1)))
      precondition(cfolio_warning_count() == warnings, "the zero page is no stranger")
      precondition(insert(frame + 1, at: 0, write: true) == .noPage)
      precondition(pte_pfn(world.entry(0)) == frame && cfolio_warning_count() == warnings + 1)
      precondition(world.space.counters.filePages == 0 && Counts(world.map, 0) == Counts(1, 0))
    }
  }

  @Test("what is there but not present is left alone, where the map is told to look (9.3)")
  func notPresent() throws {
    for (dirties, checks) in [(false, false), (false, true), (true, false), (true, true)] {
      var options = MemoryMap.Options()
      options.upgradeDirties = dirties
      options.upgradeChecksPresent = checks
      let world = try InsertionWorld(
        PageMap(.generic, pages: 16), contents: .mixed, [.read, .write], .shared, options)
      var failed = false
      let place = unsafe pgtable_walk_alloc(
        world.space.mm, world.address(0), PGTABLE_LEVEL_PTE, &failed
      ).entry!
      let poisoned = softleaf_pte(world.map.frame(0), SOFTLEAF_HWPOISON)
      unsafe set_pte_at(place, poisoned)
      let before = world.ledger()
      #expect(mixed(world, world.map.frame(0), at: 0) == .noPage)
      #expect(world.entry(0).pte == poisoned.pte, "a load changes nothing")
      #expect(mixed(world, world.map.frame(0), at: 0, write: true) == .noPage)
      // The same frame: v6.18 compares nothing else, and spoils the entry. Dirty it is always (9.4).
      let spoiled = pte_set(poisoned, _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY)
      #expect(world.entry(0).pte == (checks ? poisoned : spoiled).pte)
      #expect(world.ledger() == before)
      unsafe set_pte_at(place, pte_t())
    }
  }

  @Test("bare frames: special entries with the area's rights or those that were asked for")
  func bareFrames() throws {
    let map = try PageMap(.generic, pages: 16)
    for contents: MappedObject.Contents in [.frames, .mixed] {
      let world = try InsertionWorld(map, contents: contents)
      func insert(_ frame: UInt, _ address: UInt) -> FaultResult {
        FaultResult(rawValue: unsafe vmf_insert_pfn(world.vma, address, frame))
      }
      #expect(insert(Self.bare, world.address(0)) == .noPage)
      #expect(world.bits(0) == ["present", "special"] && pte_pfn(world.entry(0)) == Self.bare)
      #expect(insert(Self.bare + 1, world.address(0)) == .noPage, "something is there")
      #expect(pte_pfn(world.entry(0)) == Self.bare)
      #expect(insert(Self.bare, world.area.end) == .busError)
      let other = unsafe vmf_insert_pfn_prot(
        world.vma, world.address(1), Self.bare, _PAGE_PRESENT | _PAGE_RW)
      #expect(FaultResult(rawValue: other) == .noPage)
      #expect(world.bits(1) == ["present", "special", "write"])
      #expect(world.space.counters.filePages == 0)
      let copy = try world.space.fork()
      #expect(pte_pfn(TestSupport.entry(copy, world.address(1))) == Self.bare, "copied as it is")
      try world.space.unmap(world.area.range)
      #expect(world.space.audit().isEmpty)
    }
    // With pages, the frames of an area of bare frames still count nothing.
    let world = try InsertionWorld(map, contents: .frames)
    #expect(unsafe vmf_insert_pfn(world.vma, world.address(0), map.frame(2)) == VM_FAULT_NOPAGE)
    #expect(Counts(map, 2) == Counts(1, 0))
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
  }

  @Test("areas that vmf_insert_pfn is not for stop the process")
  func misuse() async {
    // Neither or both; a copy on write of frames alone; a frame that has a page.
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try InsertionWorld(PageMap(.generic, pages: 8))
      _ = unsafe vmf_insert_pfn(world.vma, world.address(0), 1 << 30)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try InsertionWorld(
        PageMap(.generic, pages: 8), contents: [.frames, .mixed])
      _ = unsafe vmf_insert_pfn(world.vma, world.address(0), 1 << 30)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try InsertionWorld(
        PageMap(.generic, pages: 8), contents: .frames, [.read, .write], .private)
      _ = unsafe vmf_insert_pfn(world.vma, world.address(0), 1 << 30)
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try InsertionWorld(PageMap(.generic, pages: 8), contents: .mixed)
      _ = unsafe vmf_insert_pfn(world.vma, world.address(0), world.map.frame(0))
    }
  }

  @Test("no memory for a table")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      let world = try InsertionWorld(PageMap(.generic, pages: 8), contents: .mixed)
      cfolio_fault_injection(1, 1)
      let result = unsafe vmf_insert_mixed(world.vma, world.address(0), world.map.frame(0))
      precondition(result == VM_FAULT_OOM)
      let bare = unsafe vmf_insert_pfn(world.vma, world.address(0), 1 << 30)
      precondition(bare == VM_FAULT_OOM)
      cfolio_fault_injection(0, 0)
    }
  }
}
