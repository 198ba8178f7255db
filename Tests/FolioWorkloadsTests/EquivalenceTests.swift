// SPDX-License-Identifier: MIT
//
// Properties that compare two runs of the library: a batch with single puts (CI56), legacy with
// modern rules (CI63); and the golden counter traces of core.md 15.3 as far as this half has them.

import CFolio
import FolioWorkloads
import Testing

@Suite("Batches equal single puts (CI56)")
struct BatchTests {
  @Test(
    "counters and callbacks are those of the sequence",
    arguments: ModelKind.allCases, ModelRules.allCases)
  func batchEqualsSequence(kind: ModelKind, rules: ModelRules) throws {
    let configuration = ModelConfiguration(kind, rules, pages: 64)
    let batched = try Executor(configuration, audited: true)
    let single = try Executor(configuration, audited: true)
    var model = DeviceModel(configuration)
    var raising = ProgramGenerator(
      seed: 56, mix: OperationMix([.raise: 6, .device: 3, .speculate: 2]))
    var putting = ProgramGenerator(seed: 65, mix: OperationMix([.batch: 1]))
    var batches = 0
    for round in 0..<250 {
      for _ in 0..<12 {
        let operation = raising.next(for: model)
        _ = model.perform(operation)
        #expect(batched.perform(operation) == single.perform(operation))
      }
      guard case .batch(let code, let entries) = putting.next(for: model) else { continue }
      batches += 1
      _ = model.perform(.batch(code, entries))
      _ = batched.perform(.batch(code, entries))
      for entry in entries {
        for _ in 0..<entry.count {
          _ = single.perform(.reference(.putPage, page: entry.page, count: 1))
        }
      }
      #expect(batched.mapWords() == single.mapWords())
      for page in 0..<configuration.pages {
        let words = batched.words(of: page)
        #expect(words == single.words(of: page), "round \(round), page \(page)")
        #expect(words == model.pages[page], "round \(round), page \(page)")
      }
    }
    #expect(batches > 100)
    for operation in model.unwinding() {
      _ = batched.perform(operation)
      _ = single.perform(operation)
    }
    #expect(batched.finish() == [] && single.finish() == [])
  }
}

@Suite("Legacy and modern rules differ by the base and the mappings (CI63)")
struct DifferentialTests {
  /// Runs one script of gets, puts, pins, maps and unmaps on both maps, in the calls that each
  /// scheme makes for it.
  @Test(
    "R differs by base_legacy - base_modern - m at every step",
    arguments: [ModelKind.fsdax, .generic], [ModelRules.strict, .kernel])
  func refcountsDiffer(kind: ModelKind, rules: ModelRules) throws {
    let modernSetup = ModelConfiguration(kind, rules, pages: 8)
    let legacySetup = ModelConfiguration(kind, .legacy, pages: 8)
    let modern = try Executor(modernSetup, audited: true)
    let legacy = try Executor(legacySetup, audited: true)
    let bases = legacySetup.idleCount - modernSetup.idleCount
    #expect(bases == (kind == .fsdax ? 1 : 0))
    var random = SeededRandom(seed: 63)
    var holds = Array(repeating: 0, count: 8)
    var mappings = Array(repeating: [UInt32](), count: 8)
    func both(_ code: ReferenceCode, _ page: Int, _ count: Int = 1) {
      _ = modern.perform(.reference(code, page: page, count: count))
      _ = legacy.perform(.reference(code, page: page, count: count))
    }
    /// 0->1 is the owner's in the modern scheme; a legacy page is never at 0.
    func get(_ page: Int, _ count: Int) {
      _ = modern.perform(.reference(.folioRefAdd, page: page, count: count))
      _ = legacy.perform(.reference(.folioRefTryAdd, page: page, count: count))
    }
    func put(_ page: Int, _ count: Int) {
      both(.putPage, page, 1)
      if count > 1 {
        _ = modern.perform(.batch(.foliosPutRefs, [.init(page: page, count: count - 1)]))
        _ = legacy.perform(.batch(.foliosPutRefs, [.init(page: page, count: count - 1)]))
      }
    }
    var steps = 0
    for _ in 0..<4000 {
      let page = random.number(in: 0...7)
      switch random.number(in: 0...5) {
      case 0, 1:
        // A plain reference, or now and then a pin of a small folio.
        let count = random.once(in: 4) ? 1024 : 1
        get(page, count)
        holds[page] += count
      case 2, 3:
        guard holds[page] > 0 else { continue }
        let count = random.once(in: 2) ? holds[page] : 1
        put(page, count)
        holds[page] -= count
      case 4:
        let mm = UInt32(random.number(in: 1...3))
        // Modern: reference, then mapcount. Legacy: the entry counts nothing.
        _ = modern.perform(.reference(.folioRefInc, page: page, count: 1))
        _ = modern.perform(.mapping(.addFilePTE, page: page, count: 1, mm: mm))
        mappings[page].append(mm)
      default:
        guard let mm = mappings[page].popLast() else { continue }
        _ = modern.perform(.mapping(.removePTE, page: page, count: 1, mm: mm))
        _ = modern.perform(.reference(.putPage, page: page, count: 1))
      }
      steps += 1
      for page in 0..<8 {
        let (now, before) = (modern.words(of: page), legacy.words(of: page))
        let mapped = mappings[page].count
        #expect(before.refcount - now.refcount == bases - mapped)
        #expect(now.mapcount + 1 == mapped && before.mapcount == -1)
        #expect(now.refcount == modernSetup.idleCount + holds[page] + mapped)
      }
    }
    #expect(steps > 2000)
    for page in 0..<8 {
      for mm in mappings[page] {
        _ = modern.perform(.mapping(.removePTE, page: page, count: 1, mm: mm))
        _ = modern.perform(.reference(.putPage, page: page, count: 1))
      }
      if holds[page] > 0 { put(page, holds[page]) }
    }
    #expect(modern.finish() == [] && legacy.finish() == [])
  }
}

