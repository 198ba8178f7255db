// SPDX-License-Identifier: MIT

// An explored scenario on native threads, in a process that does nothing else: every thread runs its
// body, the last to come back looks at the outcome, puts memory back (folio/seam_native.h) and opens
// the next round. Who starts such processes and judges them is in NativeStress.swift.

#if LAB

  import CFolio
  import FolioCore
  import Glibc
  import Synchronization

  /// The rounds of one process.
  @safe
  final class NativeRounds: @unchecked Sendable {
    // @unchecked: `world` is what threads race for; everything else is atomic or does not change.
    private let world: any ScenarioWorld
    private let threads: Int
    private let seed: UInt64
    private let end: Int64
    /// Threads that have come to the end of the round.
    private let arrived = Atomic<Int>(0)
    /// The round that runs, from 1; 0: none yet, -1: no more. Threads sleep on it. Not memory that is
    /// put back.
    private let round: UnsafeMutablePointer<atomic_t>
    private let sleepers = Atomic<Int>(0)
    /// Threads that wait for their first round.
    private let ready = Atomic<Int>(0)
    /// A thread looks at `round` so often before it sleeps: longer than it takes to put memory back,
    /// where it has a CPU of its own.
    private let spins: Int

    private init(_ world: any ScenarioWorld, seed: UInt64, seconds: Double) {
      self.world = world
      threads = world.threads.count
      self.seed = seed
      unsafe round = .allocate(capacity: 1)
      unsafe round.initialize(to: atomic_t())
      spins = threads <= sysconf(Int32(_SC_NPROCESSORS_ONLN)) ? 4000 : 100
      end = cfolio_clock_ns() + Int64(seconds * 1e9)
    }

    /// Runs rounds until the time is over, then ends the process: 0. Whoever looks after it sees
    /// `report` grow; a process that cannot begin exits with 71.
    static func run(
      _ scenario: Scenario, _ settings: Scenario.Settings, seed: UInt64, seconds: Double,
      report: UnsafeMutablePointer<native_report>
    ) -> Never {
      guard unsafe cfolio_native_begin(report) else { _exit(EX_OSERR) }
      let world: any ScenarioWorld
      do {
        world = try scenario.world(settings)
      } catch {
        _exit(EX_OSERR)
      }
      let rounds = NativeRounds(world, seed: seed, seconds: seconds)
      let runner = ThreadRunner(
        threads: rounds.threads + 1, seed: seed, nanoseconds: Int64(seconds * 1e9) * 2)
      do throws(ThreadRefused) {
        _ = try runner.run(interrupted: StopFlag()) { worker in
          // The one more opens the first round.
          if worker.index < rounds.threads { rounds.race(&worker) } else { rounds.open() }
        }
      } catch {
        _exit(EX_OSERR)
      }
      _exit(0)
    }

    /// Once every thread is known to the library and to RCU: what memory holds now is the beginning.
    private func open() {
      while ready.load(ordering: .acquiring) < threads { cfolio_sleep_ns(50_000) }
      guard cfolio_native_keep() else { _exit(EX_OSERR) }
      world.prepare()
      publish(1)
    }

    /// Everybody who waits for a round sees it.
    private func publish(_ number: Int32) {
      // FULL between the store and the look at the sleepers, who count themselves before they look.
      unsafe _ = atomic_xchg(round, number)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
        unsafe cfolio_futex_wake(round, Int32(threads))
      }
    }

    /// What each thread does.
    private func race(_ worker: inout Worker) {
      // As in the lab: threads are 1, 2, ...
      unsafe folio_this_thread().pointee.id = UInt32(worker.index + 1)
      rcu_read_lock()
      rcu_read_unlock()
      _ = ready.add(1, ordering: .acquiringAndReleasing)
      var next: Int32 = 1
      while wait(for: next) {
        // Threads that always began together would always meet in the same way.
        for _ in 0..<(worker.random.next() & ((1 << (worker.random.next() & 7)) - 1)) {
          _ = arrived.load(ordering: .relaxed)
        }
        world.run(worker.index)
        // A mutant may have left a lock in the thread's hand.
        unsafe folio_this_thread().pointee.locks_held = 0
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == threads { close(next) }
        next += 1
      }
    }

    /// The round is open: true; there are no more: false.
    private func wait(for number: Int32) -> Bool {
      for _ in 0..<spins {
        let now = unsafe atomic_read_acquire(round)
        if now == number || now < 0 { return now > 0 }
      }
      _ = sleepers.add(1, ordering: .sequentiallyConsistent)
      defer { _ = sleepers.subtract(1, ordering: .sequentiallyConsistent) }
      while true {
        let now = unsafe atomic_read_acquire(round)
        if now == number || now < 0 { return now > 0 }
        unsafe cfolio_futex_wait(round, now, 0)
      }
    }

    /// The end of a round, by the last of its threads, the only one that runs.
    private func close(_ number: Int32) {
      cfolio_native_settle()
      world.conclude()
      cfolio_native_end_round()
      arrived.store(0, ordering: .relaxed)
      guard cfolio_clock_ns() < end else {
        publish(-1)
        return
      }
      world.prepare()
      publish(number + 1)
    }
  }

#endif
