// SPDX-License-Identifier: MIT

// The locks that address spaces need: many readers or one writer, SRCU, the folio lock, and the lock of
// an area, which a fault takes without that of the map.

import CFolio
import FolioCore

enum MapLocks {
  static let scenarios = [semaphore, downgrade, sleepable, folioLock, area]

  private static let semaphore = Scenario(
    "rwsem", "readers and writers of a semaphore: a writer is alone, nobody sleeps for ever",
    rules: [.strict], size: 1, sizes: 1...2,
    obligations: ["a reader before a writer", "a reader behind the writers", "trylock failed"]
  ) { settings in
    let sem = unsafe try seamMemory(rw_semaphore.self)
    unsafe init_rwsem(sem, nil)
    let payload = try PlainWord("payload")
    let obligations = settings.obligations
    let write = {
      unsafe down_write(sem)
      payload.write(payload.read() + 1)
      unsafe up_write(sem)
    }
    let read = {
      unsafe down_read(sem)
      let value = payload.read()
      obligations.reach(value == 0 ? 0 : value == 2 ? 1 : 0)
      unsafe up_read(sem)
    }
    let attempt = {
      if unsafe down_write_trylock(sem) {
        payload.write(payload.read() + 1)
        unsafe up_write(sem)
      } else {
        obligations.reach(2)
        unsafe down_write(sem)
        payload.write(payload.read() + 1)
        unsafe up_write(sem)
      }
    }
    return ProgramWorld(
      (0..<settings.size).map { _ in (name: "reader", body: read) }
        + [(name: "writer", body: write), (name: "tryer", body: attempt)],
      conclude: {
        require(payload.read() == 2, "LOCK", "a writer's addition is lost")
        require(unsafe !rwsem_is_locked(sem), "LOCK", "the semaphore is held at the end")
      },
      tearDown: {
        payload.free()
        unsafe cfolio_free(sem)
      })
  }

