// SPDX-License-Identifier: MIT

// Where a world of generated programs finds its program, which may change between executions: a
// fuzzer opens one world and runs a million programs in it.

import FolioCore

/// The program that runs next.
@safe
package final class GeneratedProgramSource: @unchecked Sendable {
  // @unchecked: written between executions, by the thread that they run on.
  package let family: GeneratedProgram.Family
  package let threads: Int
  /// `GeneratedProgram.slots` bytes per thread.
  private let bytes: UnsafeMutablePointer<UInt8>
  /// Bit n: an operation with code n is in it.
  private(set) var codes: UInt32 = 0

  /// Begins with a program that does nothing.
  package init(_ family: GeneratedProgram.Family, threads: Int) {
    precondition(GeneratedProgram.threads.contains(threads))
    self.family = family
    self.threads = threads
    unsafe bytes = .allocate(capacity: GeneratedProgram.size)
    unsafe bytes.initialize(repeating: 0, count: GeneratedProgram.size)
  }

  deinit { unsafe bytes.deallocate() }

  /// Takes the program from bytes; what is missing is nothing.
  package func set(_ program: UnsafeBufferPointer<UInt8>) {
    codes = 0
    for index in 0..<threads * GeneratedProgram.slots {
      let byte = index < program.count ? unsafe program[index] : 0
      unsafe bytes[index] = byte
      codes |= 1 << UInt32(byte >> 3)
    }
  }

  package func set(_ program: GeneratedProgram) {
    precondition(program.family == family && program.operations.count == threads)
    unsafe program.bytes.withUnsafeBufferPointer { unsafe set($0) }
  }

  func operation(_ thread: Int, _ slot: Int) -> UInt8 {
    unsafe bytes[thread * GeneratedProgram.slots + slot]
  }

  /// Some operation of the program has one of these codes.
  func has(_ codes: GeneratedProgram.Code...) -> Bool {
    codes.contains { self.codes >> UInt32($0.rawValue) & 1 == 1 }
  }
}

extension Scenario {
  /// Programs from the source, whatever it holds when an execution begins.
  package static func programs(_ source: GeneratedProgramSource) -> Scenario {
    programs(source, name: source.family.name, title: "generated programs of \(source.family.name)")
  }

  /// One program; its name says all of it, so tokens of it can be replayed.
  package static func program(_ program: GeneratedProgram) -> Scenario {
    let source = GeneratedProgramSource(program.family, threads: program.operations.count)
    source.set(program)
    return programs(source, name: program.scenarioName, title: program.description)
  }

  private static func programs(
    _ source: GeneratedProgramSource, name: String, title: String
  ) -> Scenario {
    Scenario(
      name, title, rules: source.family.rules, size: source.threads,
      sizes: source.threads...source.threads, obligations: []
    ) { settings in
      switch source.family {
      case .counters: try CounterProgramWorld(source)
      case .structures: try StructureProgramWorld(source)
      case .memory: try MemoryProgramWorld(source, settings)
      }
    }
  }
}