@Suite("Legacy FS_DAX wakes on the put paths that have the hook")
struct HookTests {
  @Test(
    "2->1 wakes once through the hook and never past it",
    arguments: [
      ("put_page 0", 1), ("folios_put 0:1", 1), ("folios_put_refs 0:1", 1),
      ("release_pages 0:1", 1), ("put_devmap_managed_folio_refs 0 1", 1), ("folio_put 0", 0),
      ("folio_put_refs 0 1", 0), ("page_ref_dec 0", 0), ("folio_put_testzero 0", 0),
    ])
  func hookedPaths(put: String, wakes: Int) throws {
    let configuration = ModelConfiguration(.fsdax, .legacy, pages: 2)
    let operation = try #require(Operation(parsing: put))
    let executor = try Executor(configuration, audited: true)
    var model = DeviceModel(configuration)
    for operation in [.reference(.folioTryGet, page: 0, count: 1), operation] {
      #expect(executor.perform(operation) == model.perform(operation))
    }
    #expect(executor.words(of: 0) == model.pages[0])
    #expect(executor.words(of: 0).refcount == 1)
    #expect(executor.words(of: 0).events.wakes == wakes)
    #expect(executor.words(of: 0).events.zeroes == 0)
    // A lost wake is the caller's error, and no program of the generator contains one.
    var before = DeviceModel(configuration)
    _ = before.perform(.reference(.folioTryGet, page: 0, count: 1))
    #expect(before.permits(operation) == (wakes == 1))
  }
}

/// One scenario of core.md 15.3: steps, and (R, M) of page 0 after each.
struct GoldenTrace: Sendable, CustomTestStringConvertible {
  var name: String
  var configuration: ModelConfiguration
  var steps: [(program: String, refcount: Int, mapcount: Int)]
  /// Wakes and page_free calls at the end.
  var wakes = 0
  var callbacks = 0
  var testDescription: String { name }

