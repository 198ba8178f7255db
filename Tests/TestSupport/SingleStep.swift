// SPDX-License-Identifier: MIT

// Every interleaving of one step of T2 into an operation of T1, instruction by instruction, in one
// thread: the processor's trap flag stops T1 after each instruction, and the test decides where T2
// runs. x86-64 only; other machines have the races and the lab. Nothing of the library knows of it.

import CFolio
import Glibc
import Synchronization

/// Runs code one instruction at a time.
///
/// One use at a time; others wait for it. T2's step must not need a lock that T1 holds at that point.
package enum SingleStep {
  /// Whether the machine can. Not under a sanitizer: its own code would be stepped through as well.
  package static var isSupported: Bool {
    #if arch(x86_64) && !SANITIZED
      true
    #else
      false
    #endif
  }

  /// How many times the instructions of a normal build one operation of a Lab build has, about: it asks
  /// before each access whether an explorer is there. Places lie as far apart, in operations.
  package static var hookCost: Int {
    #if LAB
      4
    #else
      1
    #endif
  }

  /// Held by the one that steps.
  private static let turn = Mutex(())

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
  package static func run(visit: @escaping (Int) -> Bool, body: () -> Void) {
    turn.withLock { _ in runAlone(visit: visit, body: body) }
  }

  private static func runAlone(visit: @escaping (Int) -> Bool, body: () -> Void) {
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

  /// Runs body again and again, with `step` at its first place, its second, and so on, until a run
  /// ends before its step comes; at most `places` times. A place is every `stride`th instruction
  /// at which `mayStep` holds. `prepare` comes before each run, `check` after it.
  ///
  /// A step for which no place was left runs after the body. Returns the number of runs. Their cost
  /// grows with the square of the instructions: some microseconds for each.
  package static func interleave(
    places: Int, stride: Int = 1, mayStep: @escaping () -> Bool = { true }, prepare: () -> Void,
    step: @escaping () -> Void, check: (_ place: Int) -> Void, body: () -> Void
  ) -> Int {
    for place in 1...places {
      prepare()
      var (waited, stepped) = (0, false)
      run(
        visit: { _ in
          guard mayStep() else { return true }
          waited += 1
          guard waited > (place - 1) * stride else { return true }
          stepped = true
          step()
          return false
        }, body: body)
      let inside = stepped
      if !inside { step() }
      check(place)
      if !inside { return place }
    }
    return places
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
