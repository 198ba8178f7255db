// SPDX-License-Identifier: MIT

// What the executable needs to know about this library besides running it.

internal import BenchmarkPeers

/// Facts about the tool.
package enum BenchmarkTool {
  /// From now on an interrupt ends a run after the round in progress.
  package static func catchInterrupts() {
    harness_catch_interrupts()
  }

  /// Does what an interrupt does.
  package static func interrupt() {
    harness_interrupt()
  }

  /// One came.
  package static var isInterrupted: Bool { harness_interrupted() }

  /// Forgets an interrupt.
  package static func clearInterrupt() {
    harness_clear_interrupt()
  }
}
