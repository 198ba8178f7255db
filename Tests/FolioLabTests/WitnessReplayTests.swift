// SPDX-License-Identifier: MIT

// Witnesses of executions that the engine ran: what it records for them, and running them again.

import CFolio
import CLab
import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Witnesses of the engine")
    struct WitnessReplayTests {
      private func witness(_ scenario: Scenario) throws -> Witness {
        let world = try LabWorld(scenario)
        let found = try #require(world.explore(.random, executions: 1000).finding)
        let finding = world.shrink(found)
        return Witness(
          scenario: scenario, settings: world.settings, threads: world.threads, finding: finding,
          token: world.token(of: finding.trace).description)
      }

      @Test("a witness of a lost update has its races, and its token gives it back")
      func lostUpdate() throws {
        let witness = try witness(TestScenario.racyCounter)
        let report = witness.report()
        #expect(report.words.map(\.name) == ["counter"])
        #expect(report.preemptions == 1)
        // Found at the end: by no thread.
        #expect(witness.finding.thread == nil)
        // Both loads saw what was there at the beginning.
        #expect(report.steps.allSatisfy { $0.readsFrom == nil && $0.isInPast })
        #expect(report.races == [[0, 2], [2, 3]])
        let replay = try LabReplay(token: witness.token, scenario: TestScenario.racyCounter)
        #expect(replay.witness == witness)
        #expect(replay.divergence == nil)
        #expect(replay.message == "LOST: the counter is 1")
        #expect(witness.text().split(separator: "\n").count <= 30)
      }

      @Test("steps know their read section, and a finding knows who failed in it")
      func readSection() throws {
        let witness = try witness(WitnessScenario.freeTooEarly)
        let steps = witness.finding.trace.steps
        #expect(witness.finding.invariant == "EARLY")
        #expect(witness.finding.thread == 0)
        #expect(steps.filter(\.inSection).allSatisfy { $0.thread == 0 })
        #expect(steps.filter { $0.thread == 0 }.allSatisfy { $0.inSection })
        let report = witness.report()
        let failing = try #require(report.steps.firstIndex { $0.fails })
        #expect(steps[failing].text == "freed")
        let source = try #require(report.steps[failing].readsFrom)
        #expect(steps[source].thread == 1 && steps[source].text == "freed")
        #expect(witness.svg().contains("RCU read section"))
      }

      @Test("a grace period is shown with the sections that it waits for")
      func gracePeriod() throws {
        let world = try LabWorld(WitnessScenario.free)
        let result = world.explore(.classes)
        #expect(result.verdict == .exhaustive)
        #expect(result.unreached.isEmpty)
        // One execution in which the reader is inside when the grace period begins.
        var seen = 0
        for seed in 0..<200 as Range<UInt64> {
          _ = world.explore(.random, seed: seed, executions: 1)
          let trace = world.lastTrace
          guard
            let begin = trace.steps.firstIndex(where: { $0.kind == .graceBegin && $0.after == 1 })
          else { continue }
          seen += 1
          let unlock = try #require(trace.steps.firstIndex { $0.kind == .readUnlock })
          let end = try #require(trace.steps.firstIndex { $0.kind == .graceEnd })
          #expect(begin < unlock && unlock < end)
          let witness = Witness(
            scenario: "free", rules: "strict", threads: world.threads.map(\.name),
            finding: FolioLab.Finding(invariant: "X", message: "", trace: trace, thread: 1),
            token: "t")
          #expect(witness.report().steps[unlock].isInPast)
        }
        #expect(seen > 10)
      }

      @Test("4-byte words of one cell are different halves")
      func halves() throws {
        let world = try LabWorld(#require(Scenario.named("gup-pin")), size: 1)
        _ = world.explore(.random, executions: 1)
        for step in world.lastTrace.steps where step.object != nil {
          #expect(step.halves == 1 || step.halves == 2)
          #expect(step.cell != nil)
        }
      }

      @Test("C gets the outcome of a token, cut to its buffer")
      func fromC() throws {
        let token: String
        do {
          let world = try LabWorld(#require(Scenario.named("gup-pin")), size: 2)
          _ = world.explore(.random, executions: 1)
          token = world.token(of: world.lastTrace).description
        }
        #expect(replay(token).result == 0)
        #expect(replay(token).message == "no violation")
        #expect(replay("folio").result == -1)
        #expect(replay("folio").message == "this is no token; one begins with folio:v1:")
        #expect(replay("folio", size: 8).message == "this is")
        #expect(replay("folio", size: 1).message == "")
        #expect(unsafe folio_lab_replay("folio", nil, 0) == -1)
        for (text, reason) in [
          ("folio:v1:none.1.strict.sc:AAA", "the token's scenario none is not here"),
          ("folio:v1:gup-pin.1.lax.sc:AAA", "the token's rules lax are not here"),
          ("folio:v1:gup-pin.1.strict.sc.Z99:AAA", "the token's mutant Z99 is not here"),
          ("folio:v1:gup-pin.99.strict.sc:AAA", "gup-pin has sizes 1...5"),
        ] {
          #expect(replay(text).result == -1)
          #expect(replay(text).message == reason)
        }
      }

      @Test("the failures of the museum come back from their tokens alone, and C is told")
      func failureFromC() throws {
        // Those that a short walk finds; a livelock's sixteen thousand steps take long here.
        var told = 0
        for mutant in Mutant.all where mutant.model == .sc {
          guard let scenario = mutant.scenarios.lazy.compactMap(Scenario.named).first else {
            continue
          }
          #expect(Mutant.switch(mutant))
          defer { #expect(Mutant.switch(nil)) }
          let token: String
          let finding: FolioLab.Finding
          do {
            let world = try LabWorld(scenario)
            guard let found = world.explore(.random, executions: 500).finding,
              found.invariant != "LIVELOCK"
            else { continue }
            finding = found
            token = world.token(of: found.trace, mutant: mutant.id).description
          }
          told += 1
          let (result, message) = replay(token)
          #expect(result == 1)
          #expect(message == "\(finding.invariant): \(finding.message)", "\(token)")
        }
        #expect(told >= 20)
      }

      private func replay(_ token: String, size: Int = 512) -> (result: Int32, message: String) {
        var buffer = [CChar](repeating: 1, count: size)
        let result = unsafe buffer.withUnsafeMutableBufferPointer {
          unsafe folio_lab_replay(token, $0.baseAddress, size)
        }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        #expect(bytes.count < size)
        return (result, String(decoding: bytes, as: UTF8.self))
      }
    }
  }

  private enum WitnessScenario {
    /// A reader that looks twice whether what it found is freed, and who frees it.
    static func make(_ name: String, waits: Bool) -> Scenario {
      Scenario(
        name, "free behind a grace period, or not", rules: [.strict],
        obligations: ["found", "missed"]
      ) { settings in
        let (entry, freed) = (try SharedWord("entry", 1), try SharedWord("freed"))
        return WordsWorld(
          [entry, freed],
          [
            {
              rcu_read_lock()
              if entry.load() != 0 {
                settings.obligations.reach(0)
                if freed.load() != 0 { TestScenario.fail("EARLY", "freed is 1 in a read section") }
              } else {
                settings.obligations.reach(1)
              }
              rcu_read_unlock()
            },
            {
              entry.store(0)
              if waits { synchronize_rcu() }
              freed.store(1)
            },
          ]
        ) {}
      }
    }

    static let freeTooEarly = make("free-too-early", waits: false)
    static let free = make("free", waits: true)
  }

#endif
