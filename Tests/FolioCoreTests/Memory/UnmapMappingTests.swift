// SPDX-License-Identifier: MIT

// Taking a file's pages out of every area (spec: core.md 10.4, row 86), and what becomes of tables that
// nothing needs (10.5, row 88; CI50).

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("Removal by object", .serialized)
struct UnmapMappingTests {
  private static let page = MemoryMap.pageSize

  /// A file that two address spaces map, one of them twice, and one privately; all is mapped.
  private struct World {
    let map: PageMap
    let file: MappedObject
    let one: MemoryMap
    let two: MemoryMap
    /// Pages 0..<8 in `one`; 2..<6 there too; 4..<8 in `two`; 0..<8 privately in `two`.
    let areas: [MemoryArea]

    init() throws {
      map = try PageMap(.fsdax, pages: 16)
      file = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
      one = try MemoryMap()
      two = try MemoryMap()
      areas = [
        try one.map(file, pages: 8, [.read, .write], .shared),
        try one.map(file, from: 2, pages: 4, [.read, .write], .shared),
        try two.map(file, from: 4, pages: 4, [.read, .write], .shared),
        try two.map(file, pages: 8, [.read, .write], .private),
      ]
      try touch()
      // A page of its own.
      try one.store(3, at: areas[0].address(ofPage: 5))
      try two.store(7, at: areas[3].address(ofPage: 5))
    }

    func touch() throws {
      for page in 0..<8 { _ = try one.load(areas[0].address(ofPage: page)) }
      for page in 0..<4 {
        _ = try one.load(areas[1].address(ofPage: page))
        _ = try two.load(areas[2].address(ofPage: page))
      }
      for page in 0..<8 { _ = try two.load(areas[3].address(ofPage: page)) }
    }

    /// How often each page is mapped.
    var mappings: [Int] { (0..<8).map { Counts(map, $0).mappings } }
    static let all = [2, 2, 3, 3, 4, 3, 3, 3]
    var mapping: UnsafeMutablePointer<address_space> { unsafe file.addressSpace }
  }

  @Test("bytes are those of whole pages; none, or more than there can be, are all to the end")
  func bytes() throws {
    let world = try World()
    #expect(world.mappings == World.all)
    #expect((0..<8).allSatisfy { Counts(world.map, $0).references == world.mappings[$0] })
    unsafe unmap_mapping_range(world.mapping, 2 * Self.page + 5, Self.page, true)
    #expect(world.mappings == [2, 2, 0, 0, 4, 3, 3, 3])
    try world.touch()
    unsafe unmap_mapping_range(world.mapping, 2 * Self.page, Self.page, true)
    #expect(world.mappings == [2, 2, 0, 3, 4, 3, 3, 3])
    unsafe unmap_mapping_range(world.mapping, 6 * Self.page, 0, true)
    #expect(world.mappings == [2, 2, 0, 3, 4, 3, 0, 0])
    unsafe unmap_mapping_range(world.mapping, Self.page, UInt.max, true)
    #expect(world.mappings == [2, 0, 0, 0, 0, 0, 0, 0])
    #expect(world.map.audit(mappedBy: [world.one, world.two]).isEmpty)
  }

  @Test("pages, in every area of every address space, and in no other place of them")
  func pages() throws {
    let world = try World()
    unsafe unmap_mapping_pages(world.mapping, 4, 2, false)
    #expect(world.mappings == [2, 2, 3, 3, 0, 0, 3, 3])
    #expect((0..<8).allSatisfy { Counts(world.map, $0).references == world.mappings[$0] })
    #expect(world.one.counters.filePages == 8 && world.two.counters.filePages == 2 + 6)
    // What a private area has of its own stays without `even_cows`.
    #expect(world.two.counters.anonymousPages == 1)
    #expect(try world.two.load(world.areas[3].address(ofPage: 5)) == 7)
    unsafe unmap_mapping_pages(world.mapping, 5, 1, true)
    #expect(world.two.counters.anonymousPages == 0)
    let files = try world.one.load(world.areas[0].address(ofPage: 5))
    #expect(try world.two.load(world.areas[3].address(ofPage: 5)) == files)
    for count in [0, UInt.max] {
      try world.touch()
      unsafe unmap_mapping_pages(world.mapping, 3, count, true)
      #expect(world.mappings == [2, 2, 3, 0, 0, 0, 0, 0])
    }
    #expect(world.map.audit(mappedBy: [world.one, world.two]).isEmpty)
  }

