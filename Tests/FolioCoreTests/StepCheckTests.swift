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

  // The page is moved to another head anywhere in try_get_folio(). Before its second look that is a
  // retry; behind it nothing could do so but a broken prep or split (CI33).
  @Test(
    "CI37: a page that leaves its folio between the second look and the return",
    .enabled(if: SingleStep.isSupported))
  func ci37() throws {
    let map = try PageMap(.fsdax, pages: 512, .init(compoundOrder: 3, strictTeardown: false))
    try map.startAuditing()
    let (head, other) = unsafe (
      map.page(map.frames.lowerBound), map.page(map.frames.lowerBound + 4)
    )
    let folio = unsafe page_folio(head)
    unsafe folio_ref_inc(folio)
    var taken: UnsafeMutablePointer<CFolio.folio>?
    var found: [(isHeld: Bool, names: [String])] = []
    let runs = SingleStep.interleave(
      places: 2000, stride: 6,
      // From when the reference is taken: until then it is the retry, which C01 tests.
      mayStep: { unsafe page_ref_count(head) == 2 },
      prepare: { unsafe prep_compound_tail(head, 5) },
      step: { unsafe prep_compound_tail(other, 1) },
      check: { _ in
        let names = Violation.takeRecorded(in: map.frames).map(\.invariant)
        unsafe found.append((taken != nil, names))
        if let taken = unsafe taken { unsafe folio_put(taken) }
      },
      body: { unsafe taken = try_get_folio(head + 5, 1) })
    unsafe prep_compound_tail(head, 5)
    unsafe folio_put(folio)
    #expect(runs > 20 && runs < 2000)
    #expect(found.contains { !$0.isHeld && $0.names.isEmpty }, "moved before the second look")
    #expect(found.contains { $0.isHeld && $0.names.isEmpty }, "moved after the return")
    #expect(found.contains { $0.isHeld && $0.names == ["CI37"] }, "moved in between")
    #expect(found.allSatisfy { $0.names.isEmpty || ($0.isHeld && $0.names == ["CI37"]) })
    #expect(map.audit().isEmpty)
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
