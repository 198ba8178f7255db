// SPDX-License-Identifier: MIT
//
// The tools around the model: generator, text form, shrinker, and that the model stands alone.

import FolioWorkloads
import Foundation
import Testing

/// Foundation has an Operation too.
typealias Operation = FolioWorkloads.Operation

/// A program that the generator makes for a plan, driven by the model alone.
func generate(
  _ configuration: ModelConfiguration, seed: UInt64, steps: Int, mix: OperationMix = .balanced
) -> [Operation] {
  var model = DeviceModel(configuration)
  var generator = ProgramGenerator(seed: seed, mix: mix)
  return (0..<steps).map { _ in
    let operation = generator.next(for: model)
    _ = model.perform(operation)
    return operation
  }
}

@Suite("The generator")
struct GeneratorTests {
  @Test("makes the same program from the same seed, and another from another")
  func isDeterministic() {
    for plan in Plan.all where plan.configuration.pages == 64 && plan.isFirstOfItsKind {
      let first = generate(plan.configuration, seed: 42, steps: 120, mix: plan.mix)
      #expect(first == generate(plan.configuration, seed: 42, steps: 120, mix: plan.mix))
      #expect(first != generate(plan.configuration, seed: 43, steps: 120, mix: plan.mix))
    }
  }

  @Test("knows its random numbers by heart")
  func randomIsFixed() {
    // The first output of splitmix64 from 0 is published with the algorithm.
    var spread = SplitMix64(seed: 0)
    #expect(spread.next() == 0xe220_a839_7b1d_cdaf)
    var random = SeededRandom(seed: 1)
    let drawn = (0..<1000).map { _ in random.number(in: 3...9) }
    #expect(Set(drawn) == Set(3...9))
  }

  @Test("makes every operation that the model knows, and so every row of the table")
  func coversTheTable() {
    var names: Set<String> = []
    var rows: Set<Int> = []
    for plan in Plan.all.filter(\.isFirstOfItsKind) + [.huge] {
      for seed in 1...UInt64(plan.seeds) {
        let steps = plan.configuration.pages > 1024 ? 150 : 500
        for operation in generate(
          plan.configuration, seed: seed, steps: steps, mix: plan.mix)
        {
          names.insert(operation.name)
          if let row = operation.row { rows.insert(row) }
        }
      }
    }
    let missing = Set(Operation.allNames).subtracting(names)
    #expect(missing.isEmpty, "never generated: \(missing.sorted())")
    // 29 and 48 run inside the puts that reach 0; 51 and 52 begin and end each run; 43-45 are for
    // RAM and 56-59 for a percpu reference alone: RAMTests and PercpuTests make those.
    let elsewhere: Set<Int> = [29, 43, 44, 45, 48, 51, 52, 56, 57, 58, 59]
    let wanted = Set(1...69).subtracting(elsewhere)
    #expect(wanted.isSubset(of: rows), "rows missing: \(wanted.subtracting(rows).sorted())")
  }

  @Test("finds failed tries, refused freezes, busy shares and all outcomes of tests")
  func coversOutcomes() {
    var seen: [String: Set<Outcome>] = [:]
    for plan in Plan.all where plan.configuration.pages == 64 && plan.isFirstOfItsKind {
      var model = DeviceModel(plan.configuration)
      var generator = ProgramGenerator(seed: 5, mix: plan.mix)
      for _ in 0..<800 {
        let operation = generator.next(for: model)
        seen[operation.name, default: []].insert(model.perform(operation))
      }
    }
    for name in [
      "folio_try_get", "get_page_unless_zero", "page_ref_freeze", "folio_ref_freeze",
      "page_ref_sub_and_test", "page_ref_dec_and_test", "folio_put_testzero", "folio_trylock",
      "page_ref_add_unless", "put_devmap_managed_folio_refs", "folio_maybe_dma_pinned",
      "folio_maybe_mapped_shared", "folio_mapped", "PageTail", "try_get_page",
    ] {
      #expect(seen[name] == [.flag(true), .flag(false)], "\(name): \(seen[name] ?? [])")
    }
    #expect(seen["folio_try_share_anon_rmap_pte"] == [.number(0), .number(-16)])
    #expect(seen["folio_try_dup_anon_rmap_ptes"] == [.number(0), .number(-16)])
    #expect(seen["try_get_folio"]?.contains(.page(nil)) == true)
  }
}

@Suite("The text form of operations")
struct OperationTextTests {
  @Test("is read back as the operation that was written")
  func roundTrips() throws {
    var names: Set<String> = []
    for plan in Plan.all.filter(\.isFirstOfItsKind) + [.huge] {
      for operation in generate(plan.configuration, seed: 11, steps: 250, mix: plan.mix) {
        #expect(Operation(parsing: operation.description) == operation)
        names.insert(operation.name)
      }
    }
    #expect(names.count > 90)
    let program = generate(Plan.all[0].configuration, seed: 3, steps: 40)
    let text = program.map(\.description).joined(separator: "; ")
    #expect(Operation.program(parsing: text) == program)
    for plan in Plan.all {
      #expect(ModelConfiguration(parsing: plan.configuration.description) == plan.configuration)
    }
  }

