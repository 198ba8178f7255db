// SPDX-License-Identifier: MIT

// A world of the lab that inputs run in. One is open at a time; inputs for another program open
// another, which takes a thousand times as long as an execution.

import CFuzz
package import FolioLab
package import FolioWorkloads

/// Runs inputs of one setup.
package final class FuzzWorld {
  package let setup: FuzzSetup
  package let world: LabWorld
  private let source: GeneratedProgramSource?
  private let offset: Int

  package init(_ setup: FuzzSetup) throws(LabError) {
    self.setup = setup
    offset = setup.decisionsOffset
    switch setup.program {
    case .generated(let family):
      let source = GeneratedProgramSource(family, threads: setup.size)
      self.source = source
      // With one operation of each kind, threads share what programs share.
      source.set(Self.typical(family, setup.size))
      world = try LabWorld(.programs(source), rules: setup.rules)
    case .scenario(let name):
      source = nil
      guard let scenario = Scenario.named(name) else {
        throw .settings("no scenario is called \(name)")
      }
      world = try LabWorld(scenario, rules: setup.rules, size: setup.size)
    }
    try begin()
    if source != nil { learn() }
    try begin()
  }

  /// Decisions are counted where threads share words, so the same bytes mean the same schedule only
  /// where the same words are known to be shared: programs of all kinds are run first.
  private func learn() {
    var random = SeededRandom(seed: 0x1ea7)
    for _ in 0..<512 {
      let size = setup.decisionsOffset + 160
      _ = finding((0..<size).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
  }

  /// What a world learns from which words its threads share.
  private static func typical(
    _ family: GeneratedProgram.Family, _ threads: Int
  ) -> GeneratedProgram {
    let codes: [[GeneratedProgram.Code]] =
      switch family {
      case .counters, .structures:
        [
          [.lookup, .freeze, .locked, .put, .reuse, .percpuTryGet, .store, .percpuKill],
          [.tryGet, .get, .read, .locked, .percpuTryGet, .store, .erase, .signal],
          [.split, .lookup, .release, .freeze, .wait, .load, .percpuTryGet, .put],
          [.tryGet, .batch, .reuse, .locked, .freeze, .erase, .load, .wait],
        ]
      case .memory:
        [
          [.touch, .pin, .unpin, .fork, .touch, .map, .remap, .fork],
          [.touch, .zap, .protect, .touch, .unmap, .map, .touch, .pin],
          [.pin, .fork, .touch, .unpin, .touch, .zap, .fork, .remap],
          [.zap, .touch, .pin, .protect, .map, .touch, .unmap, .unpin],
        ]
      }
    return GeneratedProgram(
      family, codes.prefix(threads).map { $0.map { GeneratedProgram.Operation($0, 0) } })
  }

  /// Begins to count racing pairs anew.
  package func begin() throws(LabError) {
    let counters = unsafe UnsafeMutableBufferPointer(
      start: fuzz_counters_start(), count: Int(FUZZ_COUNTERS))
    try unsafe world.beginByteRuns(model: setup.model, counters: counters)
  }

  /// Runs an input whose header means this setup; false: it failed.
  package func run(_ input: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = min(offset, input.count)
    if let source {
      let from = min(FuzzSetup.headerSize, input.count)
      unsafe source.set(UnsafeBufferPointer(rebasing: input[from..<start]))
    }
    return unsafe world.run(decisions: UnsafeBufferPointer(rebasing: input[start...]))
  }

  /// The same for an array; the finding, when it failed.
  package func finding(_ input: [UInt8]) -> FolioLab.Finding? {
    unsafe input.withUnsafeBufferPointer { unsafe run($0) } ? nil : world.lastFinding
  }

  /// An input that leads to the finding in this world; nil: none was found.
  private func input(of finding: FolioLab.Finding, _ program: GeneratedProgram?) -> [UInt8]? {
    if let source, let program { source.set(program) }
    return world.again(finding, seconds: 1).map {
      setup.header + (program?.bytes ?? []) + $0.trace.decisions
    }
  }

  /// An input that leads to the finding in a new world of the setup; nil: none was found.
  static func input(
    _ setup: FuzzSetup, of finding: FolioLab.Finding, _ program: GeneratedProgram?
  ) throws(LabError) -> [UInt8]? {
    guard let input = try FuzzWorld(setup).input(of: finding, program),
      try FuzzWorld(setup).finding(input)?.invariant == finding.invariant
    else { return nil }
    return input
  }

  /// The same executions in fewer bytes, each once: without operations that mean nothing and without
  /// decisions that are not made. Inputs that fail are left out.
  package static func shortened(
    _ inputs: [[UInt8]], _ setup: FuzzSetup
  ) throws(LabError) -> [[UInt8]] {
    let world = try FuzzWorld(setup)
    var short: Set<[UInt8]> = []
    for input in inputs where world.finding(input) == nil {
      var bytes = setup.header
      if let program = world.program(of: input) { bytes += program.bytes }
      bytes += input.dropFirst(setup.decisionsOffset).prefix(world.world.lastDecisions)
      while bytes.count > FuzzSetup.headerSize, bytes.last == 0 { bytes.removeLast() }
      short.insert(bytes)
    }
    return short.sorted { ($0.count, $0.description) < ($1.count, $1.description) }
  }

  /// The program of an input, when it is a generated one.
  package func program(of input: some Collection<UInt8>) -> GeneratedProgram? {
    guard case .generated(let family) = setup.program else { return nil }
    return GeneratedProgram(
      family, threads: setup.size, bytes: input.dropFirst(FuzzSetup.headerSize))
  }
}
