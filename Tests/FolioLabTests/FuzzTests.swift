// SPDX-License-Identifier: MIT

// What the fuzzer's bytes mean, that all bytes mean something, the committed corpus, and the way from
// an input that fails to a token.

import FolioCore
import FolioFuzz
import FolioLab
import FolioWorkloads
import Foundation
import Testing

#if LAB

  extension LabTests {
    @Suite("Fuzz")
    struct FuzzTests {
      private static let corpus = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("../../Fuzz/corpus").path

      private static func random(_ count: Int, _ generator: inout SeededRandom) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
      }

      // MARK: bytes

      @Test("any header means a setup, and the setup's own header means the same")
      func headers() {
        var generator = SeededRandom(seed: 1)
        var programs: Set<String> = []
        for _ in 0..<20_000 {
          let bytes = Self.random(Int.random(in: 0...6, using: &generator), &generator)
          let setup = FuzzCorpus.setup(of: bytes)
          #expect(FuzzCorpus.setup(of: setup.header) == setup)
          programs.insert(setup.programName)
        }
        // Among them nearly all scenarios.
        #expect(programs.count > Scenario.all.count * 9 / 10)
      }

      @Test("each scenario, rules, size and model has a header of its own")
      func setups() {
        var headers: Set<[UInt8]> = []
        var count = 0
        for scenario in Scenario.all {
          for rules in scenario.rules {
            for size in scenario.sizes {
              for model in MemoryModel.allCases {
                let setup = FuzzSetup(scenario, size: size, rules: rules, model: model)
                #expect(FuzzCorpus.setup(of: setup.header) == setup)
                headers.insert(setup.header)
                count += 1
              }
            }
          }
        }
        #expect(headers.count == count)
      }

      @Test("any bytes are a program; its name and its bytes give it back")
      func programs() {
        var generator = SeededRandom(seed: 2)
        for family in GeneratedProgram.Family.allCases {
          for _ in 0..<2000 {
            let threads = Int.random(in: GeneratedProgram.threads, using: &generator)
            let size = Int.random(in: 0...40, using: &generator)
            let program = GeneratedProgram(
              family, threads: threads, bytes: Self.random(size, &generator))
            #expect(program.operations.count == threads)
            #expect(GeneratedProgram(family, threads: threads, bytes: program.bytes) == program)
            #expect(GeneratedProgram(scenarioName: program.scenarioName) == program)
            #expect(
              program.operations.allSatisfy {
                $0.allSatisfy { family.codes.contains($0.code.rawValue) }
              })
          }
        }
        for name in [
          "counters", "counters-00-11-", "counters-1-11", "other-09-11", "counters-f8-11",
          "structures-b8-11", "memory-09-c0",
        ] {
          #expect(GeneratedProgram(scenarioName: name) == nil, "\(name)")
        }
      }

      @Test(
        "any bytes run, without alarm, in any setup of generated programs",
        arguments: GeneratedProgram.Family.allCases, MemoryModel.allCases)
      func total(_ family: GeneratedProgram.Family, _ model: MemoryModel) throws {
        var generator = SeededRandom(seed: 3)
        for threads in GeneratedProgram.threads {
          for rules in family.rules {
            let setup = FuzzSetup(family, threads: threads, rules: rules, model: model)
            let world = try FuzzWorld(setup)
            for _ in 0..<300 / family.rules.count {
              let size = Int.random(in: 0...300, using: &generator)
              let input = setup.header + Self.program(size, family, &generator)
              let finding = world.finding(input)
              #expect(finding == nil, "\(finding?.message ?? "") \(input)")
            }
          }
        }
      }

      /// Bytes behind the header, most of them operations of the family.
      private static func program(
        _ count: Int, _ family: GeneratedProgram.Family, _ generator: inout SeededRandom
      ) -> [UInt8] {
        random(count, &generator).map(family.operation(drawn:))
      }

      @Test("every code belongs to one family, and most bytes are operations of it")
      func families() {
        for code in GeneratedProgram.Code.allCases where code != .nothing {
          let of = GeneratedProgram.Family.allCases.filter { $0.codes.contains(code.rawValue) }
          // Structures have all that counters have.
          #expect(of == [.memory] || of == [.structures] || of == [.counters, .structures])
        }
        for byte in UInt8.min...UInt8.max {
          let drawn = GeneratedProgram.Family.memory.operation(drawn: byte)
          #expect(GeneratedProgram.Family.memory.codes.contains(drawn >> 3))
          #expect(drawn & 7 == byte & 7)
        }
      }

      @Test("programs of memory have headers of their own for each of their rules")
      func rules() {
        var headers: Set<[UInt8]> = []
        for rules in GeneratedProgram.Family.memory.rules {
          let setup = FuzzSetup(.memory, threads: 2, rules: rules)
          #expect(FuzzCorpus.setup(of: setup.header) == setup)
          headers.insert(setup.header)
        }
        #expect(headers.count == GeneratedProgram.Family.memory.rules.count)
      }

      // MARK: decisions

      @Test("the decisions of any execution lead through it again", arguments: MemoryModel.allCases)
      func decisions(_ model: MemoryModel) throws {
        let world = try LabWorld(#require(Scenario.named("gup-pin")))
        for seed in 0..<50 {
          _ = world.explore(.random, model: model, seed: UInt64(seed), executions: 1)
          let trace = world.lastTrace
          try unsafe world.beginByteRuns(model: model)
          let finding = world.run(decisions: trace.decisions)
          #expect(finding == nil)
          #expect(world.lastTrace == trace)
          #expect(world.lastDecisions >= trace.decisions.count)
        }
      }

      @Test("without bytes each thread runs to its end before the next")
      func noBytes() throws {
        let world = try LabWorld(#require(Scenario.named("gup-pin")))
        try unsafe world.beginByteRuns()
        let finding = world.run(decisions: [UInt8]())
        #expect(finding == nil)
        #expect(world.lastTrace.preemptions == 0)
        #expect(world.lastTrace.decisions == [])
      }

      // MARK: the corpus

      @Test("the corpus is small, has at least 200 inputs, and none fails")
      func committed() throws {
        let corpus = try FuzzCorpus([Self.corpus])
        #expect(corpus.inputs.count >= 200)
        #expect(corpus.inputs.reduce(0) { $0 + $1.bytes.count } < 1 << 18)
        let failed = try corpus.run()
        #expect(failed.map(\.path) == [])
      }

      @Test("inputs of the corpus have no byte that means nothing, and none is there twice")
      func minimal() throws {
        let corpus = try FuzzCorpus([Self.corpus])
        #expect(Set(corpus.inputs.map(\.bytes)).count == corpus.inputs.count)
        for (setup, inputs) in corpus.bySetup {
          for (path, bytes) in inputs {
            #expect(Array(bytes.prefix(FuzzSetup.headerSize)) == setup.header, "\(path)")
            if bytes.count > FuzzSetup.headerSize { #expect(bytes.last != 0, "\(path)") }
            guard case .generated(let family) = setup.program else { continue }
            let program = GeneratedProgram(
              family, threads: setup.size, bytes: bytes.dropFirst(FuzzSetup.headerSize))
            let written = bytes.prefix(setup.decisionsOffset).dropFirst(FuzzSetup.headerSize)
            #expect(program.bytes.starts(with: written), "\(path)")
          }
        }
      }

      // MARK: alarms

      /// Of memory: what pins, faults, forks, removals and their ends may do wrong.
      private static let planted: [(GeneratedProgram.Family, String)] =
        ["C06", "C10", "P01", "P04", "P05", "P06", "P07"].map { (.counters, $0) }
        + ["C16", "C20", "C28", "C48", "P97", "P99"].map { (.memory, $0) }

      /// Of memory: short programs, and decisions that mostly let who runs go on.
      private static func candidate(
        _ family: GeneratedProgram.Family, _ generator: inout SeededRandom
      ) -> [UInt8] {
        guard family == .memory else { return random(100, &generator).map { $0 & 127 } }
        let programs = (0..<2).flatMap { _ in
          program(4, family, &generator) + [UInt8](repeating: 0, count: GeneratedProgram.slots - 4)
        }
        return programs + random(200, &generator).map { $0 < 40 ? $0 & 3 : 0 }
      }

      @Test(
        "a planted bug is found in a generated program, and what is left of it is small",
        arguments: planted)
      func alarm(_ family: GeneratedProgram.Family, _ id: String) throws {
        let mutant = try #require(Mutant.named(id))
        #expect(Mutant.switch(mutant))
        defer { _ = Mutant.switch(nil) }
        var generator = SeededRandom(seed: 4)
        let setup = FuzzSetup(family, threads: family == .memory ? 2 : 3)
        var world: FuzzWorld? = try FuzzWorld(setup)
        var found: (input: [UInt8], finding: FolioLab.Finding)?
        for _ in 0..<20_000 where found == nil {
          let input = setup.header + Self.candidate(family, &generator)
          found = world!.finding(input).map { (input, $0) }
        }
        world = nil
        let (input, finding) = try #require(found)
        let alarm = try FuzzAlarm(setup: setup, input: input, first: finding, mutant: mutant)
        #expect(alarm.invariant == finding.invariant)
        let program = try #require(alarm.program)
        #expect(program.count <= (family == .memory ? 6 : 4), "\(program)")
        // The token alone, without the mutant being on.
        #expect(Mutant.switch(nil))
        let replay = try LabReplay(token: alarm.witness.token)
        #expect(replay.finding?.invariant == finding.invariant)
        #expect(replay.divergence == nil)
        #expect(alarm.witness.token.count <= 200)
        // And the shortened input, in a world of its own.
        let small = FuzzCorpus.setup(of: alarm.smallInput)
        #expect(try FuzzWorld(small).finding(alarm.smallInput) == nil)
        #expect(Mutant.switch(mutant))
        #expect(try FuzzWorld(small).finding(alarm.smallInput)?.invariant == finding.invariant)
      }
    }
  }

#endif
