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

  /// Writes `value` to the word at `offset` of page `page`, and takes what the check then records.
  private func recorded(
    order: Int, writing value: UInt, page: Int, offset: Int,
    check: (PageMap, UnsafeMutablePointer<folio>) -> Void
  ) throws -> Set<String> {
    try unsafe recorded(order: order) { map, folio in
      unsafe check(map, folio)
      #expect(Violation.takeRecorded(in: map.frames).isEmpty)
      unsafe AuditedMap.overwrite(folio, page: page, offset: offset, value)
      unsafe check(map, folio)
    }
  }

  @Test("CI34: each word that a split must leave at rest")
  func splitWords() throws {
    let head = UInt(1) << UInt(PG_head.rawValue)
    let words: [(page: Int, offset: Int, value: UInt)] = [
      (0, 0, head), (1, 0, head),
      (0, 8, 0), (2, 8, 1),  // the map
      (1, 24, 0x1000),  // mapping
      (3, 32, 5),  // share
      (0, 48, 0), (1, 48, 1 << 32 | 0xffff_ffff),  // mapcount; R
      (1, 56, 4),  // memcg_data, once _nr_pages
    ]
    for word in words {
      let found = try unsafe recorded(
        order: 0, writing: word.value, page: word.page, offset: word.offset,
        check: { map, folio in
          unsafe cfolio_check_split(folio_page(folio, 0), 2, map.pgmap)
        })
      #expect(found == ["CI34"], "\(word)")
    }
  }

  @Test("CI35: each counter that a prep must leave at rest")
  func preparedWords() throws {
    // Pairs of 32-bit counters: the one that is wrong, beside its neighbour at rest.
    let rest: UInt = 0xffff_ffff
    let words: [(page: Int, offset: Int, value: UInt)] = [
      (1, 0, 2),  // order
      (1, 16, 0), (1, 16, 1 << 32 | rest),  // L; NM
      (1, 24, 0), (1, 24, 1 << 32 | rest),  // EM; PC
      (1, 32, rest << 32), (1, 32, rest),  // per-mm counts
      (1, 40, 7),  // mm ids
      (1, 56, 4),  // _nr_pages
      (2, 16, 0),  // the deferred list
    ]
    for word in words {
      let found = try unsafe recorded(
        order: 3, writing: word.value, page: word.page, offset: word.offset,
        check: { _, folio in unsafe cfolio_check_prepared(folio, 3) })
      #expect(found == ["CI35"], "\(word)")
    }
  }

  @Test("CI30: a release that runs a second time")
  func ci30() async {
    // The violation has no frame, so it needs a process where it is the only one.
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.fsdax, pages: 512)
      unsafe atomic_set(&map.pgmap.pointee.releases, 1)
      try map.unmap()
      #expect(Violation.takeRecorded().map(\.invariant) == ["CI30"])
    }
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
      places: 2000, stride: 6 * SingleStep.hookCost,
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
