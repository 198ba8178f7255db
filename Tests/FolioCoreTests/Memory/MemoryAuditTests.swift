// SPDX-License-Identifier: MIT

// What the audit of an address space finds: each invariant broken once, by hand.

import CFolio
import FolioCore
import TestSupport
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

  @Test("an entry to a page without references or mappings (CI18)")
  func unreferenced() throws {
    let world = try World()
    let folio = unsafe world.map.folio(world.map.frames.lowerBound + 512)
    #expect(unsafe folio_ref_freeze(folio, 1))
    let found = Set(world.space.audit().map(\.invariant))
    unsafe folio_ref_unfreeze(folio, 1)
    #expect(found == ["CI18"])
    unsafe folio_remove_rmap_pte(folio, folio_page(folio, 0), world.space.mm.pointee.mm_id)
    #expect(Set(world.space.audit().map(\.invariant)) == ["CI18"])
    unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 0), world.space.mm.pointee.mm_id)
    #expect(world.space.audit() == [])
  }

  @Test(
    "a private page that may be shared, mapped for stores; an exclusive one, mapped twice (CI42)")
  func owners() throws {
    let world = try World()
    let entry = unsafe world.entry(world.own.address(ofPage: 1), PGTABLE_LEVEL_PTE)
    let frame = unsafe pte_pfn(ptep_get(entry))
    let folio = unsafe page_folio(pfn_to_page(frame))
    let exclusive = Int32(PG_anon_exclusive.rawValue)
    #expect(
      world.named {
        unsafe folio_clear_flag(folio, exclusive)
      } mending: {
        unsafe folio_set_flag(folio, exclusive)
      } == ["CI42"])
    // Parent and child share the page; the flag says that they do not.
    let child = try world.space.fork()
    unsafe folio_set_flag(folio, exclusive)
    for space in [world.space, child] {
      #expect(space.audit().map(\.invariant) == ["CI42"])
    }
    unsafe folio_clear_flag(folio, exclusive)
    #expect(world.space.audit() == [] && child.audit() == [])
  }

  @Test("a leaf without the table that it should have kept, and one kept for none (CI53)")
  func deposits() throws {
    let world = try World()
    let place = unsafe pgtable_walk(world.space.mm, world.leaf.start, PGTABLE_LEVEL_PMD)
    let kept = unsafe pgtable_trans_huge_withdraw(place.table!)
    #expect(
      world.named {
        unsafe atomic_long_add(-1, &world.space.mm.pointee.pgtables)
      } mending: {
        unsafe pgtable_trans_huge_deposit(place.table!, kept)
        unsafe atomic_long_add(1, &world.space.mm.pointee.pgtables)
      } == ["CI53"])
    let leaf = unsafe ptep_get_and_clear(place.entry!)
    #expect(world.space.audit().contains { $0.invariant == "CI53" })
    unsafe set_pte_at(place.entry!, leaf)
    #expect(world.space.audit() == [])
  }

  @Test("a zero page that counts mappings (CI20)")
  func zeroPage() async {
    // There is one in the process.
    await #expect(processExitsWith: .success) {
      let world = try World()
      precondition(world.space.audit() == [])
      let zero = unsafe cfolio_zero_page_now()!
      unsafe atomic_set(&zero.pointee._mapcount, 0)
      precondition(world.space.audit().map(\.invariant) == ["CI20"])
      unsafe atomic_set(&zero.pointee._mapcount, -1)
      precondition(world.space.audit() == [])
    }
  }
}
