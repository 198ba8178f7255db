// SPDX-License-Identifier: MIT

// The fast walk against all that takes away what it walks over: entries, leaves, tables, the right of
// a parent to its pages (spec: core.md 12.6, T3, T5, T14).

import CFolio
import FolioCore

enum FastPins {
  static let scenarios = [zap, tableFree, collapse] + HugePins.scenarios + [fork, twoPins]

  /// T3: of the walk's reference and the removal's look at the counters, one sees the other.
  private static let zap = Scenario(
    "pin-zap", "a fast pin against the removal of its entry: pinned, or seen to be gone (T3)",
    rules: [.strict, .kernel], size: 1, sizes: 1...2,
    obligations: ["pinned", "not pinned", "in use at the removal", "idle at the removal"]
  ) { settings in
    let world = try PinnedPage(settings, threads: settings.size)
    try world.space.map(0, at: 0)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { thread in
        (
          name: settings.size == 1 ? "pinner" : "pinner \(thread)",
          body: world.pinner(thread, obligations)
        )
      } + [
        (
          name: "unmapper",
          body: {
            _ = world.space.zap(0)
            obligations.reach(world.handOnIfIdle() ? 3 : 2)
          }
        )
      ],
      conclude: {
        world.pages.require(0, references: 0)
        let entry = unsafe world.space.entry(0, PGTABLE_LEVEL_PTE)!
        require(unsafe pte_none(ptep_get(entry)), "CI18", "a removed entry is there again")
      }, tearDown: { world.tearDown() })
  }

  /// C15, C16: the walk is in a table that is taken out and freed.
  private static let tableFree = Scenario(
    "pin-table-free", "a fast walk against the end of a table: it reads no freed memory (CI50)",
    rules: [.strict], obligations: ["a reference", "none"]
  ) { settings in
    let world = try PinnedPage(settings, threads: 1)
    try world.space.map(0, at: 0)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "walker",
          body: {
            guard world.walks[0].take(1, FOLL_GET) == 1 else { return obligations.reach(1) }
            obligations.reach(0)
            require(world.payload.read() == 0, "CI59", "a page in use was given away")
            world.walks[0].put()
          }
        ),
        (
          name: "unmapper",
          body: {
            _ = world.space.zap(0)
            var tlb = unsafe mmu_gather()
            unsafe tlb_gather_mmu(&tlb, world.space.mm)
            let pmd = unsafe pgtable_walk_lock(world.space.mm, 0, PGTABLE_LEVEL_PMD)
            let table = unsafe pmd_page_table(ptep_get(pmd.entry!))
            unsafe spin_lock(&table.pointee.ptl)
            _ = unsafe ptep_get_and_clear(pmd.entry!)
            unsafe spin_unlock(&table.pointee.ptl)
            unsafe spin_unlock(pmd.lock!)
            unsafe tlb_remove_table(&tlb, table)
            unsafe tlb_finish_mmu(&tlb)
            _ = world.reuseIfIdle()
          }
        ),
      ],
      conclude: { world.pages.require(0, references: 0) }, tearDown: { world.tearDown() })
  }

  /// C15: the entry above goes while the walk is in the table, whose entries stay as they were.
  private static let collapse = Scenario(
    "pin-collapse", "a fast pin against a collapse: the table is out, or the pin is seen (C15)",
    rules: [.strict], obligations: ["pinned", "not pinned", "collapsed", "given up"]
  ) { settings in
    let world = try PinnedPage(settings, threads: 1)
    try world.space.map(0, at: 0)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "pinner", body: world.pinner(0, obligations)),
        (
          name: "collapser",
          body: {
            let mm = unsafe world.space.mm
            let pmd = unsafe pgtable_walk_lock(mm, 0, PGTABLE_LEVEL_PMD)
            let old = unsafe ptep_get_and_clear(pmd.entry!)
            unsafe flush_tlb_mm(mm)
            // What the page holds moves, unless somebody else has it.
            let isAlone = world.reuseIfIdle()
            if !isAlone { unsafe set_pte_at(pmd.entry!, old) }
            unsafe spin_unlock(pmd.lock!)
            obligations.reach(isAlone ? 2 : 3)
            guard isAlone else { return }
            let table = unsafe pmd_page_table(old)
            _ = unsafe ptep_get_and_clear(pgtable_entry(table, 0))
            unsafe folio_remove_rmap_pte(
              world.pages.folio(0), world.pages.page(0), mm.pointee.mm_id)
            unsafe folio_put(world.pages.folio(0))
            unsafe pgtable_free_rcu(table)
          }
        ),
      ],
      conclude: {
        let isMapped = unsafe pmd_table(ptep_get(world.space.entry(0, PGTABLE_LEVEL_PMD)!))
        world.pages.require(0, references: isMapped ? 1 : 0)
      }, tearDown: { world.tearDown() })
  }

  /// T5: a fork write-protects between two changes of the sequence; a pin that it missed is undone.
  private static let fork = Scenario(
    "pin-fork", "a fast pin against a fork that looks for pins: seen, or undone (T5, CI42)",
    rules: [.strict], obligations: ["pinned", "not pinned", "the fork copies", "the fork shares"]
  ) { settings in
    let world = try PinnedPage(settings, threads: 1)
    try world.space.map(0, at: 0)
    let mm = unsafe world.space.mm
    let place = unsafe try world.space.place(0)
    let shared = try SharedWord("shared with the child")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard world.walks[0].take(1, FOLL_PIN | FOLL_WRITE) == 1 else {
              return obligations.reach(1)
            }
            obligations.reach(0)
            require(shared.load() == 0, "CI42", "a pinned page is shared with a child")
            world.walks[0].unpin()
          }
        ),
        (
          name: "fork",
          body: {
            unsafe write_protect_seq_begin(mm)
            unsafe spin_lock(place.lock!)
            unsafe ptep_set_wrprotect(place.entry!)
            let sequence = unsafe UInt32(bitPattern: atomic_read(&mm.pointee.write_protect_seq))
            let isPinned = unsafe folio_needs_cow_for_dma(
              atomic_read(&mm.pointee.has_pinned) != 0, sequence, world.pages.folio(0))
            if !isPinned { shared.store(1) }
            unsafe spin_unlock(place.lock!)
            unsafe write_protect_seq_end(mm)
            obligations.reach(isPinned ? 2 : 3)
          }
        ),
      ],
      conclude: { world.pages.require(0, references: 1) },
      tearDown: {
        shared.free()
        world.tearDown()
      })
  }

  /// Two walks over two pages: each is all there, and what is counted agrees at the end (CI45).
  private static let twoPins = Scenario(
    "pin-two-pages", "fast pins of two pages against the removal of the second: a prefix is pinned",
    rules: [.strict], obligations: ["both", "the first", "none"]
  ) { settings in
    let world = try PinnedPage(settings, threads: 1)
    try world.space.map(0, at: 0)
    try world.space.map(1, at: 1)
    let obligations = settings.obligations
    let before = foll_pin_statistics()
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let count = world.walks[0].take(2)
            obligations.reach(2 - count)
            if count == 2 {
              require(world.payload.read() == 0, "CI59", "a pinned page was given away")
            }
            if count > 0 { world.walks[0].unpin(count) }
          }
        ),
        (
          name: "unmapper",
          body: {
            _ = world.space.zap(1)
            _ = world.handOnIfIdle(1)
            _ = world.space.zap(0)
          }
        ),
      ],
      conclude: {
        world.pages.require(0, references: 0)
        world.pages.require(1, references: 0)
        let now = foll_pin_statistics()
        require(
          now.acquired - before.acquired == now.released - before.released, "CI45",
          "pins taken and given back differ")
      },
      tearDown: { world.tearDown() })
  }
}
