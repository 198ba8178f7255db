// SPDX-License-Identifier: MIT

// What each memory model allows and forbids, by shapes of bare words: the outcomes of every schedule,
// and the same outcomes from one schedule per class.

import CFolio
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests { @Suite("Models") struct ModelTests {} }

  /// A shape, what every model shows, and what weaker ones add.
  struct ModelCase: Sendable, CustomTestStringConvertible {
    let shape: RawShape
    let sc: Set<String>
    var tso: Set<String> = []
    var c11: Set<String> = []
    var testDescription: String { shape.name }

    func expected(_ model: MemoryModel) -> Set<String> {
      switch model {
      case .sc: sc
      case .tso: sc.union(tso)
      case .c11: sc.union(tso).union(c11)
      }
    }

    static let all: [ModelCase] = [
      // Store buffering: both loads may pass the stores before them, on x86-64 too.
      ModelCase(
        shape: RawShape(
          name: "SB",
          threads: [
            {
              $0.x.store(1); $0.set(0, $0.y.load())
            },
            {
              $0.y.store(1); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["01", "10", "11"], tso: ["00"]),
      ModelCase(
        shape: RawShape(
          name: "SB with full fences",
          threads: [
            {
              $0.x.store(1); smp_mb(); $0.set(0, $0.y.load())
            },
            {
              $0.y.store(1); smp_mb(); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["01", "10", "11"]),
      ModelCase(
        shape: RawShape(
          name: "SB with one fence",
          threads: [
            {
              $0.x.store(1); smp_mb(); $0.set(0, $0.y.load())
            },
            {
              $0.y.store(1); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["01", "10", "11"], tso: ["00"]),
      ModelCase(
        shape: RawShape(
          name: "SB with exchanges",
          threads: [
            {
              _ = $0.x.exchange(1); $0.set(0, $0.y.load())
            },
            {
              _ = $0.y.exchange(1); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["01", "10", "11"]),
      // What C11 has for it is no full fence: on arm64 a load may pass the exchange before it.
      ModelCase(
        shape: RawShape(
          name: "SB with sequentially consistent exchanges",
          threads: [
            {
              _ = $0.exchangeSequential(0, 1); $0.set(0, $0.loadBare(1))
            },
            {
              _ = $0.exchangeSequential(1, 1); $0.set(1, $0.loadBare(0))
            },
          ], registers: 2),
        sc: ["01", "10", "11"], c11: ["00"]),
      // Nor does it release for a store behind it.
      ModelCase(
        shape: RawShape(
          name: "MP behind sequentially consistent exchanges",
          threads: [
            {
              _ = $0.exchangeSequential(0, 1); $0.storeBare(1, 1)
            },
            {
              $0.set(0, $0.exchangeSequential(1, 2)); $0.set(1, $0.loadBare(0))
            },
          ], registers: 2),
        sc: ["00", "01", "11"], c11: ["10"]),
      ModelCase(
        shape: RawShape(
          name: "MP behind full exchanges",
          threads: [
            {
              _ = $0.x.exchange(1); $0.y.store(1)
            },
            {
              $0.set(0, $0.y.exchange(2)); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "11"]),
      // The fence behind an exchange of a third word orders as any other.
      ModelCase(
        shape: RawShape(
          name: "SB over exchanges of another word",
          threads: [
            {
              $0.x.store(1); _ = $0.z.exchange(1); $0.set(0, $0.y.load())
            },
            {
              $0.y.store(1); _ = $0.z.exchange(1); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["01", "10", "11"]),
      ModelCase(
        shape: RawShape(
          name: "SB of sequentially consistent accesses",
          threads: [
            {
              $0.storeSequential(0, 1); $0.set(0, $0.loadSequential(1))
            },
            {
              $0.storeSequential(1, 1); $0.set(1, $0.loadSequential(0))
            },
          ], registers: 2),
        sc: ["01", "10", "11"]),
      // A thread sees its own stores at once, others' not.
      ModelCase(
        shape: RawShape(
          name: "SB with loads of the own store",
          threads: [
            {
              $0.x.store(1); $0.set(0, $0.x.load()); $0.set(1, $0.y.load())
            },
            {
              $0.y.store(1); $0.set(2, $0.y.load()); $0.set(3, $0.x.load())
            },
          ], registers: 4),
        sc: ["1011", "1110", "1111"], tso: ["1010"]),
      // A load of the own store may come after another thread's store to the word.
      ModelCase(
        shape: RawShape(
          name: "forwarded or overwritten",
          threads: [
            {
              $0.x.store(1); $0.set(0, $0.x.load()); $0.set(1, $0.y.load())
            },
            {
              $0.x.store(2); $0.y.store(1)
            },
          ], registers: 2, finals: [0]),
        sc: ["101", "102", "111", "112", "202", "212"], tso: [], c11: []),
      // Message passing: in order on x86-64.
      ModelCase(
        shape: RawShape(
          name: "MP",
          threads: [
            {
              $0.x.store(1); $0.y.store(1)
            },
            {
              $0.set(0, $0.y.load()); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "11"], c11: ["10"]),
      ModelCase(
        shape: RawShape(
          name: "MP with release and acquire",
          threads: [
            {
              $0.x.store(1); $0.y.storeRelease(1)
            },
            {
              $0.set(0, $0.y.loadAcquire()); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "11"]),
      ModelCase(
        shape: RawShape(
          name: "MP with release only",
          threads: [
            {
              $0.x.store(1); $0.y.storeRelease(1)
            },
            {
              $0.set(0, $0.y.load()); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "11"], c11: ["10"]),
      ModelCase(
        shape: RawShape(
          name: "MP with acquire only",
          threads: [
            {
              $0.x.store(1); $0.y.store(1)
            },
            {
              $0.set(0, $0.y.loadAcquire()); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "11"], c11: ["10"]),
      ModelCase(
        shape: RawShape(
          name: "MP with a write and a read fence",
          threads: [
            {
              $0.x.store(1); smp_wmb(); $0.y.store(1)
            },
            {
              $0.set(0, $0.y.load()); smp_rmb(); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "11"]),
      // Release sequences: what a read-modify-write wrote still hands over what the store released.
      ModelCase(
        shape: RawShape(
          name: "MP through a full change by another thread",
          threads: [
            {
              $0.x.store(1); $0.y.storeRelease(1)
            }, { _ = $0.y.add(2) },
            {
              $0.set(0, $0.y.loadAcquire()); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "11", "20", "21", "31"]),
      // A word never goes back.
      ModelCase(
        shape: RawShape(
          name: "CoRR",
          threads: [
            {
              $0.x.store(1); $0.x.store(2)
            },
            {
              $0.set(0, $0.x.load()); $0.set(1, $0.x.load())
            },
          ], registers: 2),
        sc: ["00", "01", "02", "11", "12", "22"]),
      // Load buffering is no part of the lab's C11 (nor of x86-64).
      ModelCase(
        shape: RawShape(
          name: "LB",
          threads: [
            {
              $0.set(0, $0.x.load()); $0.y.store(1)
            },
            {
              $0.set(1, $0.y.load()); $0.x.store(1)
            },
          ], registers: 2),
        sc: ["00", "01", "10"]),
      // Nor are words whose last store took place first.
      ModelCase(
        shape: RawShape(
          name: "2+2W",
          threads: [
            {
              $0.x.store(1); $0.y.store(2)
            },
            {
              $0.y.store(1); $0.x.store(2)
            },
          ],
          registers: 0, finals: [0, 1]),
        sc: ["12", "21", "22"]),
      // Two readers disagree about the order of two writers: not on a machine with one memory.
      ModelCase(
        shape: iriw("IRIW with acquires") {}, sc: Self.allButDisagreement, c11: ["1010"]),
      ModelCase(shape: iriw("IRIW with full fences") { smp_mb() }, sc: Self.allButDisagreement),
      ModelCase(
        shape: RawShape(
          name: "IRIW of sequentially consistent loads",
          threads: [
            { $0.storeBare(0, 1) }, { $0.storeBare(1, 1) },
            {
              $0.set(0, $0.loadSequential(0)); $0.set(1, $0.loadSequential(1))
            },
            {
              $0.set(2, $0.loadSequential(1)); $0.set(3, $0.loadSequential(0))
            },
          ], registers: 4),
        sc: Self.allButDisagreement),
      // Write to read causality.
      ModelCase(
        shape: RawShape(
          name: "WRC with release and acquire",
          threads: [
            { $0.x.store(1) },
            {
              $0.set(0, $0.x.loadAcquire()); $0.y.storeRelease(1)
            },
            {
              $0.set(1, $0.y.loadAcquire()); $0.set(2, $0.x.load())
            },
          ], registers: 3),
        sc: ["000", "001", "010", "011", "100", "101", "111"]),
      ModelCase(
        shape: RawShape(
          name: "R",
          threads: [
            {
              $0.x.store(1); $0.y.store(1)
            },
            {
              $0.y.store(2); $0.set(0, $0.x.load())
            },
          ],
          registers: 1, finals: [1]),
        sc: ["01", "11", "12"], tso: ["02"]),
    ]

    private static func iriw(_ name: String, _ between: @escaping @Sendable () -> Void) -> RawShape
    {
      RawShape(
        name: name,
        threads: [
          { $0.x.store(1) }, { $0.y.store(1) },
          {
            $0.set(0, $0.x.loadAcquire()); between(); $0.set(1, $0.y.loadAcquire())
          },
          {
            $0.set(2, $0.y.loadAcquire()); between(); $0.set(3, $0.x.loadAcquire())
          },
        ], registers: 4)
    }

    private static let allButDisagreement: Set<String> = {
      var all: Set<String> = []
      for bits in 0..<16 {
        all.insert(String((0..<4).map { bits >> $0 & 1 == 1 ? Character("1") : Character("0") }))
      }
      return all.subtracting(["1010"])
    }()
  }

  extension LabTests.ModelTests {
    @Test(
      "every schedule of a shape shows what its model allows, no more and no less",
      arguments: ModelCase.all, MemoryModel.allCases)
    func schedules(_ shape: ModelCase, _ model: MemoryModel) throws {
      let result = try shape.shape.outcomes(.schedules(preemptions: nil), model)
      #expect(result.exploration.verdict == .exhaustive)
      #expect(result.outcomes == shape.expected(model))
    }

    @Test(
      "one schedule per class shows the same outcomes, in no more executions",
      arguments: ModelCase.all, MemoryModel.allCases)
    func classes(_ shape: ModelCase, _ model: MemoryModel) throws {
      let result = try shape.shape.outcomes(.classes, model)
      #expect(result.exploration.verdict == .exhaustive)
      #expect(result.outcomes == shape.expected(model))
      let every = try shape.shape.outcomes(.schedules(preemptions: nil), model)
      #expect(
        result.exploration.statistics.complete <= every.exploration.statistics.complete)
    }

    @Test(
      "walks find every outcome",
      arguments: [Search.random, .pos, .urw, .pct(depth: nil)], MemoryModel.allCases)
    func walks(_ search: Search, _ model: MemoryModel) throws {
      for shape in ModelCase.all where shape.shape.threads.count == 2 {
        let result = try shape.shape.outcomes(search, model, runs: 20_000)
        #expect(result.outcomes == shape.expected(model), "\(shape.shape.name)")
      }
    }
  }

#endif
