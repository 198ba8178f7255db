// SPDX-License-Identifier: MIT

// An explored scenario under plain stress: processes of native threads (NativeRounds.swift), one after
// the other, each until the time is over or until it crashes, stops or hangs, which a mutant may well
// make it do. What that amounts to is reported in NativeSession.swift.

package import FolioCore
import CFolio
import Glibc

/// What rounds on native threads came to.
package struct NativeOutcome: Sendable {
  package var rounds = 0
  /// Of these, that failed: a violation, a BUG, a crash, threads that never came back.
  package var failed = 0
  /// Rounds and seconds up to the first that failed; nil: none did.
  package var firstRound: Int?
  package var firstSeconds: Double?
  /// Of the first that failed.
  package var invariant = ""
  package var message = ""
  /// Processes that it took.
  package var processes = 0
  package var seconds = 0.0
  /// Why no rounds could be run.
  package var refusal: String?

  package var perMillion: Double { rounds == 0 ? 0 : Double(failed) * 1e6 / Double(rounds) }
}

/// One explored scenario, to be run on native threads.
package struct NativeStress: Sendable {
  package var scenario: Scenario
  package var rules: PageMap.Rules
  /// Switched on for all rounds.
  package var mutant: Mutant?
  package var seed: UInt64
  package var seconds: Double
  /// Threads that have not come back for so long are stuck. Seconds.
  package var patience = 1.0

  package init(
    _ scenario: Scenario, rules: PageMap.Rules, mutant: Mutant? = nil, seed: UInt64,
    seconds: Double
  ) {
    self.scenario = scenario
    self.rules = rules
    self.mutant = mutant
    self.seed = seed
    self.seconds = seconds
  }

  /// Rounds put back memory that only a Lab build can put back.
  package static var isBuiltIn: Bool {
    #if LAB
      true
    #else
      false
    #endif
  }

  #if LAB
    /// Runs rounds until the time is over. Context: the process has no other threads.
    package func run(interrupted: StopFlag) -> NativeOutcome {
      var outcome = NativeOutcome()
      let size = MemoryLayout<native_report>.size
      let memory = unsafe mmap(
        nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
      guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
        outcome.refusal = "no memory for the report"
        return outcome
      }
      defer { unsafe munmap(memory, size) }
      let report = unsafe memory.bindMemory(to: native_report.self, capacity: 1)
      let begin = cfolio_clock_ns()
      while outcome.refusal == nil && !interrupted.isSet {
        outcome.seconds = Double(cfolio_clock_ns() - begin) / 1e9
        guard outcome.seconds < seconds else { break }
        unsafe memset(memory, 0, size)
        unsafe runProcess(report, interrupted, &outcome)
        outcome.processes += 1
      }
      outcome.seconds = Double(cfolio_clock_ns() - begin) / 1e9
      return outcome
    }

    /// Until the time is over, or until something that a process does not survive.
    private func runProcess(
      _ report: UnsafeMutablePointer<native_report>, _ interrupted: StopFlag,
      _ outcome: inout NativeOutcome
    ) {
      let settings = Scenario.Settings(
        rules: rules, size: scenario.size, obligations: Obligations())
      let child = fork()
      if child == 0 {
        Self.dieQuietly()
        _ = Mutant.switch(mutant)
        unsafe NativeRounds.run(
          scenario, settings, seed: seed &+ UInt64(outcome.processes),
          seconds: seconds - outcome.seconds, report: report)
      }
      guard child > 0 else {
        outcome.refusal = "no process: \(unsafe String(cString: strerror(errno)))"
        return
      }
      let begin = cfolio_clock_ns()
      let (status, isStuck) = unsafe wait(for: child, report, interrupted)
      let (rounds, first) = unsafe (
        atomic_long_read(&report.pointee.rounds), atomic_long_read_acquire(&report.pointee.first)
      )
      let isStopped = unsafe atomic_read(&report.pointee.stopped) != 0
      if outcome.firstRound == nil && first > 0 {
        outcome.firstRound = outcome.rounds + first
        unsafe outcome.firstSeconds =
          outcome.seconds + Double(atomic_long_read(&report.pointee.first_ns)) / 1e9
        outcome.invariant = unsafe Self.text(report.pointee.invariant)
        outcome.message = unsafe Self.text(report.pointee.message)
      }
      outcome.rounds += rounds
      unsafe outcome.failed += atomic_long_read(&report.pointee.failed)
      let signal = status & 0x7f
      if signal == 0 && !isStopped {
        if status != 0 { outcome.refusal = "no memory or no threads for its world" }
        return
      }
      guard !interrupted.isSet else { return }
      // The round that the process did not survive.
      outcome.rounds += 1
      outcome.failed += 1
      guard outcome.firstRound == nil else { return }
      outcome.firstRound = outcome.rounds
      outcome.firstSeconds = outcome.seconds + Double(cfolio_clock_ns() - begin) / 1e9
      if isStuck {
        (outcome.invariant, outcome.message) = ("STUCK", "threads that never came back")
      } else {
        outcome.invariant = "CRASH"
        outcome.message = unsafe String(cString: strsignal(signal))
      }
    }

    /// Its exit status, and whether it had to be ended because its rounds did not.
    private func wait(
      for child: pid_t, _ report: UnsafeMutablePointer<native_report>, _ interrupted: StopFlag
    ) -> (status: Int32, isStuck: Bool) {
      var (status, isStuck) = (Int32(0), false)
      var (rounds, changed) = (-1, cfolio_clock_ns())
      while unsafe waitpid(child, &status, WNOHANG) == 0 {
        let (now, clock) = unsafe (atomic_long_read(&report.pointee.rounds), cfolio_clock_ns())
        if now != rounds { (rounds, changed) = (now, clock) }
        // Before the first round the world is made.
        let limit = unsafe atomic_read(&report.pointee.open) == 0 ? max(patience, 20) : patience
        if interrupted.isSet || Double(clock - changed) / 1e9 > limit {
          isStuck = true
          kill(child, SIGKILL)
          unsafe waitpid(child, &status, 0)
          break
        }
        cfolio_sleep_ns(2_000_000)
      }
      return (status, isStuck)
    }

    /// A crash is a result here: no core file, no backtrace.
    private static func dieQuietly() {
      var none = rlimit(rlim_cur: 0, rlim_max: 0)
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
      for number in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT] {
        _ = signal(number, SIG_DFL)
      }
    }

    private static func text<T>(_ tuple: T) -> String {
      unsafe withUnsafeBytes(of: tuple) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
  #else
    package func run(interrupted: StopFlag) -> NativeOutcome {
      preconditionFailure("asked for without isBuiltIn")
    }
  #endif
}
