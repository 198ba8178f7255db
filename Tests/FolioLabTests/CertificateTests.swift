// SPDX-License-Identifier: MIT

// What certificates claim, how they are put together, and that the recorded ones are held against the
// code of today.

import CFolio
import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests { @Suite("Certificates") struct CertificateTests {} }

  extension LabTests.CertificateTests {
    private func certificate(
      _ name: String, _ search: Search = .classes, _ model: MemoryModel = .sc, runs: Int? = nil,
      shard: Shard? = nil, seed: UInt64 = 1
    ) throws -> Certificate {
      let world = try LabWorld(#require(Scenario.named(name)))
      return world.certificate(
        of: world.explore(search, model: model, seed: seed, executions: runs, shard: shard))
    }

    private func losses(_ recorded: [Certificate], _ today: [Certificate]) -> [String] {
      CertificateComparison(recorded: recorded, today: today).losses
    }

    @Test("a certificate says what it is of, and the grade is in its verdict")
    func claims() throws {
      let proof = try certificate("gup-pin")
      #expect(proof.verdict == "EXHAUSTIVE" && proof.grade == .exhaustive)
      #expect((proof.classes, proof.complete, proof.states) == (249, 249, 0))
      #expect(proof.sample == nil && proof.bound == nil)
      #expect(proof.scenarioHash != proof.codeHash && proof.buildHash != nil)

      let bounded = try certificate("gup-pin", .schedules(preemptions: 1))
      #expect(bounded.grade == .bounded(1) && bounded.bound == 1 && bounded.classes == 0)

      let drawn = try certificate("gup-pin", .random, runs: 3000)
      #expect(drawn.grade == .sampled && drawn.classes == 0)
      #expect(drawn.sample?.draws == drawn.complete)
      #expect(drawn.sample?.upperBound == 3 / Double(drawn.complete))
      #expect(drawn.sample?.confidence == 0.95)
    }

    @Test("a proof that a limit stopped is worth its bound, and without one a sample")
    func earned() throws {
      let scenario = try #require(Scenario.named("gup-pin"))
      let subject = try #require(
        CertificationSubject.all.first { $0.scenario.name == scenario.name && $0.model == .sc })
      #expect(try Certificate.earn(subject).grade == .exhaustive)
      let bounded = try Certificate.earn(subject, executions: 200)
      // What a bound leaves out, walks look at.
      #expect(bounded.grade == .bounded(1) && bounded.sample?.draws == 200)
      #expect(try Certificate.earn(subject, executions: 2).grade == .sampled)
    }

    /// Waits that share a bucket conflict, and then there are more classes: by 1 in 256 processes, were
    /// the addresses others in each.
    @Test("struct pages, whose addresses are keys of waits, are where they are in every process")
    func addresses() throws {
      let map = try PageMap(.generic, pages: 1)
      let address = unsafe UInt(bitPattern: map.page(map.frames.lowerBound))
      let first = address - map.frames.lowerBound * UInt(MemoryLayout<page>.stride)
      #expect(first == 0x6100_0000_0000)
      try map.unmap()
    }

    @Test("every scenario, rule set and model is certified once")
    func subjects() {
      let names = CertificationSubject.all.map {
        "\($0.scenario.name) \($0.rules.rawValue) \($0.model.rawValue)"
      }
      #expect(Set(names).count == names.count)
      #expect(Set(CertificationSubject.all.map(\.scenario.name)) == Set(Scenario.all.map(\.name)))
    }

    /// A proof says little of a scenario whose threads might never have met.
    @Test("every scenario names states that it must reach", arguments: Scenario.all)
    func obligations(_ scenario: Scenario) {
      #expect(!scenario.obligations.isEmpty)
    }

    @Test("what was recorded and is not so any more is a loss")
    func compared() throws {
      let today = try ["gup-pin", "two-puts", "litmus-split"].map { try certificate($0) }
      #expect(losses(today, today).isEmpty)

      var other = today
      other[0].classes = 250
      #expect(losses(other, today) == ["\(today[0].subject): 250 classes recorded, now 249"])

      var weaker = today
      weaker[1] = try certificate("two-puts", .random, runs: 100)
      #expect(losses(today, weaker).count == 1)
      // The other way round it is a gain.
      let gain = CertificateComparison(recorded: weaker, today: today)
      #expect(gain.losses.isEmpty && gain.gains.count == 1)

      var bounded = today
      bounded[1] = try certificate("two-puts", .schedules(preemptions: 2))
      #expect(losses(today, bounded).count == 1)
      #expect(losses(bounded, weaker + []).count == 1)
      #expect(losses(bounded, today).isEmpty)

      // Draws are part of what is claimed, beside a bound too; a hundredth is none of them.
      bounded[1].sample = .init(draws: 1000)
      for (draws, count) in [(1000, 0), (990, 0), (989, 1)] {
        var fewer = bounded
        fewer[1].sample = .init(draws: draws)
        #expect(losses(bounded, fewer).count == count)
      }
      #expect(losses(bounded, today).isEmpty)

      #expect(losses(Array(today.dropLast()), today) == ["\(today[2].subject): not recorded"])
      #expect(losses(today, Array(today.dropLast())).count == 1)

      var vacuous = today
      vacuous[2].unreached = ["the moon"]
      #expect(losses(today, vacuous).count == 1)
    }

    @Test("a failing scenario loses its grade")
    func failing() throws {
      #expect(Mutant.switch(Mutant.named("C06")))
      defer { _ = Mutant.switch(nil) }
      let now = try certificate("two-puts")
      #expect(now.grade == .failed)
      _ = Mutant.switch(nil)
      let before = try certificate("two-puts")
      let losses = losses([before], [now])
      #expect(losses.count == 1)
      #expect(losses.first?.contains("EXHAUSTIVE recorded, now FAILED (CI22") == true)
    }

    @Test("parts of another scenario, model, search, seed or build are refused")
    func merged() throws {
      let parts = try (0..<2).map {
        try certificate("gup-pin", shard: Shard(index: $0, count: 2))
      }
      #expect(try Certificate.merge(parts).classes == 249)
      let second = Shard(index: 1, count: 2)
      let strangers = [
        try certificate("two-puts", shard: second),
        try certificate("gup-pin", .pos, runs: 100, shard: second),
        try certificate("gup-pin", .classes, .tso, shard: second),
        try certificate("gup-pin", shard: second, seed: 2),
        try certificate("gup-pin", shard: Shard(index: 1, count: 3)),
      ]
      for stranger in strangers {
        #expect(throws: MergeError.self) { try Certificate.merge([parts[0], stranger]) }
      }
      var rebuilt = parts[1]
      rebuilt.buildHash = "0"
      #expect(throws: MergeError.self) { try Certificate.merge([parts[0], rebuilt]) }
    }

    @Test("walks in parts claim what all their draws are worth together")
    func mergedWalks() throws {
      let parts = try (0..<3).map {
        try certificate("gup-pin", .random, runs: 1000, shard: Shard(index: $0, count: 3))
      }
      let whole = try Certificate.merge(parts)
      #expect(whole.sample?.draws == 3000)
      #expect(whole.verdict == "SAMPLED(p <= 1.0e-3)")
    }
  }

#endif
