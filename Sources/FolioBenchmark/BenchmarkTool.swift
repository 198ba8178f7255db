// SPDX-License-Identifier: MIT

// What the executable needs to know about this library besides running it.

internal import BenchmarkPeers

/// Facts about the tool.
public enum BenchmarkTool {
  /// From now on an interrupt ends a run after the round in progress.
  public static func catchInterrupts() {
    harness_catch_interrupts()
  }

  /// Does what an interrupt does.
  public static func interrupt() {
    harness_interrupt()
  }

  /// One came.
  public static var isInterrupted: Bool { harness_interrupted() }

  /// Forgets an interrupt.
  public static func clearInterrupt() {
    harness_clear_interrupt()
  }
}
