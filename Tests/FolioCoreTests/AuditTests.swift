// SPDX-License-Identifier: MIT

// Each invariant that the quiescent audit checks is broken once and must be named (spec: core.md
// section 17; the table is in ARCHITECTURE.md). Violations of steps are in StepCheckTests.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("The audit names what is broken")
struct AuditTests {
  /// Breaks an audited map, returns the invariants that the audit then names, and repairs it.
  private func findings(
    _ kind: PageMap.Kind = .fsdax, rules: PageMap.Rules = .strict, order: Int = 0,
    perPage: Bool = true, audited: Bool = true,
    _ broken: (PageMap, UnsafeMutablePointer<folio>) throws -> Void
  ) throws -> Set<String> {
    let map = try PageMap(
      kind, pages: 512,
      .init(rules: rules, compoundOrder: order, perPageMapcount: perPage, strictTeardown: false))
    if audited { try map.startAuditing() }
    #expect(map.audit().isEmpty)
    let folio = unsafe map.folio(map.frames.lowerBound)
    try unsafe broken(map, folio)
    let found = map.audit()
    #expect(found.allSatisfy { $0.frame.map(map.frames.contains) ?? true })
    unsafe memmap_init_zone_device(map.pgmap, map.frames.lowerBound, 512)
    return Set(found.map(\.invariant))
  }

  /// Writes R past every counted path.
  private func overwriteCount(_ folio: UnsafeMutablePointer<folio>, _ value: Int32) {
    unsafe atomic_set(&folio.pointee._refcount, value)
  }

  @Test("CI1: R of a small folio is base, references and mapped entries")
  func ci1() throws {
    #expect(try unsafe findings { _, folio in unsafe overwriteCount(folio, 3) }.contains("CI1"))
    // A mapped entry that owns no reference.
    let found = try unsafe findings { map, folio in
      unsafe folio_add_file_rmap_pte(folio, map.page(map.frames.lowerBound), 1)
    }
    #expect(found.contains("CI1"))
  }

