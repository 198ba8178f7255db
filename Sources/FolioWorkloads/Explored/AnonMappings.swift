// SPDX-License-Identifier: MIT

// Anonymous pages (spec: core.md 4, 8, T6, CI42): a fast pin against giving up exclusivity and against
// fork, and mappings of large anonymous folios that go from two address spaces at once.

import CFolio
import FolioCore

enum AnonMappings {
  static let scenarios = [share, fork, family, huge]

  /// What two threads agree about through a one-word page table.
  private struct Words {
    let entry: SharedWord
    let kept: SharedWord
    let shared: SharedWord

    init() throws {
      entry = try SharedWord("entry", 1)
      kept = try SharedWord("kept")
      shared = try SharedWord("shared")
    }

    func requireApart() {
      require(
        kept.load() == 0 || shared.load() == 0, "CI42",
        "a page is pinned by one who may write it, and shared")
    }

    func free() { for word in [entry, kept, shared] { word.free() } }
  }

  /// A page of RAM that one address space maps alone.
  private static func anonPage() throws -> RAMPages {
    let pages = try RAMPages(1)
    unsafe set_page_count(pages.page(0), 1)
    unsafe folio_add_new_anon_rmap(pages.folio(0), 11, true)
    return pages
  }

  private static let bias = Int32(GUP_PIN_COUNTING_BIAS)

