// SPDX-License-Identifier: MIT

// What the audit of an address space finds: each invariant broken once, by hand.

import CFolio
import FolioCore
import Testing

@Suite("Audits of address spaces")
struct MemoryAuditTests {
  /// A space with a page, a leaf, a page of its own and the zero page mapped.
  private struct World {
    let map: PageMap
    let space: MemoryMap
    let pages: MemoryArea
    let leaf: MemoryArea
    let own: MemoryArea

    init() throws {
      map = try PageMap(.fsdax, pages: 1024)
      let small = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
      let huge = try MappedObject(.fsdax, DeviceFile(map, order: 9))
      var options = MemoryMap.Options()
      options.depositsTables = true
      space = try MemoryMap(options)
      pages = try space.map(small, from: 512, pages: 2, [.read, .write], .shared)
      leaf = try space.map(huge, pages: 512, [.read, .write], .shared)
      own = try space.map(pages: 2, [.read, .write], .private)
      _ = try space.load(pages.start)
      _ = try space.load(leaf.start)
      _ = try space.load(own.start)
      try space.store(1, at: own.address(ofPage: 1))
    }

    func entry(_ address: UInt, _ level: pgtable_level) -> UnsafeMutablePointer<shared_t> {
      unsafe pgtable_walk(space.mm, address, level).entry!
    }

    /// The invariants that are named, and that nothing is once it is mended.
    func named(_ breaking: () -> Void, mending: () -> Void) -> Set<String> {
      breaking()
      let found = Set(map.audit(mappedBy: [space]).map(\.invariant))
      mending()
      #expect(map.audit(mappedBy: [space]) == [])
      return found
    }
  }

  @Test("a space in order has no violation")
  func sound() throws {
    let world = try World()
    #expect(world.space.audit() == [])
    #expect(world.map.audit(mappedBy: [world.space]) == [])
    #expect(world.space.counters.filePages == 513 && world.space.counters.anonymousPages == 1)
  }

  @Test("each broken invariant is named")
  func broken() throws {
    let world = try World()
    let mm = unsafe world.space.mm
    let frame = world.map.frames.lowerBound + 512
    let folio = unsafe world.map.folio(frame)
    #expect(
      world.named {
        unsafe add_mm_counter(mm, MM_FILEPAGES, 1)
      } mending: {
        unsafe add_mm_counter(mm, MM_FILEPAGES, -1)
      } == ["CI52"])
    #expect(
      world.named {
        unsafe atomic_long_add(1, &mm.pointee.pgtables)
      } mending: {
        unsafe atomic_long_add(-1, &mm.pointee.pgtables)
      } == ["CI53"])
    // A second mapping that no entry has.
    #expect(
      world.named {
        unsafe folio_ref_inc(folio)
        unsafe folio_add_file_rmap_pte(folio, world.map.page(frame), 99)
      } mending: {
        unsafe folio_remove_rmap_pte(folio, world.map.page(frame), 99)
        unsafe folio_put(folio)
      } == ["CI4"])
    // An entry where no area is, which nobody counted.
    let hole = world.space.end - MemoryMap.pageSize
    var failed = false
    let place = unsafe pgtable_walk_alloc(mm, hole, PGTABLE_LEVEL_PTE, &failed)
    #expect(
      world.named {
        unsafe set_pte_at(place.entry!, softleaf_pte(0, SOFTLEAF_HWPOISON))
      } mending: {
        unsafe set_pte_at(place.entry!, pte_t())
      } == ["VMA"])
    // A leaf that maps one page further.
    let leaf = unsafe world.entry(world.leaf.start, PGTABLE_LEVEL_PMD)
    let before = unsafe ptep_get(leaf)
    #expect(
      world.named {
        unsafe set_pte_at(leaf, pte_t(pte: before.pte + MemoryMap.pageSize))
      } mending: {
        unsafe set_pte_at(leaf, before)
      } == ["CI17"])
    // An entry to an idle page.
    let entry = unsafe world.entry(world.pages.start, PGTABLE_LEVEL_PTE)
    let mapped = unsafe ptep_get(entry)
    #expect(
      world.named {
        unsafe set_pte_at(entry, pte_t(pte: mapped.pte + MemoryMap.pageSize))
      } mending: {
        unsafe set_pte_at(entry, mapped)
      } == ["CI18", "CI4"])
  }
}