  @Test("one folio: its entries go, those of another in its place stay")
  func folio() throws {
    let world = try World()
    let folio = unsafe world.map.folio(world.map.frame(4))
    unsafe folio_associate(folio, world.mapping, 4)
    // Another page in its place, as one that was mapped in front of a change of the file.
    let stale = world.areas[2].addresses(ofPages: 0..<1)
    try world.two.discard(stale)
    unsafe folio_ref_inc(world.map.folio(world.map.frame(12)))
    let vma = unsafe vma_lookup(world.two.mm, stale.lowerBound)!
    let status = withWriteLock(world.two) {
      unsafe vm_insert_page(vma, stale.lowerBound, world.map.page(world.map.frame(12)))
    }
    #expect(status == 0 && world.mappings == [2, 2, 3, 3, 3, 3, 3, 3])
    unsafe folio_lock(folio)
    unsafe unmap_mapping_folio(folio)
    unsafe folio_unlock(folio)
    #expect(world.mappings == [2, 2, 3, 3, 0, 3, 3, 3])
    #expect(Counts(world.map, 4) == Counts(0, 0) && Counts(world.map, 12) == Counts(2, 1))
    #expect(world.two.counters.anonymousPages == 1)
    unsafe folio_put(world.map.folio(world.map.frame(12)))
    // Of no file: nothing to do.
    let other = unsafe world.map.folio(world.map.frame(5))
    unsafe folio_lock(other)
    unsafe unmap_mapping_folio(other)
    unsafe folio_unlock(other)
    #expect(world.mappings == [2, 2, 3, 3, 0, 3, 3, 3])
    unsafe folio_forget_association(folio)
  }

  @Test("a folio's entries are removed under its lock")
  func unlocked() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.fsdax, pages: 1)
      unsafe unmap_mapping_folio(map.folio(map.frame(0)))
    }
  }

  // MARK: tables

  @Test("a table that is taken out stays readable until readers are done (CI50)")
  func readTable() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 1, [.read, .write], .private)
    try space.store(1, at: area.start)
    #expect(space.counters.tables == 4)
    rcu_read_lock()
    let table = unsafe pgtable_walk(space.mm, area.start, PGTABLE_LEVEL_PTE).table!
    let words = unsafe UnsafeRawPointer(table).assumingMemoryBound(to: UInt.self)
    let before = unsafe (words[0], words[1])
    let remover = NativeThread {
      do {
        try space.unmap(area.range)
      } catch {
        Issue.record("\(error)")
      }
    }
    remover.join()
    #expect(space.counters.tables == 1)
    // Memory that was given back holds other things in its first words.
    #expect(unsafe (words[0], words[1]) == before)
    #expect(unsafe table.pointee.level == PGTABLE_LEVEL_PTE && table.pointee.shift == 9)
    #expect((0..<512).allSatisfy { unsafe ptep_get(pgtable_entry(table, $0)).pte == 0 })
    rcu_read_unlock()
  }

  @Test("tables go with what they led to, and no others", arguments: [1, 2, 9])
  func tables(shift: Int) throws {
    var options = MemoryMap.Options()
    options.tableShift = shift
    let space = try MemoryMap(options)
    let first = try space.map(pages: 1, [.read, .write], .private, at: .fixed(Self.page))
    let last = try space.map(
      pages: 1, [.read, .write], .private, at: .fixed(space.end - Self.page))
    try space.store(1, at: first.start)
    #expect(space.counters.tables == 4)
    try space.store(2, at: last.start)
    #expect(space.counters.tables == 7)
    try space.unmap(first.range)
    #expect(space.counters.tables == 4)
    #expect(try space.load(last.start) == 2)
    try space.unmap(last.range)
    #expect(space.counters.tables == 1 && space.audit().isEmpty)
  }
}
