// SPDX-License-Identifier: MIT

// The fast walk (spec: core.md 12.6, 12.7, rows 93, 95, 104, 105): how far it goes, what it takes, what
// stops it.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Fast walk")
struct FastWalkTests {
  @Test("pages are found in order, each with what was asked for", arguments: [FOLL_GET, FOLL_PIN])
  func pages(_ flags: UInt32) throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    for index in 0..<8 { try space.set(index, at: 508 + index) }
    let weight: Int32 = flags == FOLL_PIN ? 1024 : 1
    // Over the end of a table.
    let found = space.walk(508, 8, flags | FOLL_WRITE)
    #expect(found == (0..<8).map { space.frame($0) })
    #expect((0..<8).allSatisfy { space.references($0) == 1 + weight })
    #expect(unsafe folio_test_flag(space.folio(2), Int32(PG_referenced.rawValue)))
    #expect(unsafe try !pte_young(ptep_get(space.entry(510))), "the entry is not the walk's")
    if flags == FOLL_PIN { space.unpin(8) } else { space.put(8) }
    #expect((0..<8).allSatisfy { space.references($0) == 1 })
    for index in 0..<8 { try space.clear(508 + index) }
    #expect(space.map.firstBusyFrame == nil)
  }

  @Test(
    "it stops in front of what it may not take", arguments: [FOLL_GET, FOLL_PIN])
  func stops(_ flags: UInt32) throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    func prefix(_ extra: UInt32 = 0) -> Int {
      let count = space.walk(0, 3, flags | extra).count
      if flags == FOLL_PIN { space.unpin(count) } else { space.put(count) }
      return count
    }
    #expect(prefix() == 0, "no table")
    try space.set(0, at: 0)
    #expect(prefix() == 1, "none behind it")
    try space.set(1, at: 1, 0)
    #expect(prefix() == 2)
    #expect(prefix(FOLL_WRITE) == 1, "the second is read-only")
    let second = unsafe try space.entry(1)
    unsafe ptep_set_access_flags(second, _PAGE_SPECIAL)
    #expect(prefix() == 1, "special")
    unsafe ptep_clear_bits(second, _PAGE_SPECIAL | _PAGE_PRESENT)
    unsafe ptep_set_access_flags(second, _PAGE_PROTNONE)
    #expect(prefix() == 1, "PROT_NONE")
    unsafe ptep_clear_bits(second, _PAGE_PROTNONE)
    unsafe ptep_set_access_flags(second, _PAGE_PRESENT)
    try space.set(2, at: 2)
    #expect(prefix() == 3)
    unsafe folio_ref_freeze(space.folio(1), 1)
    #expect(prefix() == 1, "frozen")
    unsafe folio_ref_unfreeze(space.folio(1), 1)
    for page in 0..<3 { try space.clear(page) }
    #expect(space.map.firstBusyFrame == nil)
  }

  @Test("a leaf is taken with one step, from where the walk meets it", arguments: [false, true])
  func leaves(_ isLarger: Bool) throws {
    let level = isLarger ? PGTABLE_LEVEL_PUD : PGTABLE_LEVEL_PMD
    let order = isLarger ? 4 : 2
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: order))
    let space = try TestSpace(map, shift: 2)
    let size = 1 << order
    try space.setLeaf(0, at: size, level)
    try space.setLeaf(size, at: 2 * size, level, 0)
    let found = space.walk(size + 1, 2 * size - 2, FOLL_PIN)
    #expect(found == (1..<(2 * size - 1)).map { space.frame($0) })
    #expect(space.references(0) == Int32(size) && space.references(size) == Int32(size))
    space.unpin(found.count)
    #expect(space.walk(size, 2 * size, FOLL_PIN | FOLL_WRITE).count == size, "then read-only")
    space.unpin(size)
    #expect(space.references(0) == 1 && space.references(size) == 1)
    try space.clearLeaf(size, level)
    try space.clearLeaf(2 * size, level)
    #expect(map.firstBusyFrame == nil)
  }

  @Test("long-term pins: device-dax pages yes, a file's no; others only anonymous ones")
  func longTerm() throws {
    for (kind, expected) in [(PageMap.Kind.fsdax, 0), (.generic, 1)] {
      let space = try TestSpace(try PageMap(kind, pages: 512))
      try space.set(0, at: 0)
      #expect(space.walk(0, 1, FOLL_PIN | FOLL_LONGTERM).count == expected)
      space.unpin(expected)
      // For writing, a page without a mapping counts as truncated.
      #expect(space.walk(0, 1, FOLL_PIN | FOLL_LONGTERM | FOLL_WRITE).isEmpty)
      try space.clear(0)
      #expect(space.map.firstBusyFrame == nil)
    }
  }

  @Test("a pin in the middle of a fork's copy is none; references do not ask")
  func fork() throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    try space.set(0, at: 0)
    #expect(unsafe atomic_read(&space.mm.pointee.has_pinned) == 0)
    unsafe write_protect_seq_begin(space.mm)
    #expect(space.walk(0, 1, FOLL_PIN).isEmpty)
    #expect(unsafe atomic_read(&space.mm.pointee.has_pinned) == 1)
    #expect(space.walk(0, 1, FOLL_GET).count == 1)
    space.put(1)
    unsafe write_protect_seq_end(space.mm)
    #expect(space.walk(0, 1, FOLL_PIN).count == 1)
    space.unpin(1)
    try space.clear(0)
  }

  @Test("an anonymous page that is not exclusive is not pinned for reading")
  func unshare() throws {
    let map = try PageMap(.deviceCoherent, pages: 512)
    let space = try TestSpace(map)
    unsafe zone_device_page_init(space.page(0))
    unsafe folio_move_anon_rmap(space.folio(0), 0x1000)
    unsafe folio_add_new_anon_rmap(space.folio(0), 1, true)
    let entry = unsafe try space.entry(0)
    unsafe set_pte_at(entry, pfn_pte(space.frame(0), _PAGE_PRESENT))
    #expect(space.walk(0, 1, FOLL_PIN).count == 1)
    space.unpin(1)
    unsafe folio_clear_flag(space.folio(0), Int32(PG_anon_exclusive.rawValue))
    #expect(space.walk(0, 1, FOLL_PIN).isEmpty)
    #expect(space.walk(0, 1, FOLL_GET).count == 1, "a plain reference is no pin")
    space.put(1)
    #expect(space.references(0) == 1)
    _ = unsafe ptep_get_and_clear(entry)
    unsafe folio_remove_rmap_pte(space.folio(0), space.page(0), 1)
    unsafe folio_unlock(space.folio(0))
    unsafe folio_put(space.folio(0))
  }

  @Test("threads that pin while another maps and unmaps leave every counter as it was")
  func threads() throws {
    let space = try TestSpace(try PageMap(.fsdax, pages: 512))
    for index in 0..<64 { try space.set(index, at: index) }
    let isOver = Counter()
    let pinners = (0..<2).map { _ in
      NativeThread {
        let found = UnsafeMutablePointer<UnsafeMutablePointer<page>?>.allocate(capacity: 64)
        while isOver.value == 0 {
          let nr = unsafe gup_fast(space.mm, 0, TestSpace.address(64), FOLL_PIN, found)
          unsafe unpin_user_pages(found, nr)
        }
        unsafe found.deallocate()
      }
    }
    for round in 0..<2000 {
      try space.clear(round % 64)
      try space.set(round % 64, at: round % 64)
    }
    isOver.add()
    for pinner in pinners { pinner.join() }
    #expect((0..<64).allSatisfy { space.references($0) == 1 })
    for index in 0..<64 { try space.clear(index) }
    #expect(space.map.firstBusyFrame == nil)
  }
}
