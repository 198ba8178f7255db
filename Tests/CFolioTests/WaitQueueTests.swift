// SPDX-License-Identifier: MIT

// The wait functions of the C core: keys, exclusive wakes, locks dropped while asleep, bits,
// completions (spec: core.md section 13; rows 108, 109; CI47-CI49).

import CFolio
import FolioCore
import TestSupport
import Testing

/// A variable that threads wait on, with what a wait needs to know of it.
@safe
private final class Variable: @unchecked Sendable {
  // @unchecked: the words are atomic, the locks are locks.
  let word: UnsafeMutablePointer<atomic_t>
  let spinlock: UnsafeMutablePointer<spinlock_t>
  let mutex: UnsafeMutablePointer<mutex>

  init() {
    unsafe word = .allocate(capacity: 1)
    unsafe spinlock = .allocate(capacity: 1)
    unsafe mutex = .allocate(capacity: 1)
    unsafe atomic_set(word, 0)
    unsafe spin_lock_init(spinlock, nil)
    unsafe mutex_init(mutex, nil)
  }

  deinit {
    unsafe word.deallocate()
    unsafe spinlock.deallocate()
    unsafe mutex.deallocate()
  }

  var value: Int32 { unsafe atomic_read(word) }

  /// Waits until the word is positive, then takes one from it.
  func waitPositive(_ options: wait_options) -> Int64 {
    var options = unsafe options
    return unsafe wait_var_event_options(
      word,
      { context in
        let word = unsafe context!.assumingMemoryBound(to: atomic_t.self)
        return unsafe atomic_read_acquire(word) > 0
      }, word, &options)
  }

  func store(_ value: Int32) {
    unsafe store_release_wake_up(word, value)
  }
}

@Suite("Wait queues")
struct WaitQueueTests {
  private func sleeping(on variable: Variable) -> Bool {
    eventually { unsafe waitqueue_active(__var_waitqueue(variable.word)) }
  }

  @Test("a wake lets every waiter on its key go and none on another key")
  func keys() {
    let (one, other) = (Variable(), Variable())
    let done = Counter()
    let threads = (0..<4).map { index in
      NativeThread {
        let variable = index < 3 ? one : other
        #expect(unsafe variable.waitPositive(wait_options()) == 0)
        done.add(index < 3 ? 1 : 100)
      }
    }
    #expect(sleeping(on: one) && sleeping(on: other))
    one.store(1)
    #expect(eventually { done.value == 3 })
    cfolio_sleep_ns(2_000_000)
    #expect(done.value == 3, "the waiter on the other key sleeps on")
    other.store(1)
    for thread in threads { thread.join() }
    #expect(done.value == 103)
  }

