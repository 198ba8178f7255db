// SPDX-License-Identifier: MIT

// How many of the racing pairs that there are a corpus executes.

package import FolioLab

/// Racing pairs of one setup.
package struct FuzzCoverage: Sendable {
  package var setup: FuzzSetup
  package var inputs: Int
  /// All pairs of all classes; or, where those are too many, all that touched one word in conflict.
  package var possible: Set<RacingPair>
  /// `possible` is what there is, not a bound.
  package var isExact: Bool
  package var reached: Set<RacingPair>

  package var missing: Set<RacingPair> { possible.subtracting(reached) }

  /// Runs the inputs, which are for this setup, and searches all classes for at most `seconds`.
  package init(
    _ setup: FuzzSetup, inputs: [[UInt8]], seconds: Double
  ) throws(LabError) {
    let world = try FuzzWorld(setup)
    var record = ConflictRecord()
    for input in inputs {
      _ = world.finding(input)
      record.addLast()
    }
    let reached = world.world.racingPairs
    // Programs differ from input to input: there are no classes of all of them.
    let possible =
      switch setup.program {
      case .generated: (pairs: record.pairs, isExact: false)
      case .scenario:
        world.world.possiblePairs(model: setup.model, seconds: seconds, recorded: record)
      }
    self.setup = setup
    self.inputs = inputs.count
    self.possible = possible.pairs.union(reached)
    isExact = possible.isExact
    self.reached = reached
  }
}
