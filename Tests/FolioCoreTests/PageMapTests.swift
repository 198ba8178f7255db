// SPDX-License-Identifier: MIT

// The life of a device map: checks in the kernel's order, teardown, what outlives it (rows 46-55).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Device maps")
struct PageMapTests {
  @Test(
    "pages begin with the count of their type",
    arguments: [
      (PageMap.Kind.devicePrivate, 0, 0), (.deviceCoherent, 0, 0), (.fsdax, 0, 1), (.generic, 1, 1),
      (.pciP2PDMA, 0, 1),
    ])
  func initialCounts(kind: PageMap.Kind, modern: Int32, legacy: Int32) throws {
    for (rules, expected) in [
      (PageMap.Rules.strict, modern), (.kernel, modern), (.legacy, legacy),
    ] {
      let map = try PageMap(kind, pages: 600, .init(rules: rules))
      for frame in [map.frames.lowerBound, map.frames.upperBound - 1] {
        let page = unsafe map.page(frame)
        #expect(unsafe page_ref_count(page) == expected)
        #expect(unsafe folio_mapcount(map.folio(frame)) == 0)
        #expect(unsafe is_zone_device_page(page))
        #expect(unsafe page_pgmap(page) == map.pgmap)
      }
      #expect(map.audit().isEmpty)
      try map.unmap()
    }
  }

  @Test("a map of compound pages has tails with R == 0 and counts one unit per folio")
  func compoundMap() throws {
    let map = try PageMap(.generic, pages: 2048, .init(compoundOrder: 9))
    #expect(unsafe folio_order(map.folio(map.frames.lowerBound + 5)) == 9)
    #expect(unsafe page_ref_count(map.page(map.frames.lowerBound + 5)) == 0)
    #expect(map.mapReferenceCount == 1 + 4)
    #expect(map.audit().isEmpty)
    try map.unmap()
  }

  @Test("each frame of a map is found in it, those around it and after it are not")
  func lookups() throws {
    // 700 pages: a range of several orders, so entries with siblings and without.
    let map = try PageMap(.generic, pages: 700)
    let frames = map.frames
    /// By both lookups, which agree.
    func isFound(_ frame: UInt) -> Bool {
      rcu_read_lock()
      defer { rcu_read_unlock() }
      let found = unsafe cfolio_pgmap_lookup(frame)
      #expect(unsafe cfolio_pgmap_lookup_rcu(frame) == found, "frame \(frame)")
      return unsafe found == map.pgmap
    }
    #expect(frames.allSatisfy(isFound))
    #expect(!isFound(frames.lowerBound - 1) && !isFound(frames.upperBound))
    #expect(!isFound(UInt(FOLIO_MAX_PFN)) && !isFound(.max))
    try map.unmap()
    #expect(!frames.contains(where: isFound))
  }

  @Test("bad requests get their typed error and leave nothing behind")
  func badInput() throws {
    func code(_ body: () throws(PageMapError) -> PageMap) -> PageMapError.Code? {
      do throws(PageMapError) { _ = try body() } catch { return error.code }
      return nil
    }
    #expect(code { () throws(PageMapError) in try PageMap(.fsdax, pages: 0) } == .outOfRange)
    #expect(
      code { () throws(PageMapError) in try PageMap(.fsdax, pages: 8, .init(compoundOrder: 19)) }
        == .invalidOrder)
    #expect(
      code { () throws(PageMapError) in
        try PageMap(.fsdax, pages: 8, .init(firstFrame: (1 << 20) + 1))
      } == .misaligned)
    #expect(
      code { () throws(PageMapError) in try PageMap(.fsdax, pages: 8, .init(firstFrame: 512)) }
        == .systemMemory)
    #expect(
      code { () throws(PageMapError) in
        try PageMap(.fsdax, pages: 1024, .init(firstFrame: (1 << 30) - 512))
      } == .outOfRange)
    #expect(
      code { () throws(PageMapError) in
        try PageMap(.fsdax, pages: 8, .init(firstFrame: UInt.max - 3))
      } == .outOfRange)
    #expect(
      code { () throws(PageMapError) in try PageMap(.generic, pages: 700, .init(compoundOrder: 9)) }
        == .misaligned)
    let map = try PageMap(.fsdax, pages: 1024)
    let first = map.frames.lowerBound
    for start in [first, first + 512] {
      #expect(
        code { () throws(PageMapError) in try PageMap(.fsdax, pages: 1024, .init(firstFrame: start))
        } == .overlap)
    }
    #expect(map.audit().isEmpty)
    try map.unmap()
    let again = try PageMap(.fsdax, pages: 1024, .init(firstFrame: first))
    #expect(again.frames.lowerBound == first)
  }

  @Test("a reference outlives its map, and its page stays readable")
  func referenceOutlivesMap() throws {
    for rules in PageMap.Rules.allCases {
      var map: PageMap? = try PageMap(.generic, pages: 512, .init(rules: rules))
      let held = try reference(to: map!.frames.lowerBound)
      map = nil
      cfolio_sleep_ns(20_000_000)
      #expect(held.referenceCount == 2)
      held.release()
    }
  }

  @Test("unmap of a busy map is refused under strict rules and changes nothing")
  func busyUnmap() throws {
    let map = try PageMap(.generic, pages: 512)
    let held = try reference(to: map.frames.lowerBound + 3)
    #expect(throws: PageMapError.self) { try map.unmap() }
    #expect(map.isLive)
    held.release()
    try map.unmap()
    #expect(throws: PageMapError.self) { try map.unmap() }
    #expect(map.audit().isEmpty)
  }
}
