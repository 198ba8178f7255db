// SPDX-License-Identifier: MIT

// Every interleaving of one step of T2 into an operation of T1, instruction by instruction, in one
// thread: the processor's trap flag stops T1 after each instruction, and the test decides where T2
// runs. x86-64 only; other machines have the races and the lab. Nothing of the library knows of it.

import CFolio
import Glibc

/// Runs code one instruction at a time.
///
/// One use at a time; tests that use it are serialised. T2's step must not need a lock that T1
/// holds at that point.
public enum SingleStep {
  /// Not under ThreadSanitizer: a step would enter its runtime while T1 is stopped inside it, with
  /// its locks held. What it looks for, races between threads, is not what is stepped here.
  public static var isSupported: Bool {
    #if arch(x86_64) && !SANITIZED_THREAD
      true
    #else
      false
    #endif
  }

  // Written by `run` on the stepped thread, read by the handler on the same thread. The first is no
  // Swift variable: the handler comes in the middle of the access that ends the stepping.
  private nonisolated(unsafe) static let active: UnsafeMutablePointer<atomic_t> = {
    let active = UnsafeMutablePointer<atomic_t>.allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(active).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<atomic_t>.size)
    return unsafe active
  }()
  private nonisolated(unsafe) static var instructions = 0
  private nonisolated(unsafe) static var visit: (Int) -> Bool = { _ in false }

  /// Runs `body`; `visit` is called between any two of its instructions with their number so far,
  /// until it returns false. A few instructions before and after the body's own are visited too.
  public static func run(visit: @escaping (Int) -> Bool, body: () -> Void) {
    var previous = sigaction()
    var action = sigaction()
    action.sa_flags = SA_SIGINFO
    unsafe action.__sigaction_handler.sa_sigaction = { _, _, context in
      unsafe SingleStep.handle(context!)
    }
    let installed = unsafe sigaction(SIGTRAP, &action, &previous)
    precondition(installed == 0, "sigaction failed")
    unsafe self.visit = visit
    unsafe instructions = 0
    let active = unsafe self.active
    unsafe atomic_set(active, 1)
    raise(SIGTRAP)
    body()
    unsafe atomic_set(active, 0)
    unsafe self.visit = { _ in false }
    unsafe sigaction(SIGTRAP, &previous, nil)
  }

  /// Instructions between two places where `interleave` acts. Instrumented code has many for each
  /// of the program's own, and each run costs a trap per instruction.
  private static var stride: Int {
    #if SANITIZED
      24
    #else
      1
    #endif
  }

  /// Runs body again and again, with `step` after its first instruction, its second, and so on
  /// (under a sanitizer: every 24th), until a run ends before its step; at most `limit` times.
  /// `prepare` comes before each run, `check` after it.
  ///
  /// `mayStep` false puts the step off by an instruction. Returns the number of runs; a step that
  /// no instruction of the body is left for runs after it.
  public static func interleave(
    limit: Int = 5000, mayStep: @escaping () -> Bool = { true }, prepare: () -> Void,
    step: @escaping () -> Void, check: (_ instruction: Int) -> Void, body: () -> Void
  ) -> Int {
    for run in 1...limit {
      let count = 1 + (run - 1) * stride
      prepare()
      var stepped = false
      Self.run(
        visit: { instruction in
          guard instruction >= count, mayStep() else { return true }
          stepped = true
          step()
          return false
        }, body: body)
      let inside = stepped
      if !stepped { step() }
      check(count)
      if !inside { return run }
    }
    return limit
  }

  private static func handle(_ context: UnsafeMutableRawPointer) {
    // Word 17 of the saved registers is the flags; bit 8 of that is the trap flag.
    let registers = unsafe MemoryLayout<ucontext_t>.offset(of: \.uc_mcontext)!
    let flags = unsafe context.advanced(by: registers + 17 * 8)
      .assumingMemoryBound(to: UInt64.self)
    if unsafe atomic_read(active) != 0 {
      unsafe instructions += 1
      if unsafe !visit(instructions) { unsafe atomic_set(active, 0) }
    }
    let trap: UInt64 = 1 << 8
    unsafe flags.pointee = atomic_read(active) != 0 ? flags.pointee | trap : flags.pointee & ~trap
  }
}
