// SPDX-License-Identifier: MIT

// Litmus shapes of a few bare words, whose outcomes are counted: what a memory model allows can be
// compared with what it is known to allow.

import CFolio
import CLab
import FolioLab
import FolioWorkloads

#if LAB

  /// What the threads of a shape work with: words x, y, z and registers.
  @safe
  struct RawState {
    let words: [SharedWord]
    fileprivate let bare: UnsafeMutablePointer<Int32>
    fileprivate let registers: UnsafeMutablePointer<Int32>

    var x: SharedWord { words[0] }
    var y: SharedWord { words[1] }
    var z: SharedWord { words[2] }

    /// Writes x, then y, which says that x is written.
    func tell() {
      x.store(1)
      y.store(1)
    }

    /// The same with a store that releases.
    func tellReleased() {
      x.store(1)
      y.storeRelease(1)
    }

    func set(_ register: Int, _ value: Int32) { unsafe registers[register] = value }

    /// A sequentially consistent access, which the library has none of.
    func loadSequential(_ word: Int) -> Int32 {
      Int32(truncatingIfNeeded: access(SEAM_OP_LOAD, word, 0))
    }

    func storeSequential(_ word: Int, _ value: Int32) { _ = access(SEAM_OP_STORE, word, value) }

    /// A C11 exchange, sequentially consistent: not what the library calls FULL.
    func exchangeSequential(_ word: Int, _ value: Int32) -> Int32 {
      Int32(truncatingIfNeeded: access(SEAM_OP_XCHG, word, value))
    }

    /// A relaxed store to the same word.
    func storeBare(_ word: Int, _ value: Int32) {
      _ = access(SEAM_OP_STORE, word, value, order: 0)
    }

    /// A relaxed load of it.
    func loadBare(_ word: Int) -> Int32 {
      Int32(truncatingIfNeeded: access(SEAM_OP_LOAD, word, 0, order: 0))
    }

    private func access(
      _ operation: seam_operation, _ word: Int, _ value: Int32, order: UInt32 = 5
    ) -> UInt {
      unsafe lab_access(
        nil, operation.rawValue | 4 << 4 | order << 8, bare + 16 * word,
        UInt(bitPattern: Int(value)),
        0)
    }
  }

  /// A shape: bodies of its threads, and which words' final values belong to an outcome.
  struct RawShape: Sendable {
    typealias Thread = @Sendable (RawState) -> Void
    let name: String
    let threads: [Thread]
    let registers: Int
    let finals: [Int]

    /// Outcomes of a complete search, each as digits: registers, then final values.
    func outcomes(_ search: Search, _ model: MemoryModel, runs: Int? = nil) throws -> Result {
      let seen = Outcomes()
      let scenario = Scenario(name, name, obligations: []) { _ in
        try RawWorld(self, seen)
      }
      let world = try LabWorld(scenario)
      let result = world.explore(search, model: model, executions: runs)
      return Result(outcomes: seen.all, exploration: result)
    }

    struct Result {
      var outcomes: Set<String>
      var exploration: ExplorationResult
    }
  }

  private final class Outcomes: @unchecked Sendable {
    // @unchecked: one OS thread explores, and the test reads it afterwards.
    var all: Set<String> = []
  }

  private final class RawWorld: ScenarioWorld {
    let threads: [ScenarioThread]
    private let shape: RawShape
    private let state: RawState
    private let seen: Outcomes

    init(_ shape: RawShape, _ seen: Outcomes) throws {
      self.shape = shape
      self.seen = seen
      threads = shape.threads.indices.map { ScenarioThread("thread \($0)", group: $0) }
      guard let memory = unsafe cfolio_zalloc(256) else { throw ScenarioMemoryError() }
      state = unsafe RawState(
        words: [try SharedWord("x"), try SharedWord("y"), try SharedWord("z")],
        bare: memory.bindMemory(to: Int32.self, capacity: 64),
        registers: .allocate(capacity: 8))
    }

    func prepare() { for index in 0..<8 { state.set(index, 0) } }

    func run(_ thread: Int) { shape.threads[thread](state) }

    func conclude() {
      var text = ""
      for index in 0..<shape.registers { text += unsafe "\(state.registers[index])" }
      for word in shape.finals { text += "\(state.words[word].load())" }
      seen.all.insert(text)
    }

    func tearDown() {
      for word in state.words { word.free() }
      unsafe state.registers.deallocate()
      unsafe cfolio_free(state.bare)
    }
  }

#endif