  @Test("CI2 and CI6: R and PC of a large folio")
  func large() throws {
    #expect(
      try unsafe findings(order: 9) { _, folio in unsafe overwriteCount(folio, 2) }.contains("CI2"))
    let pinned = try unsafe findings(order: 9) { _, folio in
      unsafe atomic_set(&folio.pointee._pincount, 1)
    }
    #expect(pinned.contains("CI6"))
  }

  @Test("CI3: R of a legacy device page")
  func ci3() throws {
    let found = try unsafe findings(rules: .legacy) { _, folio in unsafe overwriteCount(folio, 2) }
    #expect(found.contains("CI3"))
  }

  @Test("CI4: M is the number of mapped entries")
  func ci4() throws {
    let found = try unsafe findings { _, folio in unsafe atomic_set(&folio.pointee._mapcount, 0) }
    #expect(found.contains("CI4"))
  }

  @Test("CI7: tails have R == 0")
  func ci7() throws {
    let found = try unsafe findings(order: 3) { map, _ in
      unsafe atomic_set(&map.page(map.frames.lowerBound + 5).pointee._refcount, 1)
    }
    #expect(found.contains("CI7"))
  }

  @Test("CI8: head flag, order and page count agree")
  func ci8() throws {
    let count = try unsafe findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._nr_pages, 4)
    }
    #expect(count.contains("CI8"))
    let flag = try unsafe findings { _, folio in
      unsafe folio_set_flag(folio, Int32(PG_head.rawValue))
    }
    #expect(flag.contains("CI8"))
  }

  @Test("CI9, CI10: a tail names its head and carries its mark")
  func tails() throws {
    let head = try unsafe findings(order: 3) { map, _ in
      unsafe prep_compound_tail(map.page(map.frames.lowerBound + 1), 4)
    }
    #expect(head.contains("CI9"))
    let mark = try unsafe findings(order: 3) { map, _ in
      let tail = unsafe UnsafeMutableRawPointer(map.page(map.frames.lowerBound + 4))
      unsafe folio_set_mapping_word(tail.assumingMemoryBound(to: folio.self), 0)
    }
    #expect(mark.contains("CI10"))
  }

  @Test("CI11: the map word of a small page")
  func ci11() throws {
    let found = try unsafe findings { map, _ in
      let page = unsafe map.page(map.frames.lowerBound)
      unsafe prep_compound_tail(page.advanced(by: -1), 1)
    }
    #expect(found.contains("CI11"))
    let cleared = try unsafe findings { map, _ in
      cfolio_ram_init_pages(map.frames.lowerBound + 8, 1)
    }
    #expect(cleared.contains("CI11"))
  }

  @Test("CI12, CI13: L and NM recounted from the pages")
  func mapcounts() throws {
    let large = try unsafe findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._large_mapcount, 1)
    }
    #expect(large.contains("CI12"))
    let mapped = try unsafe findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._nr_pages_mapped, 2)
    }
    #expect(mapped.isSuperset(of: ["CI13", "CI16"]))
  }

  @Test("CI14: without per-page counts L still holds the PMD mappings")
  func ci14() throws {
    let found = try unsafe findings(order: 3, perPage: false) { _, folio in
      unsafe atomic_set(&folio.pointee._entire_mapcount, 2)
    }
    #expect(found.contains("CI14"))
  }

  @Test("CI15: MM-id slots")
  func ci15() throws {
    let found = try unsafe findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._mm_id_mapcount.0, 3)
    }
    #expect(found.contains("CI15"))
  }

  @Test("CI16: an unmapped small folio has the word -1")
  func ci16() throws {
    let found = try unsafe findings(audited: false) { _, folio in
      unsafe atomic_set(&folio.pointee._mapcount, -7)
    }
    #expect(found.isSuperset(of: ["CI4"]))
  }

  @Test("CI21: R negative or about to overflow")
  func ci21() throws {
    for value in [Int32(-1), Int32.max - 3] {
      let found = try unsafe findings(audited: false) { _, folio in
        unsafe overwriteCount(folio, value)
      }
      #expect(found.contains("CI21"))
    }
  }

  @Test("CI22, CI23: a drop to 0 without the free path, a free without its wake")
  func freeEvents() throws {
    let unfreed = try unsafe findings { _, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_put_testzero(folio))
    }
    #expect(unfreed.isSuperset(of: ["CI22", "CI23"]))
    let twice = try unsafe findings { _, folio in unsafe free_zone_device_folio(folio) }
    #expect(twice.contains("CI22"))
    let legacy = try unsafe findings(rules: .legacy) { _, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_ref_dec_return(folio) == 1)
    }
    #expect(legacy.contains("CI23"))
  }

  @Test("CI24: an idle FS_DAX page that is mapped")
  func ci24() throws {
    let found = try unsafe findings(audited: false) { _, folio in
      unsafe atomic_set(&folio.pointee._mapcount, 0)
    }
    #expect(found.contains("CI24"))
  }

  @Test("CI25: a device-dax page without its base reference")
  func ci25() throws {
    let found = try unsafe findings(.generic) { _, folio in unsafe overwriteCount(folio, 0) }
    #expect(found.contains("CI25"))
  }

  @Test("CI26, CI27 and CI28: a page handed out without a unit of its map, and the reverse")
  func allocations() throws {
    for kind in [PageMap.Kind.devicePrivate, .deviceCoherent, .pciP2PDMA] {
      let unpaid = try unsafe findings(kind) { _, folio in unsafe folio_set_count(folio, 1) }
      #expect(unpaid.contains("CI28"))
      let leaked = try unsafe findings(kind) { map, _ in
        #expect(unsafe percpu_ref_tryget_live(&map.pgmap.pointee.ref))
      }
      #expect(leaked.contains("CI28"))
    }
  }

  @Test("CI30: a release that ran on a live map")
  func ci30() throws {
    let found = try unsafe findings { map, _ in
      unsafe atomic_set(&map.pgmap.pointee.releases, 1)
    }
    #expect(found.contains("CI30"))
  }

  @Test("CI31: a live map that the registry does not name, a dead one that it does")
  func ci31() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let range = pfn_range(start: map.frames.lowerBound, end: map.frames.upperBound - 1)
    cfolio_pgmap_unregister(range)
    #expect(map.audit().contains { $0.invariant == "CI31" })
    #expect(unsafe cfolio_pgmap_register(map.pgmap, range) == 0)
    #expect(map.audit().isEmpty)
    try map.unmap()
    #expect(map.audit().isEmpty)
    #expect(unsafe cfolio_pgmap_register(map.pgmap, range) == 0)
    #expect(map.audit().contains { $0.invariant == "CI31" })
    cfolio_pgmap_unregister(range)
  }

  @Test("CI36: no mapping and a share count that is no count")
  func ci36() throws {
    let found = try unsafe findings { _, folio in unsafe folio_set_share(folio, UInt.max) }
    #expect(found.contains("CI36"))
  }

  @Test("CI39: frozen and yet referenced")
  func ci39() throws {
    let found = try unsafe findings { _, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_ref_freeze(folio, 1))
      unsafe overwriteCount(folio, 1)
    }
    #expect(found.contains("CI39"))
  }

  @Test("CI65: a typed page that counts as mapped")
  func ci65() throws {
    let found = try unsafe findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._mapcount, Int32(bitPattern: PGTY_slab << 24))
      unsafe atomic_set(&folio.pointee._large_mapcount, 0)
    }
    #expect(found.contains("CI65"))
  }

  @Test("a million pages are audited in less than a second")
  func size() throws {
    let map = try PageMap(.fsdax, pages: 1 << 20)
    try map.startAuditing()
    let clock = ContinuousClock()
    let time = clock.measure { #expect(map.audit().isEmpty) }
    #if SANITIZED
      #expect(time < .seconds(20))
    #else
      #expect(time < .seconds(1))
    #endif
  }
}
