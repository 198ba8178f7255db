// SPDX-License-Identifier: MIT

// Each invariant that the quiescent audit checks is broken once and must be named (spec: core.md
// section 17; the table is in ARCHITECTURE.md): counts, ledger, the map's own references. The words
// that shape folios are in AuditShapeTests, violations of steps in StepCheckTests.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("The audit names what is broken")
struct AuditTests {
  /// Writes R past every counted path.
  private func overwriteCount(_ folio: UnsafeMutablePointer<folio>, _ value: Int32) {
    unsafe atomic_set(&folio.pointee._refcount, value)
  }

  @Test("CI1: R of a small folio is base, references and mapped entries")
  func ci1() throws {
    #expect(
      try unsafe AuditedMap.findings { _, folio in unsafe overwriteCount(folio, 3) }.contains("CI1")
    )
    // A mapped entry that owns no reference.
    let found = try unsafe AuditedMap.findings { map, folio in
      unsafe folio_add_file_rmap_pte(folio, map.page(map.frames.lowerBound), 1)
    }
    #expect(found.contains("CI1"))
  }

  @Test("CI2 and CI6: R and PC of a large folio")
  func large() throws {
    #expect(
      try unsafe AuditedMap.findings(order: 9) { _, folio in unsafe overwriteCount(folio, 2) }
        .contains("CI2"))
    let pinned = try unsafe AuditedMap.findings(order: 9) { _, folio in
      unsafe atomic_set(&folio.pointee._pincount, 1)
    }
    #expect(pinned.contains("CI6"))
  }

  @Test("CI3: R of a legacy device page")
  func ci3() throws {
    let found = try unsafe AuditedMap.findings(rules: .legacy) { _, folio in
      unsafe overwriteCount(folio, 2)
    }
    #expect(found.contains("CI3"))
  }

  @Test("CI4: M is the number of mapped entries")
  func ci4() throws {
    let found = try unsafe AuditedMap.findings { _, folio in
      unsafe atomic_set(&folio.pointee._mapcount, 0)
    }
    #expect(found.contains("CI4"))
  }

  @Test("CI5: a mapping that owns no reference, whatever else is held")
  func ci5() throws {
    for (kind, order) in [(PageMap.Kind.fsdax, 0), (.fsdax, 4), (.generic, 0), (.generic, 9)] {
      let unowned = unsafe try AuditedMap.findings(kind, order: order, audited: false) {
        map, folio in
        unsafe folio_ref_inc(folio)
        for space: UInt32 in 1...2 {
          unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 0), space)
        }
      }
      #expect(unowned == ["CI5"])
      // As many as there are references beside the base.
      let owned = unsafe try AuditedMap.findings(kind, order: order, audited: false) { map, folio in
        unsafe folio_ref_inc(folio)
        unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 0), 1)
      }
      #expect(owned.isEmpty)
    }
  }

  @Test("CI21: R negative or about to overflow")
  func ci21() throws {
    for value in [Int32(-1), Int32.max - 3] {
      let found = try unsafe AuditedMap.findings(audited: false) { _, folio in
        unsafe overwriteCount(folio, value)
      }
      #expect(found.contains("CI21"))
    }
  }

  @Test("CI22, CI23: a drop to 0 without the free path, a free without its wake")
  func freeEvents() throws {
    let unfreed = try unsafe AuditedMap.findings { _, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_put_testzero(folio))
    }
    #expect(unfreed.isSuperset(of: ["CI22", "CI23"]))
    let twice = try unsafe AuditedMap.findings { _, folio in unsafe free_zone_device_folio(folio) }
    #expect(twice.contains("CI22"))
    let legacy = try unsafe AuditedMap.findings(rules: .legacy) { _, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_ref_dec_return(folio) == 1)
    }
    #expect(legacy.contains("CI23"))
  }

  @Test("CI24: an idle FS_DAX page that is mapped, an idle folio with a pin count")
  func ci24() throws {
    let mapped = try unsafe AuditedMap.findings(audited: false) { _, folio in
      unsafe atomic_set(&folio.pointee._mapcount, 0)
    }
    #expect(mapped == ["CI5", "CI24"])
    let pinned = try unsafe AuditedMap.findings(order: 3, audited: false) { _, folio in
      unsafe atomic_set(&folio.pointee._pincount, 1)
    }
    #expect(pinned == ["CI6", "CI24"])
  }

  @Test("CI25: a device-dax page without its base reference")
  func ci25() throws {
    let found = try unsafe AuditedMap.findings(.generic) { _, folio in
      unsafe overwriteCount(folio, 0)
    }
    #expect(found.contains("CI25"))
  }

  @Test("CI26 and CI28: a page handed out without a unit of its map, and the reverse")
  func allocations() throws {
    for kind in [PageMap.Kind.devicePrivate, .deviceCoherent, .pciP2PDMA] {
      let unpaid = try unsafe AuditedMap.findings(kind) { _, folio in
        unsafe folio_set_count(folio, 1)
      }
      #expect(unpaid.contains("CI28"))
      #expect(unpaid.contains("CI26") == (kind != .pciP2PDMA), "P2PDMA pages have units anyway")
      let leaked = try unsafe AuditedMap.findings(kind) { map, _ in
        #expect(unsafe percpu_ref_tryget_live(&map.pgmap.pointee.ref))
      }
      #expect(leaked == ["CI28"], "a lookup left open is no page")
    }
  }

  @Test("CI30: a release that ran on a live map")
  func ci30() throws {
    let found = try unsafe AuditedMap.findings { map, _ in
      unsafe atomic_set(&map.pgmap.pointee.releases, 1)
    }
    #expect(found.contains("CI30"))
  }

  @Test("CI31: a live map that the registry does not name, a dead one that it does")
  func ci31() throws {
    // Frames that no other test is given: for a moment the registry calls them free.
    let map = try PageMap(.fsdax, pages: 512, .init(firstFrame: 1 << 28))
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
    let found = try unsafe AuditedMap.findings { _, folio in unsafe folio_set_share(folio, UInt.max)
    }
    #expect(found.contains("CI36"))
  }

  @Test("CI39: frozen and yet referenced")
  func ci39() throws {
    let found = try unsafe AuditedMap.findings { _, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_ref_freeze(folio, 1))
      unsafe overwriteCount(folio, 1)
    }
    #expect(found.contains("CI39"))
  }

  @Test("CI65: a typed page that counts as mapped")
  func ci65() throws {
    let found = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._mapcount, Int32(bitPattern: PGTY_slab << 24))
      unsafe atomic_set(&folio.pointee._large_mapcount, 0)
    }
    #expect(found.contains("CI65"))
  }

  @Test("a million pages are audited in less than a second: fresh, used, in large folios")
  func size() throws {
    // The audit is one thread that never blocks: on an idle machine this is its time on the clock.
    // Whatever else runs can only add to it, so one of five is enough.
    #if SANITIZED
      let limit = 20.0
    #else
      let limit = 1.0
    #endif
    func isFast(_ map: PageMap) -> Bool {
      (0..<5).contains { _ in
        let start = threadSeconds()
        #expect(map.audit().isEmpty)
        return threadSeconds() - start < limit
      }
    }
    let map = try PageMap(.fsdax, pages: 1 << 20)
    try map.startAuditing()
    #expect(isFast(map), "fresh")
    for frame in map.frames {
      let folio = unsafe map.folio(frame)
      unsafe folio_ref_inc(folio)
      unsafe folio_put(folio)
    }
    #expect(isFast(map), "used")
    let large = try PageMap(.fsdax, pages: 1 << 20, .init(compoundOrder: 9))
    try large.startAuditing()
    #expect(isFast(large), "in large folios")
  }

  /// Seconds that the calling thread has spent on a CPU.
  private func threadSeconds() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
