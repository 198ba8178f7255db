// SPDX-License-Identifier: MIT

// The golden counter traces of spec: core.md 15.3, for the modern and the legacy scheme, by the counters
// alone: R, M and PC after each step, wakes and frees at the end. Pins change R and PC by the rules of
// 12.4. Page tables do the same in Memory/GoldenMappingTests and Memory/GetUserPagesTraceTests.

import CFolio
import FolioCore
import TestSupport
import Testing

/// One step of a trace: what is done, then R, M and PC that both schemes must show.
private struct Step {
  let operation: String
  let modern: (R: Int32, M: Int32)
  let legacy: (R: Int32, M: Int32)
  var pins: Int32 = 0
}

/// A page under test and the kernel paths that change its counts, in terms of counters.
@safe
private struct Actor {
  let map: PageMap
  let folio: UnsafeMutablePointer<folio>
  let page: UnsafeMutablePointer<page>
  let isLegacy: Bool

  /// Device pages of the legacy scheme are mapped without a reference or a count - except through
  /// vm_insert_page, which P2PDMA uses in both.
  var countsMappings: Bool { !isLegacy || map.kind == .pciP2PDMA }

  func addMapping(_ mm: UInt32) {
    unsafe folio_get(folio)
    if unsafe folio_order(folio) == UInt32(PMD_ORDER) {
      unsafe folio_add_file_rmap_pmd(folio, mm)
    } else {
      unsafe folio_add_file_rmap_pte(folio, page, mm)
    }
  }

  func removeMapping(_ mm: UInt32) {
    if unsafe folio_order(folio) == UInt32(PMD_ORDER) {
      unsafe folio_remove_rmap_pmd(folio, mm)
    } else {
      unsafe folio_remove_rmap_pte(folio, page, mm)
    }
    unsafe put_page(page)
  }

  /// `try_grab_folio`: large folios count pins, small ones weigh them.
  func pin(_ count: Int32) {
    if unsafe folio_has_pincount(folio) {
      unsafe folio_ref_add(folio, count)
      unsafe atomic_add(count, &folio.pointee._pincount)
    } else {
      unsafe folio_ref_add(folio, count * GUP_PIN_COUNTING_BIAS)
    }
  }

  /// `gup_put_folio`: PC before R.
  func unpin(_ count: Int32) {
    var references = count
    if unsafe folio_has_pincount(folio) {
      unsafe atomic_sub(count, &folio.pointee._pincount)
    } else {
      references *= GUP_PIN_COUNTING_BIAS
    }
    if unsafe !put_devmap_managed_folio_refs(folio, references) {
      unsafe folio_put_refs(folio, references)
    }
  }

  func run(_ operation: String) {
    switch operation {
    case "init": break
    case "prep":
      if !isLegacy { unsafe prep_compound_page(page, UInt32(PMD_ORDER)) }
    case "fault inc":
      if countsMappings { unsafe folio_ref_inc(folio) }
    case "insert", "map 2", "insert 1":
      if countsMappings { addMapping(operation == "map 2" ? 2 : 1) }
    case "fault put":
      if countsMappings { unsafe put_page(page) }
    case "map 1":
      // The whole fault: a reference around the insert.
      guard countsMappings else { return }
      unsafe folio_ref_inc(folio)
      addMapping(1)
      unsafe put_page(page)
    case "unmap 1", "unmap 2":
      if countsMappings { removeMapping(operation == "unmap 1" ? 1 : 2) }
    case "get": unsafe get_page(page)
    case "put": unsafe put_page(page)
    case "pin": pin(1)
    case "unpin": unpin(1)
    case "pin 3": pin(3)
    case "unpin 3": unpin(3)
    case "pin 512": pin(512)
    case "unpin 512": unpin(512)
    case "fork":
      // The child of a MIXEDMAP or anonymous area gets its entry at once.
      guard countsMappings else { return }
      unsafe folio_get(folio)
      unsafe folio_dup_file_rmap_ptes(folio, page, 1, 2)
    case "cow get":
      if countsMappings { unsafe folio_get(folio) }
    case "cow end":
      // The old mapping goes, with its reference, then the one of the copying fault.
      guard countsMappings else { return }
      removeMapping(1)
      unsafe folio_put(folio)
    case "collect":
      // Migration: the entry becomes a migration entry.
      unsafe folio_get(folio)
      removeMapping(1)
    case "set 1":
      // The pool's unit of the map; page_free gives it back.
      unsafe percpu_ref_get_many(&map.pgmap.pointee.ref, 1)
      if !isLegacy { unsafe set_page_count(page, 1) }
    case "alloc":
      unsafe zone_device_page_init(page)
      #expect(unsafe !folio_trylock(folio), "handed out locked")
    case "migrate in":
      addMapping(1)
      unsafe folio_unlock(folio)
      unsafe folio_put(folio)
    case "fault":
      #expect(unsafe folio_trylock(folio))
      unsafe get_page(page)
    case "end fault":
      unsafe folio_unlock(folio)
      unsafe put_page(page)
    default: Issue.record("no operation \(operation)")
    }
  }
}

