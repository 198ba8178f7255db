// SPDX-License-Identifier: MIT

// From an input that fails to what a person wants: the smallest program and the smallest schedule of the
// same violation, as a token, as a witness, and as an input again.

import FolioCore
package import FolioLab
package import FolioWorkloads

/// A violation that an input led to.
package struct FuzzAlarm: Sendable {
  package var setup: FuzzSetup
  /// What was run.
  package var input: [UInt8]
  /// The smallest form, with its token.
  package var witness: Witness
  /// An input that fails in the same way, of the smallest form.
  package var smallInput: [UInt8]
  /// The generated program that is left.
  package var program: GeneratedProgram?

  package var invariant: String { witness.finding.invariant }
}

extension FuzzAlarm {
  /// Shrinks what `input` led to. No world is open.
  ///
  /// - Parameters:
  ///   - first: the finding of the input, in a world that many inputs ran in: what such a world has
  ///     learned, a new one has not, and the same bytes may mean another schedule there.
  ///   - seconds: about how long it may take.
  package init(
    setup: FuzzSetup, input: [UInt8], first: FolioLab.Finding, mutant: Mutant?, seconds: Double = 3
  ) throws(LabError) {
    self.setup = setup
    self.input = input
    var program: GeneratedProgram?
    var found: FolioLab.Finding?
    switch setup.program {
    case .scenario(let name):
      guard let scenario = Scenario.named(name) else {
        throw .settings("no scenario is called \(name)")
      }
      let world = try LabWorld(scenario, rules: setup.rules, size: setup.size)
      found = world.again(first, seconds: seconds / 3)
      found = found.map { world.shrink($0, seconds: seconds / 3) }
    case .generated(let family):
      var smallest = GeneratedProgram(
        family, threads: setup.size, bytes: input.dropFirst(FuzzSetup.headerSize))
      found = try LabWorld(.program(smallest), rules: setup.rules)
        .again(first, seconds: seconds / 3)
      if found != nil {
        // Fewer threads first, then fewer operations, as long as something is left out.
        while let smaller = try Self.smaller(
          than: smallest, setup.rules, found!, seconds: seconds / 30)
        {
          (smallest, found) = smaller
        }
        found = try LabWorld(.program(smallest), rules: setup.rules)
          .shrink(found!, seconds: seconds / 3)
      }
      program = smallest
    }
    self.program = program
    let finding = found ?? first
    var small = setup
    if let program { small.size = program.operations.count }
    smallInput = try FuzzWorld.input(small, of: finding, program) ?? input
    let scenario = Scenario.named(program?.scenarioName ?? small.programName)!
    let world = try LabWorld(scenario, rules: small.rules, size: small.size)
    witness = Witness(
      scenario: scenario, settings: world.settings, threads: world.threads, model: setup.model,
      finding: finding, token: world.token(of: finding.trace, mutant: mutant?.id).description,
      mutant: mutant)
  }

  /// The program without one thread or one operation, if that still fails.
  private static func smaller(
    than program: GeneratedProgram, _ rules: PageMap.Rules, _ finding: FolioLab.Finding,
    seconds: Double
  ) throws(LabError) -> (GeneratedProgram, FolioLab.Finding)? {
    var candidates = program.operations.indices.compactMap { program.without(thread: $0) }
    for thread in program.operations.indices {
      for slot in program.operations[thread].indices {
        candidates.append(program.without(thread, slot))
      }
    }
    for candidate in candidates {
      let sameThreads = candidate.operations.count == program.operations.count
      let world = try LabWorld(.program(candidate), rules: rules)
      if let found = world.again(finding, follows: sameThreads, seconds: seconds) {
        return (candidate, found)
      }
    }
    return nil
  }
}

extension LabWorld {
  /// The same violation in this world: by the schedule, or searched for.
  ///
  /// - Parameter follows: the finding's threads are this world's.
  func again(_ finding: FolioLab.Finding, follows: Bool = true, seconds: Double) -> FolioLab
    .Finding?
  {
    func isSame(_ found: FolioLab.Finding?) -> Bool { found?.invariant == finding.invariant }
    if follows {
      let replayed = replay(token(of: finding.trace)).finding
      if isSame(replayed) { return replayed }
    }
    for search in [Search.schedules(preemptions: 1), .schedules(preemptions: 2), .random, .pos] {
      let found = explore(search, model: finding.trace.model, seconds: seconds / 4).finding
      if isSame(found) { return found }
    }
    return nil
  }
}
