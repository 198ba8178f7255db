// SPDX-License-Identifier: MIT

// RCU itself: readers against synchronize_rcu(), call_rcu() and rcu_barrier(). Memory that is freed
// comes from the seam, so that a reader that comes too late is seen.

import CFolio
import FolioCore

enum GracePeriods {
  static let scenarios = [synchronize, deferred, barrier]

  /// A word that a pointer leads to: the pointer is 1 while it does.
  private static func read(
    _ pointer: SharedWord, _ memory: UnsafeMutablePointer<atomic_t>, _ obligations: Obligations
  ) {
    rcu_read_lock()
    let found = pointer.loadAcquire() != 0
    if found {
      require(unsafe atomic_read(memory) == 7, "RCU", "a reader sees other contents")
      // A second look in the same section: the memory stays until the section ends.
      require(unsafe atomic_read(memory) == 7, "RCU", "contents changed under a reader")
    }
    rcu_read_unlock()
    obligations.reach(found ? 0 : 1)
  }

  private static func object() throws -> UnsafeMutablePointer<atomic_t> {
    let memory = unsafe try seamMemory(atomic_t.self, extra: 60)
    unsafe atomic_set(memory, 7)
    return unsafe memory
  }

  private static let synchronize = Scenario(
    "rcu-synchronize",
    "synchronize_rcu against readers: freed after the last who may have found it",
    rules: [.strict], size: 2, sizes: 1...3, obligations: ["found", "not found"]
  ) { settings in
    let memory = unsafe try object()
    let pointer = try SharedWord("pointer", 1)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { _ in
        (name: "reader", body: { unsafe read(pointer, memory, obligations) })
      } + [
        (
          name: "writer",
          body: {
            pointer.storeRelease(0)
            synchronize_rcu()
            unsafe atomic_set(memory, 8)
            unsafe cfolio_free(memory)
          }
        )
      ], conclude: {}, tearDown: { pointer.free() })
  }

  /// The deferred call's memory: the head, then the word.
  @safe
  private struct Deferred {
    let head: UnsafeMutablePointer<rcu_head>
    init() throws {
      unsafe head = try unsafe seamMemory(rcu_head.self, extra: 48)
      unsafe atomic_set(word, 7)
    }
    var word: UnsafeMutablePointer<atomic_t> {
      unsafe UnsafeMutableRawPointer(head + 1).assumingMemoryBound(to: atomic_t.self)
    }
  }

  private static let deferred = Scenario(
    "rcu-call",
    "call_rcu from inside a read section against another reader: nobody's eyes are poked out",
    rules: [.strict], size: 1, sizes: 1...2, obligations: ["found", "not found"]
  ) { settings in
    let object = try Deferred()
    let pointer = try SharedWord("pointer", 1)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { _ in
        (name: "reader", body: { unsafe read(pointer, object.word, obligations) })
      } + [
        (
          name: "writer",
          body: {
            rcu_read_lock()
            pointer.storeRelease(0)
            unsafe call_rcu(object.head) { unsafe cfolio_free($0) }
            // The caller's own section holds the call up, too.
            require(
              unsafe atomic_read(object.word) == 7, "RCU", "freed inside the caller's section")
            rcu_read_unlock()
          }
        )
      ], conclude: {}, tearDown: { pointer.free() })
  }

  private static let barrier = Scenario(
    "rcu-barrier", "rcu_barrier waits for every call made before, in spite of a reader",
    rules: [.strict], obligations: ["found", "not found", "both calls had run"]
  ) { settings in
    let (first, second) = (try Deferred(), try Deferred())
    let pointer = try SharedWord("pointer", 1)
    let ran = try SharedWord("ran")
    let obligations = settings.obligations
    // The callback has no context: its object's second word is where it says that it ran.
    return ProgramWorld(
      [
        (name: "reader", body: { unsafe read(pointer, first.word, obligations) }),
        (
          name: "writer",
          body: {
            pointer.storeRelease(0)
            for object in [first, second] {
              unsafe call_rcu(object.head) { head in
                let word = unsafe UnsafeMutableRawPointer(head + 1)
                  .assumingMemoryBound(to: atomic_t.self)
                unsafe atomic_set(word, 8)
              }
            }
            rcu_barrier()
            let words = unsafe (atomic_read(first.word), atomic_read(second.word))
            require(words == (8, 8), "RCU", "a call made before the barrier has not run")
            obligations.reach(2)
            ran.store(1)
          }
        ),
      ],
      conclude: { require(ran.load() == 1, "RCU", "the barrier did not end") },
      tearDown: {
        unsafe cfolio_free(first.head)
        unsafe cfolio_free(second.head)
        pointer.free()
        ran.free()
      })
  }
}