@Suite("Golden counter traces")
struct GoldenCounterTests {
  private func replay(
    _ title: String, _ kind: PageMap.Kind, order: Int = 0,
    idleWakes: (modern: Int32, legacy: Int32), frees: Int = 0,
    only rulesets: [PageMap.Rules] = PageMap.Rules.allCases,
    _ steps: [Step]
  ) throws {
    for rules in rulesets {
      let isLegacy = rules == .legacy
      let freed = Counter()
      let map = try PageMap(
        kind, pages: 512,
        .init(
          rules: rules, compoundOrder: order, strictTeardown: false,
          onFree: { _ in freed.add() }))
      try map.startAuditing()
      let frame = map.frames.lowerBound
      let actor = unsafe Actor(
        map: map, folio: map.folio(frame), page: map.page(frame), isLegacy: isLegacy)
      for (index, step) in steps.enumerated() {
        actor.run(step.operation)
        let expected = isLegacy ? step.legacy : step.modern
        let seen = unsafe (R: folio_ref_count(actor.folio), M: folio_mapcount(actor.folio))
        let place = "\(title), \(rules.rawValue), step \(index) \(step.operation)"
        #expect(seen == expected, "\(place): \(seen), not \(expected)")
        let isLarge = unsafe folio_has_pincount(actor.folio)
        let pins = isLarge ? unsafe atomic_read(&actor.folio.pointee._pincount) : 0
        #expect(pins == step.pins, "\(place): PC \(pins), not \(step.pins)")
        if isLarge { #expect(unsafe folio_maybe_dma_pinned(actor.folio) == (pins > 0)) }
        if index < steps.count - 1 { #expect(freed.value == 0) }
      }
      #expect(freed.value == frees, "\(title): frees")
      if kind == .fsdax {
        let wakes = unsafe cfolio_ledger_numbers(actor.page).wakes
        #expect(wakes == (isLegacy ? idleWakes.legacy : idleWakes.modern), "\(title): wakes")
      }
      #expect(map.audit().isEmpty)
    }
  }

  @Test("FS_DAX small: fault, GET, unmap, put")
  func fsdaxGet() throws {
    try replay(
      "FS_DAX GET", .fsdax, idleWakes: (1, 1),
      [
        Step(operation: "init", modern: (0, 0), legacy: (1, 0)),
        Step(operation: "fault inc", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "insert", modern: (2, 1), legacy: (1, 0)),
        Step(operation: "fault put", modern: (1, 1), legacy: (1, 0)),
        Step(operation: "get", modern: (2, 1), legacy: (2, 0)),
        Step(operation: "unmap 1", modern: (1, 0), legacy: (2, 0)),
        Step(operation: "put", modern: (0, 0), legacy: (1, 0)),
      ])
  }

  @Test("FS_DAX small: map, PIN, unpin, unmap")
  func fsdaxPin() throws {
    try replay(
      "FS_DAX PIN", .fsdax, idleWakes: (1, 1),
      [
        Step(operation: "init", modern: (0, 0), legacy: (1, 0)),
        Step(operation: "map 1", modern: (1, 1), legacy: (1, 0)),
        Step(operation: "pin", modern: (1025, 1), legacy: (1025, 0)),
        Step(operation: "unpin", modern: (1, 1), legacy: (1, 0)),
        Step(operation: "unmap 1", modern: (0, 0), legacy: (1, 0)),
      ])
  }

  @Test("FS_DAX PMD: prep, map, zap")
  func fsdaxHuge() throws {
    try replay(
      "FS_DAX PMD", .fsdax, idleWakes: (1, 0),
      [
        Step(operation: "init", modern: (0, 0), legacy: (1, 0)),
        Step(operation: "prep", modern: (0, 0), legacy: (1, 0)),
        Step(operation: "map 1", modern: (1, 1), legacy: (1, 0)),
        Step(operation: "unmap 1", modern: (0, 0), legacy: (1, 0)),
      ])
  }

  @Test("FS_DAX PMD mapped by two mms, one more PTE-sized GET")
  func fsdaxShared() throws {
    try replay(
      "FS_DAX two mms", .fsdax, idleWakes: (1, 1),
      [
        Step(operation: "prep", modern: (0, 0), legacy: (1, 0)),
        Step(operation: "map 1", modern: (1, 1), legacy: (1, 0)),
        Step(operation: "map 2", modern: (2, 2), legacy: (1, 0)),
        Step(operation: "get", modern: (3, 2), legacy: (2, 0)),
        Step(operation: "unmap 2", modern: (2, 1), legacy: (2, 0)),
        Step(operation: "put", modern: (1, 1), legacy: (1, 0)),
        Step(operation: "unmap 1", modern: (0, 0), legacy: (1, 0)),
      ])
  }

  @Test("GENERIC 4K: map, map by a second mm, zap both")
  func genericSmall() throws {
    try replay(
      "GENERIC 4K", .generic, idleWakes: (0, 0),
      [
        Step(operation: "init", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "insert 1", modern: (2, 1), legacy: (1, 0)),
        Step(operation: "map 2", modern: (3, 2), legacy: (1, 0)),
        Step(operation: "unmap 1", modern: (2, 1), legacy: (1, 0)),
        Step(operation: "unmap 2", modern: (1, 0), legacy: (1, 0)),
      ])
  }

  @Test("FS_DAX PMD: prep, map, fast pin of 3 subpages, unpin, zap; legacy without a folio")
  func fsdaxHugePinned() throws {
    let steps = [
      Step(operation: "init", modern: (0, 0), legacy: (1, 0)),
      Step(operation: "prep", modern: (0, 0), legacy: (1, 0)),
      Step(operation: "map 1", modern: (1, 1), legacy: (1, 0)),
    ]
    let end = [Step(operation: "unmap 1", modern: (0, 0), legacy: (1, 0))]
    try replay(
      "FS_DAX PMD PIN", .fsdax, idleWakes: (1, 0), only: [.strict, .kernel],
      steps
        + [
          Step(operation: "pin 3", modern: (4, 1), legacy: (1, 0), pins: 3),
          Step(operation: "unpin 3", modern: (1, 1), legacy: (1, 0)),
        ] + end)
    // Legacy: each of the three pages is small and pinned by itself, and wakes by itself.
    let map = try PageMap(.fsdax, pages: 512, .init(rules: .legacy))
    try map.startAuditing()
    let actors = (0..<4).map { index in
      let frame = map.frames.lowerBound + UInt(index)
      return unsafe Actor(
        map: map, folio: map.folio(frame), page: map.page(frame), isLegacy: true)
    }
    func counts() -> [Int32] { actors.map { unsafe folio_ref_count($0.folio) } }
    func wakes() -> Int32 {
      actors.reduce(0) { unsafe $0 + cfolio_ledger_numbers($1.page).wakes }
    }
    for actor in actors[..<3] { actor.run("pin") }
    #expect(counts() == [1025, 1025, 1025, 1])
    #expect(wakes() == 0)
    for actor in actors[..<3] { actor.run("unpin") }
    #expect(counts() == [1, 1, 1, 1])
    #expect(wakes() == 3)
    for actor in actors { actor.run("unmap 1") }
    #expect(counts() == [1, 1, 1, 1] && wakes() == 3)
    #expect(map.audit().isEmpty)
  }

  @Test("GENERIC 2M: map, slow pin of 512, unpin, unmap")
  func genericHuge() throws {
    try replay(
      "GENERIC 2M", .generic, order: 9, idleWakes: (0, 0),
      [
        Step(operation: "init", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "insert 1", modern: (2, 1), legacy: (1, 0)),
        Step(operation: "pin 512", modern: (514, 1), legacy: (513, 0), pins: 512),
        Step(operation: "unpin 512", modern: (2, 1), legacy: (1, 0)),
        Step(operation: "unmap 1", modern: (1, 0), legacy: (1, 0)),
      ])
  }

  @Test("partial zap of a DAX PMD takes the whole leaf")
  func partialZap() throws {
    try replay(
      "partial zap", .fsdax, idleWakes: (1, 0),
      [
        Step(operation: "prep", modern: (0, 0), legacy: (1, 0)),
        Step(operation: "map 1", modern: (1, 1), legacy: (1, 0)),
        // 4K of 2M: the leaf has no PTEs, so it goes whole.
        Step(operation: "unmap 1", modern: (0, 0), legacy: (1, 0)),
      ])
  }

  @Test("fork of a DAX PTE: the child refaults, or is copied at the fork")
  func fork() throws {
    for child in ["map 2", "fork"] {
      try replay(
        "fork by \(child)", .fsdax, idleWakes: (1, 0),
        [
          Step(operation: "map 1", modern: (1, 1), legacy: (1, 0)),
          Step(operation: child, modern: (2, 2), legacy: (1, 0)),
          Step(operation: "unmap 1", modern: (1, 1), legacy: (1, 0)),
          Step(operation: "unmap 2", modern: (0, 0), legacy: (1, 0)),
        ])
    }
  }

  @Test("a private DAX PTE, then a write fault that copies")
  func copyOnWrite() throws {
    try replay(
      "COW", .fsdax, idleWakes: (1, 0),
      [
        Step(operation: "map 1", modern: (1, 1), legacy: (1, 0)),
        Step(operation: "cow get", modern: (2, 1), legacy: (1, 0)),
        Step(operation: "cow end", modern: (0, 0), legacy: (1, 0)),
      ])
  }

  @Test("the zero page: map and zap change nothing")
  func zeroPage() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let map = try PageMap(.fsdax, pages: 512)
    try map.startAuditing()
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe folio_ref_inc(folio)
    unsafe ZeroFolios.with(page: folio_page(folio, 0)) {
      unsafe folio_add_file_rmap_pte(folio, folio_page(folio, 0), 1)
      #expect(unsafe folio_ref_count(folio) == 1 && folio_mapcount(folio) == 0)
      unsafe folio_remove_rmap_pte(folio, folio_page(folio, 0), 1)
      #expect(unsafe folio_ref_count(folio) == 1 && folio_mapcount(folio) == 0)
    }
    #expect(map.audit().isEmpty)
    unsafe folio_put(folio)
  }

  @Test("P2PDMA: set, insert, put, GET by a driver, zap, put")
  func p2pdma() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    try replay(
      "P2PDMA", .pciP2PDMA, idleWakes: (0, 0), frees: 1,
      [
        Step(operation: "init", modern: (0, 0), legacy: (1, 0)),
        Step(operation: "set 1", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "insert", modern: (2, 1), legacy: (2, 1)),
        Step(operation: "put", modern: (1, 1), legacy: (1, 1)),
        Step(operation: "get", modern: (2, 1), legacy: (2, 1)),
        Step(operation: "unmap 1", modern: (1, 0), legacy: (1, 0)),
        // Legacy: the free path resets R to 1.
        Step(operation: "put", modern: (0, 0), legacy: (1, 0)),
      ])
  }

