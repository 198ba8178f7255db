// SPDX-License-Identifier: MIT

// What a wait may return (CI47, CI48) and whom a wake may wake (CI49). The core guarantees these by
// construction: the wait loop returns what its last test of the condition said, and both wake
// functions compare keys. So the tests play every script, and each fails when that is broken.

import CFolio
import FolioCore
import TestSupport
import Testing

/// A condition that becomes true at a given test, or never. One that becomes true wakes its own
/// waiter at each test until then, so that no script sleeps for good.
@safe
private final class Script: @unchecked Sendable {
  // @unchecked: used by one thread.
  let word: UnsafeMutablePointer<atomic_t>
  let trueAt: Int
  private(set) var tests = 0
  private(set) var lastAnswer = false

  init(trueAt: Int) {
    self.trueAt = trueAt
    unsafe word = .allocate(capacity: 1)
    unsafe atomic_set(word, 0)
  }

  deinit {
    unsafe word.deallocate()
  }

  private func test() -> Bool {
    tests += 1
    lastAnswer = tests >= trueAt
    if !lastAnswer && trueAt < Int.max {
      smp_mb()
      unsafe wake_up_var(word)
    }
    return lastAnswer
  }

  func wait(_ options: wait_options) -> Int64 {
    var options = unsafe options
    return unsafe wait_var_event_options(
      word, { unsafe Unmanaged<Script>.fromOpaque($0!).takeUnretainedValue().test() },
      Unmanaged.passUnretained(self).toOpaque(), &options)
  }
}

/// Many variables, whose keys fall into every bucket of the wait table.
@safe
private struct EveryBucket: ~Copyable {
  private let words: UnsafeMutablePointer<atomic_t>
  private static let count = 8192

  init() {
    unsafe words = .allocate(capacity: Self.count)
    let buckets = (0..<Self.count).map { unsafe UInt(bitPattern: __var_waitqueue(words + $0)) }
    #expect(Set(buckets).count == 1 << WAIT_TABLE_BITS)
  }

  deinit {
    unsafe words.deallocate()
  }

  /// Wakes keys that share the bucket of any waiter, but are nobody's.
  func wakeAll() {
    smp_mb()
    for index in 0..<Self.count { unsafe wake_up_var(words + index) }
  }
}

@Suite("What a wait may return and a wake may wake")
struct WaitContractTests {
  private enum Pending: CaseIterable { case none, signal, fatal }

  @Test("CI47: a wait returns success when its last test said so, an interruption when it did not")
  func results() {
    let token = UnsafeMutablePointer<cancellation>.allocate(capacity: 1)
    defer { unsafe token.deallocate() }
    for state in [TASK_RUNNING, TASK_UNINTERRUPTIBLE, TASK_KILLABLE, TASK_INTERRUPTIBLE] {
      for pending in Pending.allCases {
        unsafe cancellation_init(token)
        if pending != .none { unsafe cancellation_fire(token, pending == .fatal) }
        let ends =
          state == TASK_INTERRUPTIBLE && pending != .none
          || state == TASK_KILLABLE && pending == .fatal
        for trueAt in 1...6 {
          for exclusive in [false, true] {
            let script = Script(trueAt: trueAt)
            var options = unsafe wait_options()
            unsafe options.state = state
            unsafe options.token = token
            unsafe options.exclusive = exclusive
            let result = unsafe script.wait(options)
            // One test before the loop, one in it: a pending token ends the wait after those.
            let interrupted = ends && trueAt > 2
            #expect(result == (interrupted ? -Int64(ERESTARTSYS) : 0))
            #expect(script.lastAnswer == !interrupted)
            #expect(script.tests == (interrupted ? 2 : trueAt))
          }
        }
      }
    }
  }

  @Test("CI47: with a timeout, 0 means that the last test still said no")
  func timeouts() {
    for trueAt in [1, 2, 5, Int.max] {
      let script = Script(trueAt: trueAt)
      var options = unsafe wait_options()
      unsafe options.timeout_ns = trueAt == Int.max ? 2_000_000 : 3_600_000_000_000
      let left = unsafe script.wait(options)
      #expect((left == 0) == !script.lastAnswer)
      #expect((left == 0) == (trueAt == Int.max))
    }
  }

