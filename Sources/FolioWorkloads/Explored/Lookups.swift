// SPDX-License-Identifier: MIT

// Getters with stale pointers against the ends of a folio that nobody else shapes: freed as a block of RAM
// page by page, or frozen at the count that its users explain and moved. And a device's actions at the end
// of its driver.

import CFolio
import FolioCore

enum Lookups {
  static let scenarios = [tails, migrate, actions]

  /// T8 for a large folio of RAM: whoever puts last takes it apart.
  private static let tails = Scenario(
    "free-tails", "a large folio is freed page by page against try_get_folio of a tail",
    rules: [.strict],
    obligations: ["the getter is refused", "the holder is last", "the getter is last"]
  ) { settings in
    let pages = try RAMPages(4)
    let obligations = settings.obligations
    unsafe prep_compound_page(pages.page(0), 2)
    unsafe set_page_count(pages.page(0), 1)
    let put = { (obligation: Int) in
      guard unsafe page_ref_sub_and_test(pages.page(0), 1) else { return }
      obligations.reach(obligation)
      for index in 1..<4 {
        let isBad = unsafe free_tail_page_prepare(pages.page(0), UInt(index)) != 0
        require(!isBad, "CI35", "a tail is not as its folio left it")
      }
    }
    return ProgramWorld(
      [
        (name: "holder", body: { put(1) }),
        (
          name: "getter",
          body: {
            guard let folio = unsafe try_get_folio(pages.page(3), 1) else {
              obligations.reach(0)
              return
            }
            let isHead = unsafe folio == pages.folio(0) && page_folio(pages.page(3)) == folio
            require(isHead, "CI37", "a folio that the page is not in")
            put(2)
          }
        ),
      ],
      conclude: {
        for index in 0..<4 {
          require(unsafe page_ref_count(pages.page(index)) == 0, "CI1", "references are left")
          let isTail = unsafe PageTail(pages.page(index))
          require(!isTail, "CI9", "a tail of a folio that is gone")
        }
      }, tearDown: { pages.tearDown() })
  }

  /// What a driver asked its device to do at the end is done once, unless it was taken back.
  private static let actions = Scenario(
    "device-actions", "an action is added, taken back and run at once: done once, or taken back",
    rules: [.strict],
    obligations: ["run", "taken back", "the device's lock was taken"]
  ) { settings in
    let device = unsafe try seamMemory(CFolio.device.self)
    unsafe device_initialize(device)
    let (runs, takenBack) = (try SharedWord("runs"), try SharedWord("taken back"))
    let obligations = settings.obligations
    let count: devm_action_t = {
      unsafe _ = atomic_add_return(1, $0!.assumingMemoryBound(to: atomic_t.self))
    }
    return ProgramWorld(
      [
        (
          name: "driver",
          body: {
            guard unsafe devm_add_action(device, count, runs.address) == 0 else { return }
            guard unsafe devm_remove_action_nowarn(device, count, runs.address) else { return }
            obligations.reach(1)
            takenBack.store(1)
          }
        ),
        (name: "end", body: { unsafe devres_release_all(device) }),
        (
          name: "watcher",
          body: {
            if unsafe mutex_trylock(&device.pointee.lock) {
              unsafe mutex_unlock(&device.pointee.lock)
            } else {
              obligations.reach(2)
            }
          }
        ),
      ],
      conclude: {
        if runs.load() == 1 { obligations.reach(0) }
        let ends = runs.load() + takenBack.load()
        require(ends == 1, "DEVRES", "an action was neither done once nor taken back")
        require(unsafe device.pointee.actions == nil, "DEVRES", "an action is left")
      },
      tearDown: {
        runs.free()
        takenBack.free()
        unsafe cfolio_free(device)
      })
  }

  /// A cached page is frozen at cache plus mover, as the folio lock allows.
  private static let migrate = Scenario(
    "migrate-freeze", "a move freezes at the count that cache and mappings explain, under the lock",
    rules: [.strict],
    obligations: [
      "moved", "a reference in the way", "truncated before", "a getter is refused",
      "truncated",
    ]
  ) { settings in
    let pages = try RAMPages(1)
    let moved = try SharedWord("moved")
    let (folio, obligations) = unsafe (pages.folio(0), settings.obligations)
    unsafe folio_set_mapping_word(folio, 0x1000)
    // The cache's, the mover's, and the truncating thread's.
    unsafe set_page_count(pages.page(0), 3)
    return ProgramWorld(
      [
        (
          name: "mover",
          body: {
            if unsafe folio_trylock(folio) {
              let isCached = unsafe folio_mapping_word(folio) != 0
              let expected = unsafe folio_expected_ref_count(folio)
              require(expected == (isCached ? 1 : 0), "CI1", "the cache's is not explained")
              if unsafe folio_ref_freeze(folio, expected + 1) {
                obligations.reach(0)
                moved.store(1)
                moved.store(0)
                unsafe folio_ref_unfreeze(folio, expected + 1)
              } else {
                obligations.reach(isCached ? 1 : 2)
              }
              unsafe folio_unlock(folio)
            }
            unsafe folio_put(folio)
          }
        ),
        (
          name: "truncater",
          body: {
            if unsafe folio_trylock(folio) {
              obligations.reach(4)
              unsafe folio_set_mapping_word(folio, 0)
              unsafe folio_unlock(folio)
              unsafe folio_put(folio)
            }
            unsafe folio_put(folio)
          }
        ),
        (
          name: "getter",
          body: {
            guard unsafe folio_try_get(folio) else {
              obligations.reach(3)
              return
            }
            require(moved.load() == 0, "CI39", "a folio was frozen under a reference")
            unsafe folio_put(folio)
          }
        ),
      ],
      conclude: {
        let left: Int32 = unsafe folio_mapping_word(folio) == 0 ? 0 : 1
        require(unsafe page_ref_count(pages.page(0)) == left, "CI1", "references are left")
        require(pages.isFree(0) == (left == 0), "CI22", "freed in use, or not freed")
      },
      tearDown: {
        pages.tearDown()
        moved.free()
      })
  }
}
