// SPDX-License-Identifier: MIT

// Waiting, waking, and freeing after a grace period (core.md section 13, rows 108-110).

import BenchmarkPeers
import CFolio
internal import Glibc
internal import Synchronization

enum WaitOperations {
  static let all = [wakeNobody, handOff, deferredFree]

  /// A word that is waited on; freed when the last closure goes.
  @safe private final class Word {
    let pointer: UnsafeMutablePointer<atomic_t>

    init() throws(Refusal) {
      guard let memory = unsafe cfolio_zalloc(64) else { throw Refusal("no memory") }
      unsafe pointer = memory.bindMemory(to: atomic_t.self, capacity: 1)
    }

    deinit { unsafe cfolio_free(pointer) }

    var value: Int { Int(unsafe atomic_read(pointer)) }

    /// The word, and that no waiter is left in the event word.
    func verify(_ expected: Int, _ verifier: inout Verifier) {
      verifier.expect(value, expected, "word")
      verifier.expect(folio_bench_waiters(), 0, "waiters in the event word")
    }
  }

  private static let wakeNobody = BenchmarkOperation(
    Name.wakeNobody, "a wake on a word that nobody waits on",
    warmOnly: "only the word's address is used, and one line of the table of queues",
    peers: [Peer.conditionVariable, Peer.futex]
  ) { _ throws(Refusal) in
    let word = try Word()
    return Trial(
      pages: 1,
      sides: [
        Side(
          "folio",
          loop: Loop { _, _, count in unsafe Loops.wakeNobody(word.pointer, count) },
          verify: { word.verify(0, &$1) }),
        Side(
          Peer.conditionVariable,
          loop: Loop { _, _, count in
            waits_condition_signal(count)
            return count
          }),
        Side(
          Peer.futex,
          loop: Loop { _, _, count in
            waits_futex_wake(count)
            return count
          }),
      ])
  }

  /// What a player's condition looks at.
  @safe private struct Turn {
    let word: UnsafeMutablePointer<atomic_t>
    let player: Int32
  }

  /// Waits for the turn, hands it over.
  private static func play(_ word: UnsafeMutablePointer<atomic_t>, _ player: Int, _ count: Int)
    -> Int
  {
    var turn = unsafe Turn(word: word, player: Int32(player))
    var options = unsafe wait_options()
    var played = 0
    unsafe withUnsafeMutablePointer(to: &turn) { turn in
      for _ in 0..<count {
        let result = unsafe wait_var_event_options(
          word,
          { context in
            guard let turn = unsafe context?.assumingMemoryBound(to: Turn.self) else {
              return false
            }
            return unsafe atomic_read_acquire(turn.pointee.word) & 1 == turn.pointee.player
          }, turn, &options)
        played += result == 0 ? 1 : 0
        unsafe store_release_wake_up(word, atomic_read(word) &+ 1)
      }
    }
    return played
  }

  @safe private final class PeerTurn {
    let handle: OpaquePointer

    init() throws(Refusal) {
      guard let handle = unsafe waits_turn_create() else { throw Refusal("no memory") }
      unsafe self.handle = handle
    }

    deinit { unsafe waits_turn_destroy(handle) }
  }

  private static func peerSide(
    _ name: String, _ play: @escaping (OpaquePointer, Int32, Int) -> Void
  ) throws(Refusal) -> Side {
    let turn = try PeerTurn()
    return Side(
      name,
      loop: Loop { thread, _, count in
        unsafe play(turn.handle, Int32(thread), count)
        return count
      },
      verify: { progress, verifier in
        verifier.expect(
          Int(unsafe waits_turns_taken(turn.handle)), progress.total, "turns taken")
      })
  }

  private static let handOff = BenchmarkOperation(
    Name.handOff, "a turn passed to the other thread and back; per round trip", threads: [2],
    warmOnly: "it is made of futex calls, beside which a cache miss is nothing",
    peers: [Peer.conditionVariable, Peer.futex]
  ) { _ throws(Refusal) in
    let word = try Word()
    return Trial(
      pages: 1, isCoupled: true,
      sides: [
        Side(
          "folio",
          loop: Loop { thread, _, count in unsafe play(word.pointer, thread, count) },
          verify: { progress, verifier in word.verify(progress.total, &verifier) }),
        try unsafe peerSide(Peer.conditionVariable) { unsafe waits_condition_play($0, $1, $2) },
        try unsafe peerSide(Peer.futex) { unsafe waits_futex_play($0, $1, $2) },
      ])
  }

  /// Objects freed by callbacks, since the process began.
  private static let freed = Atomic<Int>(0)
  private static let batch = 1000

  private static let deferredFree = BenchmarkOperation(
    Name.deferredFree, "objects freed after a grace period, drained every 1000; per object",
    threads: [1], warmOnly: "the objects are allocated anew for every batch",
    peers: [Peer.urcuBarrier]
  ) { _ throws(Refusal) in
    let ours = Loop { _, _, count in
      let before = freed.load(ordering: .relaxed)
      for _ in 0..<count / batch {
        for _ in 0..<batch {
          guard let object = unsafe malloc(64) else { continue }
          unsafe call_rcu(object.bindMemory(to: rcu_head.self, capacity: 1)) { head in
            WaitOperations.freed.wrappingAdd(1, ordering: .relaxed)
            unsafe free(head)
          }
        }
        rcu_barrier()
      }
      return freed.load(ordering: .relaxed) - before
    }
    return Trial(
      pages: 1,
      sides: [
        Side(
          "folio", granularity: batch, loop: ours,
          verify: { $1.expect(cfolio_rcu_pending(), 0, "deferred calls pending") }),
        Side(
          Peer.urcuBarrier, granularity: batch,
          loop: Loop { _, _, count in Int(liburcu_deferred_free(batch, count)) }),
      ])
  }
}
