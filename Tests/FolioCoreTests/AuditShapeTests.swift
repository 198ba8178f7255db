// SPDX-License-Identifier: MIT

// The audit of the words that shape a folio and count its mappings (CI7-CI16): each condition is
// broken alone, by writing the word that it is about, and must be named.

import CFolio
import FolioCore
import Testing

@Suite("The audit names broken shapes and mapping counters")
struct AuditShapeTests {
  @Test("CI7: tails have R == 0")
  func ci7() throws {
    let found = try unsafe AuditedMap.findings(order: 3) { map, _ in
      unsafe atomic_set(&map.page(map.frames.lowerBound + 5).pointee._refcount, 1)
    }
    #expect(found == ["CI7"])
  }

  @Test("CI8: head flag, order and page count agree")
  func ci8() throws {
    let count = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._nr_pages, 4)
    }
    #expect(count == ["CI8"])
    let flag = try unsafe AuditedMap.findings { _, folio in
      unsafe folio_set_flag(folio, Int32(PG_head.rawValue))
    }
    #expect(flag.contains("CI8"))
    // The order is the low byte of page 1's flags.
    let order = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe AuditedMap.overwrite(folio, page: 1, offset: 0, 19)
    }
    #expect(order.contains("CI8"))
  }

  @Test("CI9: a tail names its head, a folio is aligned and lies in its map")
  func ci9() throws {
    let head = try unsafe AuditedMap.findings(order: 3) { map, _ in
      unsafe prep_compound_tail(map.page(map.frames.lowerBound + 1), 4)
    }
    #expect(head == ["CI9"])
    func formed(at offset: UInt, order: UInt32) throws -> Set<String> {
      try unsafe AuditedMap.findings { map, _ in
        let page = unsafe map.page(map.frames.lowerBound + offset)
        unsafe folio_set_flag(page_folio(page), Int32(PG_head.rawValue))
        let end = min(offset + (1 << UInt(order)), 512)
        for tail in 1..<(end - offset) { unsafe prep_compound_tail(page, tail) }
        unsafe prep_compound_head(page, order)
      }
    }
    #expect(try formed(at: 8, order: 2).isEmpty)
    #expect(try formed(at: 6, order: 2) == ["CI9"], "not aligned")
    #expect(try formed(at: 0, order: 10) == ["CI9"], "leaves its map")
  }

  @Test("CI10: tails carry their mark, and no private word but page 1's")
  func ci10() throws {
    let mark = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe AuditedMap.overwrite(folio, page: 3, offset: 24, 0)
    }
    #expect(mark == ["CI10"])
    for page in [2, 3, 7] {
      let owned = try unsafe AuditedMap.findings(order: 3) { _, folio in
        unsafe AuditedMap.overwrite(folio, page: page, offset: 40, 0x1000)
      }
      #expect(owned == ["CI10"], "page \(page)")
    }
  }

  @Test("CI11: the map word of a small page")
  func ci11() throws {
    let tail = try unsafe AuditedMap.findings { map, _ in
      let page = unsafe map.page(map.frames.lowerBound)
      unsafe prep_compound_tail(page.advanced(by: -1), 1)
    }
    #expect(tail.contains("CI11"))
    let cleared = try unsafe AuditedMap.findings { _, folio in
      unsafe AuditedMap.overwrite(folio, offset: 8, 0)
    }
    #expect(cleared == ["CI11"])
  }

  @Test("CI12: L is EM and the per-page counts together")
  func ci12() throws {
    let large = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._large_mapcount, 1)
    }
    #expect(large.contains("CI12"))
    // EM below 0 made good by a page: the sum is right, a part is not.
    let parts = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._entire_mapcount, -2)
      unsafe atomic_set(&folio.pointee._mapcount, 0)
      unsafe atomic_set(&folio.pointee._nr_pages_mapped, 1)
    }
    #expect(parts == ["CI12", "CI16"])
  }

  @Test("CI13: NM counts the mapped pages and marks the folio that is mapped entirely")
  func ci13() throws {
    for value in [Int32(2), ENTIRELY_MAPPED] {
      let found = try unsafe AuditedMap.findings(order: 3) { _, folio in
        unsafe atomic_set(&folio.pointee._nr_pages_mapped, value)
      }
      #expect(found == ["CI13", "CI16"])
    }
  }

  @Test("CI14: without per-page counts L holds the PMD mappings, and NM and the pages nothing")
  func ci14() throws {
    let entire = try unsafe AuditedMap.findings(order: 3, perPage: false) { _, folio in
      unsafe atomic_set(&folio.pointee._entire_mapcount, 2)
    }
    #expect(entire.contains("CI14") && !entire.contains("CI12"))
    let mapped = try unsafe AuditedMap.findings(order: 3, perPage: false) { _, folio in
      unsafe atomic_set(&folio.pointee._nr_pages_mapped, 1)
    }
    #expect(mapped.contains("CI14") && !mapped.contains("CI13"))
    let page = try unsafe AuditedMap.findings(order: 3, perPage: false) { map, _ in
      unsafe atomic_set(&map.page(map.frames.lowerBound + 4).pointee._mapcount, 0)
    }
    #expect(page.contains("CI14"))
  }

  @Test("CI15: a slot counts when it has an owner; slots count no more than L; SHARED means mapped")
  func ci15() throws {
    let ownerless = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe atomic_set(&folio.pointee._mm_id_mapcount.1, -2)
    }
    #expect(ownerless == ["CI15"])
    let countless = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe AuditedMap.overwrite(folio, page: 1, offset: 40, 7)
    }
    #expect(countless == ["CI15"])
    // Owner and count agree, but L is 0.
    let more = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe AuditedMap.overwrite(folio, page: 1, offset: 40, 7)
      unsafe atomic_set(&folio.pointee._mm_id_mapcount.0, 0)
    }
    #expect(more == ["CI15"])
    let shared = try unsafe AuditedMap.findings(order: 3) { _, folio in
      unsafe AuditedMap.overwrite(
        folio, page: 1, offset: 40, 1 << UInt(FOLIO_MM_IDS_SHARED_BITNUM))
    }
    #expect(shared == ["CI15"])
  }

  @Test("CI16: an unmapped small folio has the word -1, with a ledger and without")
  func ci16Small() throws {
    for audited in [true, false] {
      let below = try unsafe AuditedMap.findings(audited: audited) { _, folio in
        unsafe atomic_set(&folio.pointee._mapcount, -7)
      }
      #expect(below.contains("CI16"))
    }
    // Only the ledger knows that nobody maps it.
    let above = try unsafe AuditedMap.findings { _, folio in
      unsafe atomic_set(&folio.pointee._mapcount, 0)
    }
    #expect(above == ["CI4", "CI5", "CI16", "CI24"])
  }

  @Test("CI16: an unmapped large folio has every counter and every page's word at rest")
  func ci16Large() throws {
    for perPage in [true, false] {
      let page = try unsafe AuditedMap.findings(order: 3, perPage: perPage) { map, _ in
        unsafe atomic_set(&map.page(map.frames.lowerBound + 6).pointee._mapcount, 0)
      }
      #expect(page.contains("CI16"))
      let entire = try unsafe AuditedMap.findings(order: 3, perPage: perPage) { _, folio in
        unsafe atomic_set(&folio.pointee._entire_mapcount, 0)
      }
      #expect(entire.contains("CI16"))
      let large = try unsafe AuditedMap.findings(order: 3, perPage: perPage) { _, folio in
        unsafe atomic_set(&folio.pointee._large_mapcount, 0)
      }
      #expect(large.contains("CI16"))
    }
  }
}
