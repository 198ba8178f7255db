// SPDX-License-Identifier: MIT
//
// A percpu reference against its model, rows 56-59.

import FolioWorkloads
import Testing

@Suite("A percpu reference does what its model says")
struct PercpuTests {
  @Test("random programs agree step by step", arguments: 1...12 as ClosedRange<UInt64>)
  func agrees(seed: UInt64) throws {
    let executor = try #require(PercpuExecutor())
    var model = PercpuModel()
    var random = SeededRandom(seed: seed)
    var program: [PercpuOperation] = []
    for _ in 0..<250 {
      let operation = model.propose(&random)
      program.append(operation)
      let expected = model.perform(operation)
      let outcome = executor.perform(operation)
      let last = program.suffix(12).map(\.description).joined(separator: "; ")
      try #require(
        outcome == expected && executor.words == model.words,
        """
        seed \(seed), step \(program.count): \(outcome) \(executor.words), \
        the model says \(expected) \(model.words); ended with \(last)
        replay: swift test --filter FolioWorkloadsTests.PercpuTests
        """)
    }
    // Down to nothing: release has run once for each time that 0 was seen.
    if !model.words.isDying { _ = (model.perform(.kill), executor.perform(.kill)) }
    if model.held > 0 {
      let rest = PercpuOperation.put(model.held)
      _ = (model.perform(rest), executor.perform(rest))
    }
    #expect(executor.words == model.words)
    #expect(executor.words.value == 0 && executor.words.releases >= 1)
    #expect(executor.perform(.isZero) == .flag(true))
  }

  @Test("every operation and outcome is generated")
  func coversRows() {
    var seen: [String: Set<Outcome>] = [:]
    for seed in 1...12 {
      var model = PercpuModel()
      var random = SeededRandom(seed: UInt64(seed))
      for _ in 0..<250 {
        let operation = model.propose(&random)
        let name = String(operation.description.split(separator: " ")[0])
        seen[name, default: []].insert(model.perform(operation))
      }
    }
    #expect(seen.count == 14)
    for name in [
      "percpu_ref_tryget_many", "percpu_ref_tryget_live", "percpu_ref_tryget_live_rcu",
      "percpu_ref_is_zero", "percpu_ref_is_dying",
    ] {
      #expect(seen[name] == [.flag(true), .flag(false)], "\(name): \(seen[name] ?? [])")
    }
  }
}