  @Test(
    "is refused when malformed",
    arguments: [
      "", "folio_gett 1", "folio_get", "folio_get x", "folio_get 1 2", "folio_get -1",
      "folio_put_refs 1", "folios_put_refs 1", "folios_put_refs 1:", "folios_put_refs 1:2:3",
      "page_ref_add_unless 1 2", "store_share 1 -2", "folio_add_file_rmap_ptes 1 1 -1",
    ])
  func refusesNonsense(text: String) {
    #expect(Operation(parsing: text) == nil)
  }

  @Test("names a configuration or is refused")
  func refusesConfigurations() {
    #expect(ModelConfiguration(parsing: "fsdax/strict") == nil)
    #expect(
      ModelConfiguration(
        parsing: "fsdax/strict/pages=63/order=1/page-mapcount=true/mm-ids=true") == nil)
  }
}

@Suite("The shrinker")
struct ShrinkerTests {
  private let configuration = ModelConfiguration(.fsdax, .strict, pages: 64)

  @Test("reduces a planted fault to the steps that are needed")
  func shrinksPlantedFault() throws {
    // The fault: putting two or more, but not all, puts one more.
    let run = PropertyRun(configuration) {
      FaultyModel(configuration) { operation, model in
        guard case .reference(.folioPutRefs, let page, let count) = operation,
          model.pages[page].refcount > 1, count > 1
        else { return }
        model.corrupt(page) { $0.refcount -= 1 }
      }
    }
    var found: PropertyFailure?
    for seed in 1...20 where found == nil {
      do {
        _ = try run.explore(seed: UInt64(seed), steps: 1500)
      } catch let failure as PropertyFailure {
        found = failure
      }
    }
    let failure = try #require(found, "the planted fault was never met")
    let minimal = failure.minimal
    // What raises R to 4, in up to four steps, and the put: nothing else is left of hundreds.
    #expect((2...5).contains(minimal.count), "\(failure)")
    for index in minimal.indices {
      var shorter = minimal
      shorter.remove(at: index)
      let divergence = try run.replay(shorter)
      #expect(divergence == nil, "not minimal: \(shorter) fails too")
    }
    #expect(minimal.last == .reference(.folioPutRefs, page: 0, count: 2), "\(failure)")
    #expect(failure.description.contains("FOLIO_SEED=\(failure.seed) swift test"))
    #expect(failure.description.contains("folio_put_refs 0 2'"))
    // It fails as printed.
    let program = try #require(
      Operation.program(parsing: minimal.map(\.description).joined(separator: ";")))
    let again = try run.replay(program)
    #expect(again != nil)
  }

  @Test("reports a model with nothing wrong as agreeing")
  func acceptsTheModel() throws {
    let run = PropertyRun(configuration) { FaultyModel(configuration) { _, _ in } }
    let coverage = try run.explore(seed: 9, steps: 1000)
    #expect(coverage.frees > 0 && coverage.frees == coverage.wakes)
  }

  @Test("sees a fault in any word, and in what happened", arguments: Fault.allCases)
  func seesEveryWord(fault: Fault) throws {
    let configuration = fault.configuration
    let run = PropertyRun(configuration) {
      FaultyModel(configuration) { operation, model in
        guard operation == fault.trigger else { return }
        model.corrupt(0, fault.plant)
      }
    }
    let program = try #require(Operation.program(parsing: fault.program))
    let replayed = try run.replay(program)
    let divergence = try #require(replayed)
    #expect(divergence.operation == fault.trigger, "\(divergence)")
  }

  /// One word to spoil each.
  enum Fault: CaseIterable {
    case refcount, mapcount, mapping, share, privateWord, memory, flags, link, large, slots, frees
    case callbacks

    var configuration: ModelConfiguration { ModelConfiguration(.fsdax, .strict, pages: 4) }
    var program: String { "prep_compound_page 0 1; folio_ref_inc 0; folio_get 0" }
    var trigger: Operation { .reference(.folioGet, page: 0, count: 1) }

    func plant(_ words: inout PageWords) {
      switch self {
      case .refcount: words.refcount += 1
      case .mapcount: words.mapcount += 1
      case .mapping: words.mapping = .value(2)
      case .share: words.share = 1
      case .privateWord: words.privateWord = 1
      case .memory: words.memoryControlGroup = 1
      case .flags: words.flags.insert(.locked)
      case .link: words.link = .other(0)
      case .large: words.large?.pinCount = 1
      case .slots: words.large?.slots?.isShared = true
      case .frees: words.events.frees = 1
      case .callbacks: words.events.callbacks = 1
      }
    }
  }
}

@Suite("The model stands alone")
struct ModelSourceTests {
  @Test("no file of the model, nor the op codes, imports anything")
  func importsNothing() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/FolioWorkloads").standardizedFileURL
    let model = try FileManager.default.contentsOfDirectory(
      at: root.appending(path: "Model"), includingPropertiesForKeys: nil)
    let files =
      model + ["Operation.swift", "Operation+Text.swift"].map { root.appending(path: $0) }
    #expect(model.count >= 7)
    for file in files {
      let text = try String(contentsOf: file, encoding: .utf8)
      for line in text.split(separator: "\n") where !line.hasPrefix("//") {
        let words = line.split(separator: " ")
        #expect(!words.contains("import"), "\(file.lastPathComponent): \(line)")
      }
    }
  }
}
