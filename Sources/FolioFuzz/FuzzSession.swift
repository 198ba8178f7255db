// SPDX-License-Identifier: MIT

// One process that fuzzes one setup: what libFuzzer and AFL++ call. They know no context, so there is
// one session per process.

import CFolio
import CFuzz
package import FolioLab
package import FolioWorkloads
import Glibc

/// What a session has done so far.
package struct FuzzStatus: Sendable {
  package var executions = 0
  package var seconds = 0.0
  /// Racing pairs that were executed.
  package var pairs = 0

  package var rate: Double { seconds > 0 ? Double(executions) / seconds : 0 }
}

/// Runs the inputs of an engine until one fails.
@safe
package final class FuzzSession {
  package let setup: FuzzSetup
  package let mutant: Mutant?
  /// Called every thousand executions or so; ends the process when it is enough.
  package var look: (FuzzStatus) -> Void = { _ in }
  /// Called with an input that failed; does not come back.
  package var alarm: (FuzzSession, [UInt8], FolioLab.Finding) -> Never = {
    fatalError("\($2.message)")
  }

  private var fuzzed: FuzzWorld?
  private var mutator: FuzzMutator
  private let header: [UInt8]
  private var executions = 0
  private var begin = cfolio_clock_ns()
  private var nextLook = 1024
  private let takesAll: Bool
  /// What ran last, for the mutator.
  private var last: UnsafeMutableRawPointer
  private var lastCount = -1

  /// Longest input.
  package static let limit = 1024

  private nonisolated(unsafe) static var current: FuzzSession?

  /// Opens the setup's world with the mutant on.
  ///
  /// - Parameter takesAll: inputs for other setups are run as if they were for this one: for engines
  ///   that change headers like any byte.
  package init(
    _ setup: FuzzSetup, mutant: Mutant? = nil, takesAll: Bool = false
  ) throws(LabError) {
    self.takesAll = takesAll
    guard Mutant.switch(mutant) else { throw .notBuiltIn }
    self.setup = setup
    self.mutant = mutant
    header = setup.header
    mutator = FuzzMutator(setup)
    unsafe last = .allocate(byteCount: Self.limit, alignment: 8)
    fuzzed = try FuzzWorld(setup)
    begin = cfolio_clock_ns()
    unsafe Self.current = self
  }

  package var status: FuzzStatus {
    FuzzStatus(
      executions: executions, seconds: Double(cfolio_clock_ns() - begin) / 1e9,
      pairs: fuzzed?.world.pairsSoFar ?? 0)
  }

  /// Gives the world up, so that others can be opened.
  package func close() { fuzzed = nil }

  /// Gives the process to libFuzzer with these arguments, the first being the program's name. Comes
  /// back only when libFuzzer is not linked.
  package func runLibFuzzer(_ arguments: [String]) {
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    unsafe pointers.withUnsafeMutableBufferPointer { buffer in
      unsafe buffer.baseAddress!.withMemoryRebound(
        to: UnsafeMutablePointer<CChar>.self, capacity: buffer.count
      ) {
        _ = unsafe fuzz_libfuzzer(
          Int32(arguments.count), $0, { unsafe FuzzSession.current!.take($0, $1) })
      }
    }
  }

  /// Runs inputs of AFL++; false: it is not linked.
  package func runAFL(inputs: UInt32) -> Bool {
    unsafe fuzz_afl(inputs, { unsafe FuzzSession.current!.take($0, $1) })
  }

  /// Runs one input, whose header is taken for the setup's.
  package func run(_ input: [UInt8]) {
    let input = header + input.dropFirst(header.count)
    unsafe input.withUnsafeBufferPointer { _ = unsafe take($0.baseAddress!, $0.count) }
  }

  /// Runs one input; -1: it is for another setup.
  fileprivate func take(_ data: UnsafePointer<UInt8>, _ size: Int) -> Int32 {
    let input = unsafe UnsafeBufferPointer(start: data, count: min(size, Self.limit))
    guard unsafe isOurs(input) else { return -1 }
    executions += 1
    // No reference to the world is kept here: the alarm's handler closes it.
    if unsafe !fuzzed!.run(input) {
      let finding = fuzzed!.world.lastFinding!
      unsafe alarm(self, header + input.dropFirst(header.count), finding)
    }
    unsafe last.copyMemory(from: data, byteCount: input.count)
    lastCount = input.count
    if executions >= nextLook {
      nextLook += 1024
      look(status)
    }
    return 0
  }

  /// Shorter inputs are for every setup.
  private func isOurs(_ input: UnsafeBufferPointer<UInt8>) -> Bool {
    guard input.count >= header.count, !takesAll else { return true }
    for index in header.indices where unsafe input[index] != header[index] { return false }
    return true
  }

  fileprivate static func mutate(
    _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ limit: Int, _ seed: UInt32
  ) -> Int {
    guard let session = unsafe current else { return size }
    let ran =
      unsafe session.lastCount == size && memcmp(session.last, data, size) == 0
    return unsafe session.mutator.mutate(data, size, limit: limit, seed: seed, ran: ran)
  }
}

/// What libFuzzer looks for by name.
@c(LLVMFuzzerCustomMutator)
package func customMutator(
  _ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ limit: Int, _ seed: UInt32
) -> Int {
  unsafe FuzzSession.mutate(data, size, limit, seed)
}
