// SPDX-License-Identifier: MIT
//
// Blocks of system RAM against their model, rows 43-45.

import FolioWorkloads
import Testing

@Suite("System RAM does what its model says")
struct RAMTests {
  @Test(
    "random programs on a block agree step by step",
    arguments: [(0, false), (1, true), (2, true), (3, true), (5, true), (1, false), (3, false)])
  func agrees(order: Int, isCompound: Bool) throws {
    var splits = 0
    for seed in 1...40 as ClosedRange<UInt64> {
      let executor = try RAMExecutor(order: order, isCompound: isCompound)
      var model = RAMModel(order: order, isCompound: isCompound)
      var random = SeededRandom(seed: seed)
      var program: [RAMOperation] = []
      func step(_ operation: RAMOperation) throws {
        program.append(operation)
        let expected = model.perform(operation)
        let outcome = executor.perform(operation)
        if case .folioSplit = operation, outcome == .number(0) { splits += 1 }
        // Pages that were freed may belong to another thread by now.
        let wrong = model.pages.indices.first {
          !model.isFree[$0] && executor.words(of: $0) != model.pages[$0]
        }
        try #require(
          outcome == expected && wrong == nil,
          """
          seed \(seed): \(program.map(\.description).joined(separator: "; "))
          returned \(outcome), the model says \(expected)
          page \(wrong ?? -1): \(wrong.map { "\(executor.words(of: $0))" } ?? "")
          the model says \(wrong.map { "\(model.pages[$0])" } ?? "")
          replay: swift test --filter FolioWorkloadsTests.RAMTests
          """)
      }
      for _ in 0..<60 {
        guard let operation = model.propose(&random) else { break }
        try step(operation)
      }
      for operation in model.unwinding() { try step(operation) }
      #expect(model.isFree.allSatisfy { $0 })
    }
    #expect(!isCompound || splits > 5, "\(splits) splits under freeze")
  }

  @Test("free_tail_page_prepare finds nothing wrong with a folio and counts what is spoilt")
  func tailChecks() throws {
    let good = try RAMExecutor(order: 3, isCompound: true)
    #expect(good.prepareTails() == Array(repeating: 0, count: 7))
    for page in 1..<8 {
      let words = good.words(of: page)
      #expect(words.head == nil && words.mapping == MappingWord.none)
    }
    good.endTailChecks()

    let spoilt = try RAMExecutor(order: 3, isCompound: true)
    spoilt.spoilCounters()
    spoilt.spoilMapping(of: 5)
    // Page 1 answers for the head's counters, page 5 for its own mark.
    #expect(spoilt.prepareTails() == [2, 0, 0, 0, 1, 0, 0])
    spoilt.endTailChecks()
  }
}