  private static let downgrade = Scenario(
    "rwsem-downgrade", "a writer goes on as a reader: readers that slept come in beside it",
    rules: [.strict],
    obligations: ["a reader comes in", "trylock of a reader failed"]
  ) { settings in
    let sem = unsafe try seamMemory(rw_semaphore.self)
    unsafe init_rwsem(sem, nil)
    let done = unsafe try seamMemory(CFolio.completion.self)
    unsafe init_completion(done)
    readyWaitTable()
    let payload = try PlainWord("payload")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "downgrader",
          body: {
            unsafe down_write(sem)
            payload.write(1)
            unsafe downgrade_write(sem)
            // The reader comes in beside it, also one that slept.
            unsafe wait_for_completion(done)
            require(payload.read() == 1, "LOCK", "a writer came between write and read")
            unsafe up_read(sem)
          }
        ),
        (
          name: "reader",
          body: {
            if unsafe !down_read_trylock(sem) {
              obligations.reach(1)
              unsafe down_read(sem)
            }
            if payload.read() == 1 { obligations.reach(0) }
            unsafe complete_all(done)
            unsafe up_read(sem)
          }
        ),
      ],
      conclude: {
        require(unsafe !rwsem_is_locked(sem), "LOCK", "held at the end")
        requireNoWaiter()
      },
      tearDown: {
        payload.free()
        unsafe cfolio_free(done)
        unsafe cfolio_free(sem)
      })
  }

  private static let sleepable = Scenario(
    "srcu", "synchronize_srcu against readers: freed after the last who may have found it",
    rules: [.strict], size: 1, sizes: 1...2, obligations: ["found", "not found"]
  ) { settings in
    let srcu = unsafe try seamMemory(srcu_struct.self)
    guard unsafe init_srcu_struct(srcu) == 0 else { throw ScenarioMemoryError() }
    let memory = unsafe try seamMemory(atomic_t.self, extra: 60)
    unsafe atomic_set(memory, 7)
    let pointer = try SharedWord("pointer", 1)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { _ in
        (
          name: "reader",
          body: {
            let index = unsafe srcu_read_lock(srcu)
            let found = pointer.loadAcquire() != 0
            if found { require(unsafe atomic_read(memory) == 7, "RCU", "other contents") }
            unsafe srcu_read_unlock(srcu, index)
            obligations.reach(found ? 0 : 1)
          }
        )
      } + [
        (
          name: "writer",
          body: {
            // A reader that is late for this one must not be missed by the next.
            unsafe synchronize_srcu(srcu)
            pointer.storeRelease(0)
            unsafe synchronize_srcu(srcu)
            unsafe atomic_set(memory, 8)
            unsafe cfolio_free(memory)
          }
        )
      ], conclude: {},
      tearDown: {
        pointer.free()
        unsafe cleanup_srcu_struct(srcu)
        unsafe cfolio_free(srcu)
      })
  }

  private static let folioLock = Scenario(
    "folio-lock", "folio_lock against folio_lock and trylock: one inside, no lost wake",
    rules: [.strict], size: 1, sizes: 1...2, obligations: ["trylock failed"]
  ) { settings in
    let page = unsafe try seamMemory(CFolio.page.self)
    unsafe cfolio_ram_init_page(page)
    let folio = unsafe UnsafeMutableRawPointer(page).assumingMemoryBound(to: CFolio.folio.self)
    readyWaitTable()
    let payload = try PlainWord("payload")
    let obligations = settings.obligations
    let addAndUnlock = {
      payload.write(payload.read() + 1)
      unsafe folio_unlock(folio)
    }
    return ProgramWorld(
      (0..<settings.size).map { _ in
        (
          name: "locker",
          body: {
            unsafe folio_lock(folio)
            addAndUnlock()
          }
        )
      } + [
        (
          name: "tryer",
          body: {
            if unsafe !folio_trylock(folio) {
              obligations.reach(0)
              unsafe folio_lock(folio)
            }
            addAndUnlock()
          }
        )
      ],
      conclude: {
        require(Int(payload.read()) == settings.size + 1, "LOCK", "an addition is lost")
        requireNoWaiter()
      },
      tearDown: {
        payload.free()
        unsafe cfolio_free(page)
      })
  }

  /// One area of one page. A fault takes its lock, or the map's; the other thread unmaps it.
  private static let area = Scenario(
    "area-lock", "a fault's lock of an area against its removal: found whole, or not at all",
    rules: [.strict], size: 1, sizes: 1...2,
    obligations: ["locked", "gone"]
  ) { settings in
    let space = try AddressSpace(pages: nil)
    let vma = unsafe try space.addArea(0..<1)
    readyWaitTable()
    let payload = try PlainWord("what only the area's owner may write")
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { _ in
        (
          name: "fault",
          body: {
            if let found = unsafe lock_vma_under_rcu(space.mm, 0) {
              obligations.reach(0)
              require(
                unsafe found.pointee.vm_end == AddressSpace.address(1), "VMA",
                "an area of other size")
              _ = payload.read()
              unsafe vma_end_read(found)
              return
            }
            unsafe down_read(&space.mm.pointee.mmap_lock)
            // Who could not have the area's lock met the unmapper, which holds the map's.
            require(unsafe vma_lookup(space.mm, 0) == nil, "VMA", "an area that cannot be locked")
            obligations.reach(1)
            unsafe up_read(&space.mm.pointee.mmap_lock)
          }
        )
      } + [
        (
          name: "unmapper",
          body: {
            unsafe down_write(&space.mm.pointee.mmap_lock)
            unsafe vma_start_write(vma)
            payload.write(1)
            unsafe vma_index_replace(space.mm, nil)
            unsafe up_write(&space.mm.pointee.mmap_lock)
          }
        )
      ],
      conclude: { requireNoWaiter() },
      tearDown: {
        payload.free()
        space.tearDown()
      })
  }
}