  @Test(
    "PRIVATE and COHERENT: alloc, migrate in, fault out, free",
    arguments: [
      PageMap.Kind.devicePrivate, .deviceCoherent,
    ])
  func devicePrivate(kind: PageMap.Kind) throws {
    try replay(
      "\(kind)", kind, idleWakes: (0, 0), frees: 1,
      [
        Step(operation: "init", modern: (0, 0), legacy: (0, 0)),
        Step(operation: "alloc", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "migrate in", modern: (1, 1), legacy: (1, 1)),
        Step(operation: "fault", modern: (2, 1), legacy: (2, 1)),
        Step(operation: "collect", modern: (2, 0), legacy: (2, 0)),
        Step(operation: "put", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "end fault", modern: (0, 0), legacy: (0, 0)),
      ])
  }

  @Test("a small page with 1023 and 1024 GETs; the legacy base shifts the verdict by one")
  func manyGets() throws {
    for (rules, gets, pinned) in [
      (PageMap.Rules.strict, Int32(1023), false), (.strict, 1024, true), (.kernel, 1023, false),
      (.kernel, 1024, true), (.legacy, 1022, false), (.legacy, 1023, true),
    ] {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
      let folio = unsafe map.folio(map.frames.lowerBound)
      unsafe folio_ref_add(folio, gets)
      #expect(unsafe folio_maybe_dma_pinned(folio) == pinned)
      unsafe folio_ref_sub(folio, gets)
    }
  }
}
