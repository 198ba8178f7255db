// SPDX-License-Identifier: MIT

// The golden counter traces of spec: core.md 15.3, for the modern and the legacy scheme, as far as
// counters go. Steps that need page tables or pins of large folios (PC) come with the memory half:
// refaults, the zero page, partial zap, fork, COW, pins of a PMD or 2M folio.

import CFolio
import FolioCore
import TestSupport
import Testing

/// One step of a trace: what is done, then R and M that both schemes must show.
private struct Step {
  let operation: String
  let modern: (R: Int32, M: Int32)
  let legacy: (R: Int32, M: Int32)
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
    case "pin": unsafe folio_ref_add(folio, GUP_PIN_COUNTING_BIAS)
    case "unpin":
      if unsafe !put_devmap_managed_folio_refs(folio, GUP_PIN_COUNTING_BIAS) {
        unsafe folio_put_refs(folio, GUP_PIN_COUNTING_BIAS)
      }
    case "set 1":
      // The pool's unit of the map; page_free gives it back.
      unsafe percpu_ref_get_many(&map.pgmap.pointee.ref, 1)
      if !isLegacy { unsafe set_page_count(page, 1) }
    case "alloc":
      unsafe zone_device_page_init(page)
    case "unlock": unsafe folio_unlock(folio)
    case "free put":
      unsafe folio_put(folio)
    default: Issue.record("no operation \(operation)")
    }
  }
}

@Suite("Golden counter traces")
struct GoldenCounterTests {
  private func replay(
    _ title: String, _ kind: PageMap.Kind, order: Int = 0,
    idleWakes: (modern: Int32, legacy: Int32),
    _ steps: [Step]
  ) throws {
    for rules in PageMap.Rules.allCases {
      let isLegacy = rules == .legacy
      let map = try PageMap(
        kind, pages: 512,
        .init(rules: rules, compoundOrder: order, strictTeardown: false))
      try map.startAuditing()
      let frame = map.frames.lowerBound
      let actor = unsafe Actor(
        map: map, folio: map.folio(frame), page: map.page(frame), isLegacy: isLegacy)
      for (index, step) in steps.enumerated() {
        actor.run(step.operation)
        let expected = isLegacy ? step.legacy : step.modern
        let seen = unsafe (R: folio_ref_count(actor.folio), M: folio_mapcount(actor.folio))
        #expect(
          seen == expected,
          "\(title), \(rules.rawValue), step \(index) \(step.operation): \(seen), not \(expected)")
      }
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

  @Test("GENERIC 2M: map and unmap")
  func genericHuge() throws {
    try replay(
      "GENERIC 2M", .generic, order: 9, idleWakes: (0, 0),
      [
        Step(operation: "init", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "insert 1", modern: (2, 1), legacy: (1, 0)),
        Step(operation: "unmap 1", modern: (1, 0), legacy: (1, 0)),
      ])
  }

  @Test("P2PDMA: set, insert, put, GET by a driver, zap, put")
  func p2pdma() throws {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    try replay(
      "P2PDMA", .pciP2PDMA, idleWakes: (0, 0),
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

  @Test("PRIVATE: alloc, migrate in, fault out, free")
  func devicePrivate() throws {
    try replay(
      "PRIVATE", .devicePrivate, idleWakes: (0, 0),
      [
        Step(operation: "init", modern: (0, 0), legacy: (0, 0)),
        Step(operation: "alloc", modern: (1, 0), legacy: (1, 0)),
        Step(operation: "unlock", modern: (1, 0), legacy: (1, 0)),
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
