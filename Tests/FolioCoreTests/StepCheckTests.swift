// SPDX-License-Identifier: MIT

// Invariants that are asserted inside a step while a map is audited: each is broken once and must
// be recorded (spec: core.md section 17).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Steps record what they break")
struct StepCheckTests {
  private func recorded(
    _ kind: PageMap.Kind = .fsdax, order: Int = 0,
    _ body: (PageMap, UnsafeMutablePointer<folio>) throws -> Void
  ) throws -> Set<String> {
    let map = try PageMap(kind, pages: 512, .init(compoundOrder: order, strictTeardown: false))
    try map.startAuditing()
    try unsafe body(map, map.folio(map.frames.lowerBound))
    let found = Violation.takeRecorded(in: map.frames)
    unsafe memmap_init_zone_device(map.pgmap, map.frames.lowerBound, 512)
    return Set(found.map(\.invariant))
  }

  @Test("CI7: a reference taken on a tail")
  func ci7() throws {
    let found = try unsafe recorded(order: 3) { map, _ in
      unsafe page_ref_inc(map.page(map.frames.lowerBound + 2))
    }
    #expect(found == ["CI7"])
  }

  @Test("CI21: R falls below 0")
  func ci21() throws {
    let found = try unsafe recorded { map, _ in
      unsafe page_ref_dec(map.page(map.frames.lowerBound))
    }
    #expect(found == ["CI21"])
  }

  @Test("CI21: a get of a folio that nobody holds")
  func getOfNothing() throws {
    let found = try unsafe recorded { _, folio in unsafe folio_get(folio) }
    #expect(found == ["CI21"])
  }

  @Test("CI29: a lookup that succeeds after the kill was visible everywhere")
  func ci29() throws {
    let found = try unsafe recorded { map, _ in
      unsafe atomic_set(&map.pgmap.pointee.dead_visible, 1)
      let pgmap = unsafe get_dev_pagemap(map.frames.lowerBound)
      unsafe put_dev_pagemap(pgmap)
      unsafe atomic_set(&map.pgmap.pointee.dead_visible, 0)
    }
    #expect(found == ["CI29"])
  }

  @Test("CI34 and CI35: words left wrong by a split or a prep")
  func shapes() throws {
    let split = try unsafe recorded { map, _ in
      unsafe cfolio_check_split(map.page(map.frames.lowerBound), 1, map.pgmap)
      unsafe folio_set_share(map.folio(map.frames.lowerBound + 1), 5)
      unsafe cfolio_check_split(map.page(map.frames.lowerBound), 1, map.pgmap)
    }
    #expect(split == ["CI34"])
    let prepared = try unsafe recorded(order: 3) { _, folio in
      unsafe cfolio_check_prepared(folio, 3)
      unsafe atomic_set(&folio.pointee._pincount, 2)
      unsafe cfolio_check_prepared(folio, 3)
    }
    #expect(prepared == ["CI35"])
  }

  @Test("CI38: a reference taken through a freeze")
  func ci38() throws {
    let found = try unsafe recorded { _, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_ref_freeze(folio, 1))
      // The freeze is broken: somebody made R visible again while it lasts.
      unsafe atomic_set(&folio.pointee._refcount, 1)
      #expect(unsafe folio_try_get(folio))
    }
    #expect(found == ["CI38"])
  }

  @Test("CI39: freezing twice")
  func ci39() throws {
    let found = try unsafe recorded { map, folio in
      unsafe folio_ref_inc(folio)
      #expect(unsafe folio_ref_freeze(folio, 1))
      unsafe cfolio_ledger_freeze(map.page(map.frames.lowerBound), false, 1)
      unsafe cfolio_ledger_freeze(map.page(map.frames.lowerBound), false, 1)
    }
    #expect(found == ["CI39"])
  }
}