  /// T6.
  private static let share = Scenario(
    "anon-share", "a fast pin against giving up exclusivity: one of the two sees the other (T6)",
    rules: [.strict],
    obligations: [
      "a pin that was given back", "a pin that finds the page shared", "a pin that was kept",
      "the page was pinned", "the page is shared",
    ]
  ) { settings in
    let pages = try anonPage()
    let words = try Words()
    let (folio, obligations) = unsafe (pages.folio(0), settings.obligations)
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard words.entry.load() == 1 else { return }
            guard unsafe folio_ref_try_add(folio, bias) else { return }
            let isSame = words.entry.load() == 1
            smp_rmb()
            let isExclusive = unsafe folio_test_flag(folio, Int32(PG_anon_exclusive.rawValue))
            guard isSame && isExclusive else {
              obligations.reach(isSame ? 1 : 0)
              unsafe folio_put_refs(folio, bias)
              return
            }
            obligations.reach(2)
            words.kept.store(1)
          }
        ),
        (
          name: "sharer",
          body: {
            // Whoever comes from here on finds nothing mapped.
            _ = words.entry.exchange(0)
            let busy = unsafe folio_try_share_anon_rmap_pte(folio, pages.page(0)) != 0
            obligations.reach(busy ? 3 : 4)
            if !busy { words.shared.store(1) }
            // Mapped again: for reading only, or as before.
            words.entry.storeRelease(1)
          }
        ),
      ], conclude: { words.requireApart() },
      tearDown: {
        pages.tearDown()
        words.free()
      })
  }

  /// CI42: `write_protect_seq` is odd while a fork copies the page table.
  private static let fork = Scenario(
    "anon-fork", "a fast pin against a fork that shares the page: no pin survives it (CI42)",
    rules: [.strict],
    obligations: [
      "a fork was in progress", "a fork began meanwhile", "a pin that was kept",
      "the child gets a copy", "the page is shared",
    ]
  ) { settings in
    let pages = try anonPage()
    let words = try Words()
    let (sequence, pinned) = (try SharedWord("write_protect_seq"), try SharedWord("has_pinned"))
    let (folio, obligations) = unsafe (pages.folio(0), settings.obligations)
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            pinned.store(1)
            let before = sequence.loadAcquire()
            guard before & 1 == 0 else {
              obligations.reach(0)
              return
            }
            guard unsafe folio_ref_try_add(folio, bias) else { return }
            guard sequence.load() == before else {
              obligations.reach(1)
              unsafe folio_put_refs(folio, bias)
              return
            }
            obligations.reach(2)
            words.kept.store(before == 0 ? 1 : 0)
          }
        ),
        (
          name: "forker",
          body: {
            let now = UInt32(sequence.add(1))
            let mayBePinned = unsafe folio_needs_cow_for_dma(pinned.load() != 0, now, folio)
            let busy =
              unsafe folio_try_dup_anon_rmap_pte(folio, pages.page(0), 22, mayBePinned) != 0
            obligations.reach(busy ? 3 : 4)
            if !busy { words.shared.store(1) }
            _ = sequence.add(1)
          }
        ),
      ],
      conclude: {
        // A pin that was taken behind the fork is one of a page known to be shared.
        if words.kept.load() == 1 { words.requireApart() }
        let mappings = unsafe folio_mapcount(folio)
        require(mappings == 1 + words.shared.load(), "CI4", "the mappings are not two or one")
      },
      tearDown: {
        pages.tearDown()
        words.free()
        sequence.free()
        pinned.free()
      })
  }

  /// A new folio, its fork, and both address spaces giving it up at once.
  @unsafe
  private static func lives(
    _ name: StaticString, _ title: String, order: Int,
    dup: @escaping @Sendable (UnsafeMutablePointer<folio>) -> Int32,
    remove: @escaping @Sendable (UnsafeMutablePointer<folio>, mm_id_t) -> Void
  ) -> Scenario {
    Scenario(
      "\(name)", title, rules: [.strict],
      obligations: ["there was no child", "the child was last", "the parent was last"]
    ) { settings in
      let pages = try RAMPages(1 << order)
      unsafe prep_compound_page(pages.page(0), UInt32(order))
      let forked = try SharedWord("forked")
      let (folio, obligations) = unsafe (pages.folio(0), settings.obligations)
      return ProgramWorld(
        [
          (
            name: "parent",
            body: {
              unsafe folio_add_new_anon_rmap(folio, 11, true)
              unsafe _ = folio_trylock(folio)
              unsafe folio_move_anon_rmap(folio, 0x1000)
              unsafe folio_unlock(folio)
              require(unsafe dup(folio) == 0, "CI42", "a folio that nobody pinned was not shared")
              forked.storeRelease(1)
              unsafe remove(folio, 11)
              if unsafe !folio_mapped(folio) { obligations.reach(2) }
            }
          ),
          (
            name: "child",
            body: {
              guard forked.loadAcquire() == 1 else {
                obligations.reach(0)
                return
              }
              unsafe remove(folio, 22)
              if unsafe !folio_mapped(folio) { obligations.reach(1) }
            }
          ),
        ],
        conclude: {
          if unsafe folio_mapped(folio) { unsafe remove(folio, 22) }
          let (mappings, counted) = unsafe (
            folio_mapcount(folio), atomic_read(&folio.pointee._nr_pages_mapped)
          )
          require(mappings == 0 && counted == 0, "CI12", "a mapping is left over")
          let slots = unsafe folio_mm_slots(folio)
          let isUnowned = slots.id0 == 0 && slots.id1 == 0 && !slots.shared
          require(isUnowned, "CI15", "an owner is left over")
          let isExclusive = unsafe folio_test_flag(folio, Int32(PG_anon_exclusive.rawValue))
          require(!isExclusive, "CI42", "exclusive after a fork")
        },
        tearDown: {
          pages.tearDown()
          forked.free()
        })
    }
  }

  private static let family = unsafe lives(
    "anon-family", "parent and child unmap the pages of a large folio: nothing is left", order: 2,
    dup: { folio in
      let page = unsafe UnsafeMutableRawPointer(folio).assumingMemoryBound(to: page.self)
      return unsafe folio_try_dup_anon_rmap_ptes(folio, page, 4, 22, false)
    },
    remove: { folio, mm in
      let page = unsafe UnsafeMutableRawPointer(folio).assumingMemoryBound(to: page.self)
      unsafe folio_remove_rmap_ptes(folio, page, 4, mm)
    })

  private static let huge = unsafe lives(
    "anon-huge", "parent and child unmap a folio that one entry maps: nothing is left", order: 9,
    dup: { unsafe folio_try_dup_anon_rmap_pmd($0, 22, false) },
    remove: { unsafe folio_remove_rmap_pmd($0, $1) })
}