  @Test("wakes that come faster than a waiter can sleep do not keep it beyond its timeout")
  func wakeStorm() {
    let tests = Counter()
    let word = UnsafeMutablePointer<atomic_t>.allocate(capacity: 1)
    defer { unsafe word.deallocate() }
    // The condition wakes its own waiter each time; without an end of its own after many tests it
    // would hang where the timeout is lost.
    let context = unsafe (word, Unmanaged.passUnretained(tests).toOpaque())
    var options = unsafe wait_options()
    unsafe options.timeout_ns = 1_000_000
    let left = unsafe withUnsafePointer(to: context) { context in
      unsafe wait_var_event_options(
        word,
        { context in
          let (word, tests) = unsafe context!.assumingMemoryBound(
            to: (UnsafeMutablePointer<atomic_t>, UnsafeMutableRawPointer).self
          ).pointee
          unsafe wake_up_var(word)
          return unsafe Unmanaged<Counter>.fromOpaque(tests).takeUnretainedValue().add() > 2_000_000
        }, UnsafeMutableRawPointer(mutating: context), &options)
    }
    #expect(left == 0)
  }

  @Test("CI48: no uninterruptible wait returns an error, whatever fires while it lasts")
  func uninterruptible() {
    let token = UnsafeMutablePointer<cancellation>.allocate(capacity: 1)
    unsafe cancellation_init(token)
    unsafe cancellation_fire(token, true)
    let address = UInt(bitPattern: token)
    let stop = Flag()
    let firing = NativeThread {
      while !stop.isRaised {
        unsafe cancellation_fire(UnsafeMutablePointer(bitPattern: address)!, true)
        cfolio_sleep_ns(20_000)
      }
    }
    for _ in 0..<100 {
      let script = Script(trueAt: 20)
      var options = unsafe wait_options()
      unsafe options.state = TASK_UNINTERRUPTIBLE
      unsafe options.token = token
      #expect(unsafe script.wait(options) == 0)
      #expect(script.tests == 20)
    }
    stop.raise()
    firing.join()
    unsafe token.deallocate()
  }

  @Test("CI49: wakes of every other key in the bucket leave a sleeping waiter alone")
  func sleepers() {
    for exclusive in [false, true] {
      let tests = Counter()
      let word = UnsafeMutablePointer<atomic_t>.allocate(capacity: 1)
      unsafe atomic_set(word, 0)
      let address = UInt(bitPattern: word)
      let waiter = NativeThread {
        let word = unsafe UnsafeMutablePointer<atomic_t>(bitPattern: address)!
        var options = unsafe wait_options()
        unsafe options.exclusive = exclusive
        let context = unsafe (word, Unmanaged.passUnretained(tests).toOpaque())
        unsafe withUnsafePointer(to: context) { context in
          let result = unsafe wait_var_event_options(
            word,
            { context in
              let (word, tests) = unsafe context!.assumingMemoryBound(
                to: (UnsafeMutablePointer<atomic_t>, UnsafeMutableRawPointer).self
              ).pointee
              unsafe Unmanaged<Counter>.fromOpaque(tests).takeUnretainedValue().add()
              return unsafe atomic_read_acquire(word) != 0
            }, UnsafeMutableRawPointer(mutating: context), &options)
          #expect(result == 0)
        }
      }
      // One test before the loop, one when it is enqueued: then it sleeps.
      #expect(eventually { tests.value == 2 })
      let others = EveryBucket()
      for _ in 0..<20 { others.wakeAll() }
      // The same address with bits instead of none, and so many that one is in its bucket.
      let bits = unsafe UnsafeMutableRawPointer(word).assumingMemoryBound(to: shared_t.self)
      for bit in Int32(0)..<4096 { unsafe wake_up_bit(bits, bit) }
      cfolio_sleep_ns(5_000_000)
      #expect(tests.value == 2, "woken by a key that is not its own")
      unsafe store_release_wake_up(word, 1)
      waiter.join()
      #expect(tests.value == 3)
      unsafe word.deallocate()
    }
  }

  @Test("CI49: wakes of every other key in the bucket leave a callback alone")
  func callbacks() {
    let callback = UnsafeMutablePointer<wait_callback>.allocate(capacity: 1)
    let word = UnsafeMutablePointer<atomic_t>.allocate(capacity: 1)
    defer {
      unsafe callback.deallocate()
      unsafe word.deallocate()
    }
    let resumed = Counter()
    unsafe wait_callback_begin(
      callback, word,
      { unsafe Unmanaged<Counter>.fromOpaque($0.pointee.context!).takeUnretainedValue().add() },
      Unmanaged.passUnretained(resumed).toOpaque())
    EveryBucket().wakeAll()
    let bits = unsafe UnsafeMutableRawPointer(word).assumingMemoryBound(to: shared_t.self)
    for bit in Int32(0)..<4096 { unsafe wake_up_bit(bits, bit) }
    #expect(resumed.value == 0)
    unsafe wake_up_var(word)
    #expect(resumed.value == 1)
    unsafe wake_up_var(word)
    #expect(resumed.value == 1, "dequeued by its wake")
  }
}
