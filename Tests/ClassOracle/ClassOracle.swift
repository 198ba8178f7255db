// SPDX-License-Identifier: MIT

// A scenario under the enumerator of Tests/Enumerator: how many classes it has, found without the lab.

import CFolio
import Enumerator
package import FolioCore
package import FolioWorkloads

/// What enumeration says of a scenario.
package struct ClassOracle: Sendable {
  package enum Answer: Sendable, Equatable {
    /// So many classes; so many schedules were run.
    case counted(classes: Int, schedules: Int)
    /// There are more schedules than were allowed.
    case tooMany
    /// A schedule violated this invariant, or blocked for ever.
    case failed(String)
  }

  /// What the callbacks reach.
  private final class Box {
    var world: (any ScenarioWorld)!
  }

  private static func asGuest(_ body: () -> Void) {
    withoutActuallyEscaping(body) { body in
      var body = body
      unsafe withUnsafeMutablePointer(to: &body) {
        unsafe enumerator_as_guest(
          { unsafe $0!.assumingMemoryBound(to: (() -> Void).self).pointee() }, $0)
      }
    }
  }

  private static func with(
    _ context: UnsafeMutableRawPointer?, _ body: (any ScenarioWorld) -> Void
  ) {
    unsafe Unmanaged<Box>.fromOpaque(context!)._withUnsafeGuaranteedRef { body($0.world) }
  }

  /// Which schedules are run.
  package enum Kind: Sendable {
    case all
    /// Once behind beginnings that differ in the order of independent steps only.
    case merged
  }

  /// Runs every schedule, or, for `merged`, those that are needed; at most `limit` of them. One at a time per process; nothing else of the
  /// library runs on the calling OS thread meanwhile.
  ///
  /// - Parameters:
  ///   - rules: nil: the first that the scenario names.
  ///   - size: nil: the scenario's usual one.
  package static func enumerate(
    _ scenario: Scenario, rules: PageMap.Rules? = nil, size: Int? = nil, kind: Kind = .all,
    limit: Int
  ) throws -> Answer {
    let settings = Scenario.Settings(
      rules: rules ?? scenario.rules[0], size: size ?? scenario.size, obligations: Obligations())
    enumerator_reset()
    let box = Box()
    var failure: (any Error)?
    asGuest {
      cfolio_warnings_quiet(true)
      do { box.world = try scenario.world(settings) } catch { failure = error }
    }
    if let failure { throw failure }
    var program = unsafe enumeration_program()
    unsafe program.threads = UInt32(box.world.threads.count)
    unsafe program.body = { context, thread in
      unsafe ClassOracle.with(context) { $0.run(Int(thread)) }
    }
    unsafe program.prepare = { unsafe ClassOracle.with($0) { $0.prepare() } }
    unsafe program.conclude = { unsafe ClassOracle.with($0) { $0.conclude() } }
    unsafe program.context = Unmanaged.passUnretained(box).toOpaque()
    let result = unsafe Enumerator.enumerate(
      &program, kind == .all ? ENUMERATE_SCHEDULES : ENUMERATE_BEGINNINGS, UInt64(limit))
    // To the last reference: its memory is the enumerator's.
    asGuest {
      box.world.tearDown()
      box.world = nil
      cfolio_warnings_quiet(false)
    }
    if let invariant = unsafe result.failed { return .failed(unsafe String(cString: invariant)) }
    guard unsafe result.complete else { return .tooMany }
    return unsafe .counted(classes: Int(result.classes), schedules: Int(result.schedules))
  }
}