  static let all: [GoldenTrace] = [
    GoldenTrace(
      name: "FS_DAX small, modern", configuration: .init(.fsdax, .strict, pages: 1),
      steps: [
        ("folio_ref_count 0", 0, 0), ("folio_ref_inc 0", 1, 0),
        ("folio_get 0; folio_add_file_rmap_pte 0 1 1", 2, 1), ("folio_put 0", 1, 1),
        ("folio_try_get 0", 2, 1), ("folio_remove_rmap_pte 0 1 1; folio_put 0", 1, 0),
        ("folio_put 0", 0, 0),
      ], wakes: 1),
    GoldenTrace(
      name: "FS_DAX small, legacy", configuration: .init(.fsdax, .legacy, pages: 1),
      steps: [
        ("folio_ref_count 0", 1, 0), ("folio_try_get 0", 2, 0), ("put_page 0", 1, 0),
      ], wakes: 1),
    GoldenTrace(
      name: "FS_DAX small, pinned, modern", configuration: .init(.fsdax, .kernel, pages: 1),
      steps: [
        ("folio_ref_inc 0; folio_add_file_rmap_pte 0 1 1", 1, 1), ("folio_ref_add 0 1024", 1025, 1),
        ("folio_put_refs 0 1024", 1, 1), ("folio_remove_rmap_pte 0 1 1; folio_put 0", 0, 0),
      ], wakes: 1),
    GoldenTrace(
      name: "FS_DAX PMD by two mms, modern", configuration: .init(.fsdax, .strict, pages: 512),
      steps: [
        ("prep_compound_page 0 9", 0, 0),
        ("folio_ref_inc 0; folio_add_file_rmap_pmd 0 1 1", 1, 1),
        ("folio_get 0; folio_add_file_rmap_pmd 0 1 2", 2, 2), ("try_get_folio 9 1", 3, 2),
        ("put_page 9", 2, 2), ("folio_remove_rmap_pmd 0 1 1; folio_put 0", 1, 1),
        ("folio_remove_rmap_pmd 0 1 2; folio_put 0", 0, 0), ("folio_split_to_order_0 0 0", 0, 0),
      ], wakes: 1),
    GoldenTrace(
      name: "GENERIC 4K, modern", configuration: .init(.generic, .strict, pages: 1),
      steps: [
        ("folio_ref_count 0", 1, 0), ("folio_get 0; folio_add_file_rmap_pte 0 1 1", 2, 1),
        ("folio_get 0; folio_add_file_rmap_pte 0 1 2", 3, 2),
        (
          "folio_remove_rmap_pte 0 1 1; folio_put 0; folio_remove_rmap_pte 0 1 2; folio_put 0", 1, 0
        ),
      ]),
    GoldenTrace(
      name: "P2PDMA, modern", configuration: .init(.pciP2PDMA, .strict, pages: 1),
      steps: [
        ("folio_ref_count 0", 0, 0), ("zone_device_page_init 0; folio_unlock 0", 1, 0),
        ("folio_get 0; folio_add_file_rmap_pte 0 1 1", 2, 1), ("put_page 0", 1, 1),
        ("get_page 0", 2, 1), ("folio_remove_rmap_pte 0 1 1; put_page 0", 1, 0),
        ("put_page 0", 0, 0),
      ], callbacks: 1),
    GoldenTrace(
      name: "P2PDMA, legacy", configuration: .init(.pciP2PDMA, .legacy, pages: 1),
      steps: [
        ("folio_ref_count 0", 1, 0), ("zone_device_page_init 0; folio_unlock 0", 1, 0),
        ("folio_get 0; folio_add_file_rmap_pte 0 1 1", 2, 1), ("put_page 0", 1, 1),
        ("get_page 0", 2, 1), ("folio_remove_rmap_pte 0 1 1; put_page 0", 1, 0),
        ("put_page 0", 1, 0),
      ], callbacks: 1),
    GoldenTrace(
      name: "PRIVATE, any rules", configuration: .init(.devicePrivate, .legacy, pages: 1),
      steps: [
        ("folio_ref_count 0", 0, 0), ("zone_device_page_init 0", 1, 0),
        ("folio_add_file_rmap_pte 0 1 1; folio_unlock 0", 1, 1), ("get_page 0", 2, 1),
        ("folio_remove_rmap_pte 0 1 1; put_page 0", 1, 0), ("put_page 0", 0, 0),
      ], callbacks: 1),
  ]
}

@Suite("Golden counter traces, by the library and by the model")
struct GoldenTraceTests {
  @Test("R and M are those of the table after each step", arguments: GoldenTrace.all)
  func follows(trace: GoldenTrace) throws {
    let executor = try Executor(trace.configuration, audited: true)
    var model = DeviceModel(trace.configuration)
    for step in trace.steps {
      for operation in try #require(Operation.program(parsing: step.program)) {
        #expect(model.permits(operation), "\(operation)")
        #expect(executor.perform(operation) == model.perform(operation), "\(operation)")
      }
      let words = executor.words(of: 0)
      #expect(words == model.pages[0], "\(step.program)")
      #expect(words.refcount == step.refcount, "R after \(step.program)")
      #expect(executor.perform(.query(.folioMapcount, page: 0)) == .number(step.mapcount))
    }
    #expect(executor.words(of: 0).events.wakes == trace.wakes)
    #expect(executor.words(of: 0).events.callbacks == trace.callbacks)
    #expect(executor.finish() == [])
  }
}
