// SPDX-License-Identifier: MIT

// Locks, and waits that drop one while they sleep. Whoever is inside says so in a word: two at a time
// is a broken lock.

import CFolio
import FolioCore

enum LockWaits {
  static let scenarios = [locks, spinlock, mutex, handOut]

  /// Says that the caller is inside, and that nobody else is.
  private static func inside(_ word: SharedWord, _ body: () -> Void) {
    require(word.exchange(1) == 0, "LOCK", "two threads inside at once")
    body()
    word.store(0)
  }

  private static let locks = Scenario(
    "locks", "spinlock, trylock and bit lock: one thread inside at a time, nothing is lost",
    rules: [.strict], size: 2, sizes: 1...2, obligations: ["trylock took it", "trylock failed"]
  ) { settings in
    let lock = unsafe try seamMemory(spinlock_t.self)
    let bits = unsafe try seamMemory(shared_t.self)
    unsafe spin_lock_init(lock, nil)
    let (holder, count) = (try SharedWord("inside"), try SharedWord("count"))
    let taken = try SharedWord("taken")
    let obligations = settings.obligations
    let locker = {
      unsafe spin_lock(lock)
      inside(holder) { count.store(count.load() + 1) }
      unsafe spin_unlock(lock)
      unsafe bit_spin_lock(31, bits)
      taken.store(taken.load() + 1)
      unsafe bit_spin_unlock(31, bits)
    }
    return ProgramWorld(
      (0..<settings.size).map { _ in (name: "locker", body: locker) } + [
        (
          name: "tryer",
          body: {
            let got = unsafe spin_trylock(lock)
            obligations.reach(got ? 0 : 1)
            guard got else { return }
            inside(holder) { count.store(count.load() + 1) }
            unsafe spin_unlock(lock)
          }
        )
      ],
      conclude: {
        require(
          Int(taken.load()) == settings.size, "LOCK", "an addition under the bit lock is lost")
        require(Int(count.load()) >= settings.size, "LOCK", "an addition under the lock is lost")
        require(unsafe !spin_is_locked(lock), "LOCK", "the lock is held at the end")
      },
      tearDown: {
        unsafe cfolio_free(lock)
        unsafe cfolio_free(bits)
        holder.free()
        count.free()
        taken.free()
      })
  }

  private static let spinlock = Scenario(
    "wait-spinlock", "a wait that drops a spinlock: condition and wake under the same lock",
    rules: [.strict], size: 1, sizes: 1...2,
    obligations: ["slept with the lock dropped", "met at once"]
  ) { settings in
    readyWaitTable()
    let lock = unsafe try seamMemory(spinlock_t.self)
    unsafe spin_lock_init(lock, nil)
    let (word, holder) = (try SharedWord("ready"), try SharedWord("inside"))
    let obligations = settings.obligations
    let waiter = {
      var options = unsafe wait_options(exclusive: false)
      unsafe options.spinlock = lock
      unsafe spin_lock(lock)
      let wait = unsafe FlagWait(word, options)
      inside(holder) { require(wait.met, "CI47", "a wait came back with its condition false") }
      unsafe spin_unlock(lock)
      obligations.reach(wait.hasSlept ? 0 : 1)
    }
    return ProgramWorld(
      (0..<settings.size).map { _ in (name: "waiter", body: waiter) } + [
        (
          name: "waker",
          body: {
            unsafe spin_lock(lock)
            inside(holder) { word.store(1) }
            unsafe wake_up_var_locked(word.address)
            unsafe spin_unlock(lock)
          }
        )
      ], conclude: {},
      tearDown: {
        unsafe cfolio_free(lock)
        word.free()
        holder.free()
      })
  }

  private static let mutex = Scenario(
    "wait-mutex", "a wait that drops a mutex: it is held again when the wait is over",
    rules: [.strict], obligations: ["slept with the mutex dropped", "met at once"]
  ) { settings in
    readyWaitTable()
    let lock = unsafe try seamMemory(CFolio.mutex.self)
    unsafe mutex_init(lock, nil)
    let (word, holder) = (try SharedWord("ready"), try SharedWord("inside"))
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "waiter",
          body: {
            var options = unsafe wait_options(exclusive: false)
            unsafe options.mutex = lock
            unsafe mutex_lock(lock)
            let wait = unsafe FlagWait(word, options)
            inside(holder) { require(wait.met, "CI47", "came back with its condition false") }
            unsafe mutex_unlock(lock)
            obligations.reach(wait.hasSlept ? 0 : 1)
          }
        ),
        (
          name: "waker",
          body: {
            unsafe mutex_lock(lock)
            inside(holder) { word.store(1) }
            unsafe mutex_unlock(lock)
            smp_mb()
            unsafe wake_up_var(word.address)
          }
        ),
        (
          name: "third",
          body: {
            unsafe mutex_lock(lock)
            inside(holder) {}
            unsafe mutex_unlock(lock)
          }
        ),
      ], conclude: {},
      tearDown: {
        unsafe cfolio_free(lock)
        word.free()
        holder.free()
      })
  }

  /// An eviction that finds the page by its frame before the driver has its lock.
  private static let handOut = Scenario(
    "hand-out-lock",
    "zone_device_page_init against a getter by frame that locks: one works on the page at a time",
    rules: [.strict],
    obligations: ["the page is home", "the getter has the lock", "somebody else has the lock"]
  ) { settings in
    let pages = try DevicePages(.devicePrivate, settings.rules)
    let (holder, obligations) = (try SharedWord("inside"), settings.obligations)
    return ProgramWorld(
      [
        (
          name: "driver",
          body: {
            unsafe zone_device_page_init(pages.page(0))
            inside(holder) {}
            unsafe folio_unlock(pages.folio(0))
            unsafe folio_put(pages.folio(0))
          }
        ),
        (
          name: "getter",
          body: {
            guard let folio = unsafe try_get_folio(pages.page(0), 1) else {
              return obligations.reach(0)
            }
            if unsafe folio_trylock(folio) {
              obligations.reach(1)
              inside(holder) {}
              unsafe folio_unlock(folio)
            } else {
              obligations.reach(2)
            }
            unsafe folio_put(folio)
          }
        ),
      ], conclude: { pages.require(0, references: 0) },
      tearDown: {
        pages.tearDown()
        holder.free()
      })
  }
}