  @Test("one wake lets one exclusive waiter go")
  func exclusive() {
    let variable = Variable()
    let done = Counter()
    let threads = (0..<3).map { _ in
      NativeThread {
        var options = unsafe wait_options()
        unsafe options.exclusive = true
        #expect(unsafe variable.waitPositive(options) == 0)
        done.add()
      }
    }
    // All three are asleep when the queue holds three entries.
    #expect(
      eventually {
        let queue = unsafe __var_waitqueue(variable.word)
        return unsafe atomic_read(&queue.pointee.entries) >= 3
      })
    unsafe atomic_set(variable.word, 1)
    for expected in 1...3 {
      unsafe wake_up_var_locked(variable.word)
      #expect(eventually { done.value >= expected })
      cfolio_sleep_ns(2_000_000)
      #expect(done.value == expected, "one wake, one waiter")
    }
    for thread in threads { thread.join() }
  }

  @Test("locks are dropped while asleep and held again when the condition is tested")
  func lockForms() {
    for useMutex in [false, true] {
      let variable = Variable()
      let waiter = NativeThread {
        var options = unsafe wait_options()
        if useMutex {
          unsafe mutex_lock(variable.mutex)
          unsafe options.mutex = variable.mutex
        } else {
          unsafe spin_lock(variable.spinlock)
          unsafe options.spinlock = variable.spinlock
        }
        unsafe options.io = true
        #expect(unsafe variable.waitPositive(options) == 0)
        if useMutex {
          #expect(unsafe !mutex_trylock(variable.mutex))
          unsafe mutex_unlock(variable.mutex)
        } else {
          #expect(unsafe spin_is_locked(variable.spinlock))
          unsafe spin_unlock(variable.spinlock)
        }
      }
      #expect(sleeping(on: variable))
      #expect(eventually { cfolio_io_waiters() > 0 })
      // The waiter sleeps, so both locks can be had.
      unsafe mutex_lock(variable.mutex)
      unsafe spin_lock(variable.spinlock)
      unsafe atomic_set(variable.word, 1)
      unsafe spin_unlock(variable.spinlock)
      unsafe mutex_unlock(variable.mutex)
      unsafe wake_up_var_locked(variable.word)
      waiter.join()
    }
    #expect(eventually { cfolio_io_waiters() == 0 })
  }

  @Test("the caller's own locks are dropped and retaken around each sleep")
  func ownLocks() {
    let variable = Variable()
    let order = Counter()
    let waiter = NativeThread {
      var options = unsafe wait_options()
      unsafe options.lock_context = Unmanaged.passUnretained(order).toOpaque()
      unsafe options.drop = {
        unsafe Unmanaged<Counter>.fromOpaque($0!).takeUnretainedValue().add(1)
      }
      unsafe options.retake = {
        unsafe Unmanaged<Counter>.fromOpaque($0!).takeUnretainedValue().add(100)
      }
      #expect(unsafe variable.waitPositive(options) == 0)
    }
    #expect(eventually { order.value == 1 }, "dropped, not yet retaken")
    variable.store(1)
    waiter.join()
    #expect(order.value % 101 == 0 && order.value > 0)
  }

  @Test("a timeout reports the time left, at least 1, or 0 when the condition stayed false")
  func timeouts() {
    let variable = Variable()
    var options = unsafe wait_options()
    unsafe options.timeout_ns = 3_000_000
    #expect(unsafe variable.waitPositive(options) == 0)
    variable.store(1)
    #expect(unsafe (1...3_000_000).contains(variable.waitPositive(options)))
  }

  @Test("an uninterruptible wait ignores its token; a true condition beats a fired one")
  func interruption() {
    let variable = Variable()
    let token = UnsafeMutablePointer<cancellation>.allocate(capacity: 1)
    unsafe cancellation_init(token)
    unsafe cancellation_fire(token, true)
    var options = unsafe wait_options()
    unsafe options.token = token
    unsafe options.timeout_ns = 2_000_000
    unsafe options.state = TASK_UNINTERRUPTIBLE
    #expect(unsafe variable.waitPositive(options) == 0)
    unsafe options.state = TASK_INTERRUPTIBLE
    #expect(unsafe variable.waitPositive(options) == -Int64(ERESTARTSYS))
    variable.store(1)
    #expect(unsafe variable.waitPositive(options) > 0)
    unsafe cancellation_reset(token)
    #expect(unsafe !signal_pending_state(TASK_INTERRUPTIBLE, token))
    unsafe token.deallocate()
  }

  @Test("a bit wait ends when the bit is clear; a decrement to 0 wakes")
  func bitsAndDecrements() {
    let word = UnsafeMutablePointer<shared_t>.allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(word).storeBytes(of: 0, as: UInt.self)
    unsafe set_bits(word, 1 << 5)
    let address = UInt(bitPattern: word)
    let waiter = NativeThread {
      unsafe wait_on_bit(UnsafeMutablePointer<shared_t>(bitPattern: address)!, 5)
    }
    cfolio_sleep_ns(1_000_000)
    unsafe clear_bits_unlock(word, 1 << 5)
    smp_mb()
    unsafe wake_up_bit(word, 5)
    waiter.join()
    unsafe word.deallocate()

    let variable = Variable()
    unsafe atomic_set(variable.word, 2)
    #expect(unsafe !atomic_dec_and_wake_up(variable.word))
    #expect(unsafe atomic_dec_and_wake_up(variable.word))
  }

  @Test("a completion lets present and future waiters go")
  func completions() {
    let completion = UnsafeMutablePointer<CFolio.completion>.allocate(capacity: 1)
    unsafe init_completion(completion)
    #expect(unsafe !wait_for_completion_timeout(completion, 1_000_000))
    let address = UInt(bitPattern: completion)
    let waiter = NativeThread {
      unsafe wait_for_completion(UnsafeMutablePointer<CFolio.completion>(bitPattern: address)!)
    }
    cfolio_sleep_ns(1_000_000)
    unsafe complete_all(completion)
    waiter.join()
    #expect(unsafe completion_done(completion) && wait_for_completion_timeout(completion, 1))
    unsafe completion.deallocate()
  }
}
