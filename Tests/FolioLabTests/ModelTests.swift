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
    let tso: Set<String>
    let c11: Set<String>
    var testDescription: String { shape.name }

    /// - Parameters:
    ///   - registers: how many the threads set.
    ///   - finals: words whose last value belongs to an outcome, behind the registers.
    init(
      _ name: String, registers: Int = 2, finals: [Int] = [], sc: Set<String>,
      tso: Set<String> = [], c11: Set<String> = [], _ threads: RawShape.Thread...
    ) {
      shape = RawShape(name: name, threads: threads, registers: registers, finals: finals)
      (self.sc, self.tso, self.c11) = (sc, tso, c11)
    }

    /// Store buffering: each of two threads writes its own word, then reads the other's.
    init(
      buffering name: String, tso: Set<String> = [], c11: Set<String> = [],
      _ thread: @escaping @Sendable (_ state: RawState, _ own: Int, _ other: Int) -> Int32
    ) {
      self.init(
        name, sc: ["01", "10", "11"], tso: tso, c11: c11,
        { $0.set(0, thread($0, 0, 1)) }, { $0.set(1, thread($0, 1, 0)) })
    }

    /// Message passing: one thread writes x, then y; another reads y, then x.
    ///
    /// - Parameter isWeak: in C11 the message may be there before what it tells of.
    init(
      passing name: String, isWeak: Bool, write: @escaping RawShape.Thread,
      read: @escaping @Sendable (RawState) -> (y: Int32, x: Int32)
    ) {
      self.init(
        name, sc: ["00", "01", "11"], c11: isWeak ? ["10"] : [], write,
        {
          let message = read($0)
          $0.set(0, message.y)
          $0.set(1, message.x)
        })
    }

    /// Independent reads of independent writes: two threads write a word each, two read both words,
    /// in different orders.
    init(
      disagreeing name: String, c11: Set<String> = [],
      write: @escaping @Sendable (RawState, _ word: Int) -> Void = { $0.words[$1].store(1) },
      read: @escaping @Sendable (RawState, _ first: Int, _ second: Int) -> (Int32, Int32)
    ) {
      let reader = { (first: Int, second: Int) -> RawShape.Thread in
        {
          let values = read($0, first, second)
          $0.set(2 * first, values.0)
          $0.set(2 * first + 1, values.1)
        }
      }
      self.init(
        name, registers: 4, sc: Self.allButDisagreement, c11: c11,
        { write($0, 0) }, { write($0, 1) }, reader(0, 1), reader(1, 0))
    }

    func expected(_ model: MemoryModel) -> Set<String> {
      switch model {
      case .sc: sc
      case .tso: sc.union(tso)
      case .c11: sc.union(tso).union(c11)
      }
    }

    static let all: [ModelCase] = [
      // Both loads may pass the stores before them, on x86-64 too.
      ModelCase(buffering: "SB", tso: ["00"]) { state, own, other in
        state.words[own].store(1)
        return state.words[other].load()
      },
      ModelCase(buffering: "SB with full fences") { state, own, other in
        state.words[own].store(1)
        smp_mb()
        return state.words[other].load()
      },
      ModelCase(buffering: "SB with one fence", tso: ["00"]) { state, own, other in
        state.words[own].store(1)
        if own == 0 { smp_mb() }
        return state.words[other].load()
      },
      ModelCase(buffering: "SB with exchanges") { state, own, other in
        _ = state.words[own].exchange(1)
        return state.words[other].load()
      },
      // What C11 has for it is no full fence: on arm64 a load may pass the exchange before it.
      ModelCase(
        buffering: "SB with sequentially consistent exchanges", c11: ["00"]
      ) { state, own, other in
        _ = state.exchangeSequential(own, 1)
        return state.loadBare(other)
      },
      // Nor does it release for a store behind it.
      ModelCase(
        passing: "MP behind sequentially consistent exchanges", isWeak: true,
        write: {
          _ = $0.exchangeSequential(0, 1)
          $0.storeBare(1, 1)
        }, read: { ($0.exchangeSequential(1, 2), $0.loadBare(0)) }),
      ModelCase(
        passing: "MP behind full exchanges", isWeak: false,
        write: {
          _ = $0.x.exchange(1)
          $0.y.store(1)
        }, read: { ($0.y.exchange(2), $0.x.load()) }),
      // The fence behind an exchange of a third word orders as any other.
      ModelCase(buffering: "SB over exchanges of another word") { state, own, other in
        state.words[own].store(1)
        _ = state.z.exchange(1)
        return state.words[other].load()
      },
      ModelCase(buffering: "SB of sequentially consistent accesses") { state, own, other in
        state.storeSequential(own, 1)
        return state.loadSequential(other)
      },
      // A thread sees its own stores at once, others' not.
      ModelCase(
        "SB with loads of the own store", registers: 4, sc: ["1011", "1110", "1111"],
        tso: ["1010"],
        {
          $0.x.store(1); $0.set(0, $0.x.load()); $0.set(1, $0.y.load())
        },
        {
          $0.y.store(1); $0.set(2, $0.y.load()); $0.set(3, $0.x.load())
        }),
      // A load of the own store may come after another thread's store to the word.
      ModelCase(
        "forwarded or overwritten", finals: [0],
        sc: ["101", "102", "111", "112", "202", "212"],
        {
          $0.x.store(1); $0.set(0, $0.x.load()); $0.set(1, $0.y.load())
        },
        {
          $0.x.store(2); $0.y.store(1)
        }),
      // In order on x86-64.
      ModelCase(
        passing: "MP", isWeak: true, write: { $0.tell() },
        read: { ($0.y.load(), $0.x.load()) }),
      ModelCase(
        passing: "MP with release and acquire", isWeak: false, write: { $0.tellReleased() },
        read: { ($0.y.loadAcquire(), $0.x.load()) }),
      ModelCase(
        passing: "MP with release only", isWeak: true, write: { $0.tellReleased() },
        read: { ($0.y.load(), $0.x.load()) }),
      ModelCase(
        passing: "MP with acquire only", isWeak: true, write: { $0.tell() },
        read: { ($0.y.loadAcquire(), $0.x.load()) }),
      ModelCase(
        passing: "MP with a write and a read fence", isWeak: false,
        write: {
          $0.x.store(1); smp_wmb(); $0.y.store(1)
        },
        read: {
          let y = $0.y.load()
          smp_rmb()
          return (y, $0.x.load())
        }),
      // Release sequences: what a read-modify-write wrote still hands over what the store released.
      ModelCase(
        "MP through a full change by another thread", sc: ["00", "01", "11", "20", "21", "31"],
        { $0.tellReleased() }, { _ = $0.y.add(2) },
        {
          $0.set(0, $0.y.loadAcquire()); $0.set(1, $0.x.load())
        }),
      // A word never goes back.
      ModelCase(
        "CoRR", sc: ["00", "01", "02", "11", "12", "22"],
        {
          $0.x.store(1); $0.x.store(2)
        },
        {
          $0.set(0, $0.x.load()); $0.set(1, $0.x.load())
        }),
      // Load buffering is no part of the lab's C11 (nor of x86-64).
      ModelCase(
        "LB", sc: ["00", "01", "10"],
        {
          $0.set(0, $0.x.load()); $0.y.store(1)
        },
        {
          $0.set(1, $0.y.load()); $0.x.store(1)
        }),
      // Nor are words whose last store took place first.
      ModelCase(
        "2+2W", registers: 0, finals: [0, 1], sc: ["12", "21", "22"],
        {
          $0.x.store(1); $0.y.store(2)
        },
        {
          $0.y.store(1); $0.x.store(2)
        }),
      // Two readers disagree about the order of two writers: not on a machine with one memory.
      ModelCase(
        disagreeing: "IRIW with acquires", c11: ["1010"],
        read: { ($0.words[$1].loadAcquire(), $0.words[$2].loadAcquire()) }),
      ModelCase(
        disagreeing: "IRIW with full fences",
        read: {
          let first = $0.words[$1].loadAcquire()
          smp_mb()
          return (first, $0.words[$2].loadAcquire())
        }),
      ModelCase(
        disagreeing: "IRIW of sequentially consistent loads", write: { $0.storeBare($1, 1) },
        read: { ($0.loadSequential($1), $0.loadSequential($2)) }),
      // Write to read causality.
      ModelCase(
        "WRC with release and acquire", registers: 3,
        sc: ["000", "001", "010", "011", "100", "101", "111"],
        { $0.x.store(1) },
        {
          $0.set(0, $0.x.loadAcquire()); $0.y.storeRelease(1)
        },
        {
          $0.set(1, $0.y.loadAcquire()); $0.set(2, $0.x.load())
        }),
      ModelCase(
        "R", registers: 1, finals: [1], sc: ["01", "11", "12"], tso: ["02"], { $0.tell() },
        {
          $0.y.store(2); $0.set(0, $0.x.load())
        }),
    ]

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
