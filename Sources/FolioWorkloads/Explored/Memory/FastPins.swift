// SPDX-License-Identifier: MIT

// The fast walk against all that takes away what it walks over: entries, leaves, tables, the right of
// a parent to its pages (spec: core.md 12.6, T3, T5, T14).

import CFolio
import FolioCore

/// A page that is mapped and pinned by fast walks, and is given to somebody else when nobody has it.
@safe
private final class PinnedPage {
  let pages: DevicePages
  let space: AddressSpace
  /// What the page holds: its next owner writes, whoever pinned it reads.
  let payload: PlainWord
  private let found: UnsafeMutablePointer<UnsafeMutablePointer<page>?>
  private let threads: Int

  init(_ settings: Scenario.Settings, threads: Int) throws {
    pages = try DevicePages(.fsdax, settings.rules)
    space = try AddressSpace(pages: pages)
    payload = try PlainWord("the page")
    self.threads = threads
    unsafe found = try unsafe seamMemory(UnsafeMutablePointer<page>?.self, count: 8 * threads)
  }

  /// Pins pages from `first` on by the walk; what it found is the thread's until `unpin`.
  func pin(_ thread: Int, first: Int = 0, count: Int = 1, _ flags: UInt32 = FOLL_PIN) -> Int {
    let start = AddressSpace.address(first)
    return Int(
      unsafe gup_fast(
        space.mm, start, start + AddressSpace.address(count), flags, found + 8 * thread))
  }

  func unpin(_ thread: Int, count: Int) {
    unsafe unpin_user_pages(found + 8 * thread, UInt(count))
  }

  func put(_ thread: Int) { unsafe gup_put_folio(page_folio(found[8 * thread]!), 1, FOLL_GET) }

  /// Nobody has references beyond mappings: the page may go to somebody else.
  func reuseIfIdle(_ index: Int = 0) -> Bool {
    guard unsafe folio_extra_refs(pages.folio(index)) == 0 else { return false }
    payload.write(1)
    return true
  }

  /// The same where nothing maps it any more; the next owner has it for a while.
  func handOnIfIdle(_ index: Int = 0) -> Bool {
    guard reuseIfIdle(index) else { return false }
    unsafe folio_ref_inc(pages.folio(index))
    unsafe folio_put(pages.folio(index))
    return true
  }

  func tearDown() {
    space.tearDown()
    pages.tearDown()
    payload.free()
    unsafe cfolio_free(found)
  }
}

enum FastPins {
  static let scenarios = [zap, tableFree, collapse, huge, slow, fork, twoPins]

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
          body: {
            guard world.pin(thread) == 1 else { return obligations.reach(1) }
            obligations.reach(0)
            require(world.payload.read() == 0, "CI59", "a pinned page was given away")
            world.unpin(thread, count: 1)
          }
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
            guard world.pin(0, FOLL_GET) == 1 else { return obligations.reach(1) }
            obligations.reach(0)
            require(world.payload.read() == 0, "CI59", "a page in use was given away")
            world.put(0)
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
        (
          name: "pinner",
          body: {
            guard world.pin(0) == 1 else { return obligations.reach(1) }
            obligations.reach(0)
            require(world.payload.read() == 0, "CI59", "a pinned page was moved")
            world.unpin(0, count: 1)
          }
        ),
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

  /// T14, C21: pins of a large folio, its removal, and its split when nobody has it.
  private static let huge = Scenario(
    "pin-huge", "fast pins of a huge leaf against its removal and split: no pin is left behind",
    rules: [.strict, .kernel], obligations: ["pinned", "not pinned", "split", "still in use"]
  ) { settings in
    let world = try PinnedPage(settings, threads: 1)
    let owner = try ScenarioOwner(of: world.pages, order: 1)
    let obligations = settings.obligations
    let folio = unsafe world.pages.folio(0)
    try owner.form()
    try world.space.mapLeaf(0, at: 0)
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let count = world.pin(0, count: 2)
            obligations.reach(count == 2 ? 0 : 1)
            guard count > 0 else { return }
            require(count == 2, "CI41", "half of a leaf is pinned")
            require(unsafe folio_maybe_dma_pinned(folio), "CI58", "a pin that is not seen")
            require(world.payload.read() == 0, "CI59", "a pinned page was given away")
            world.unpin(0, count: count)
          }
        ),
        (
          name: "unmapper",
          body: {
            _ = world.space.zap(0, PGTABLE_LEVEL_PMD)
            guard unsafe folio_ref_count(folio) == 0, world.reuseIfIdle() else {
              return obligations.reach(3)
            }
            do throws(PageMapError) {
              try owner.split()
              obligations.reach(2)
            } catch {
              report("CI33", "an idle folio cannot be split")
            }
          }
        ),
      ],
      conclude: {
        world.pages.require(0, references: 0)
        if unsafe folio_test_large(folio) {
          require(unsafe !folio_maybe_dma_pinned(folio), "CI2", "pins are left at the end")
        } else {
          world.pages.requireSmall(1)
        }
      },
      tearDown: {
        owner.free()
        world.tearDown()
      })
  }

  /// Pins under the lock of the leaf, and more of them on top, against its removal.
  private static let slow = Scenario(
    "pin-slow",
    "pins of a huge leaf under its lock against removal: each is counted as it is taken",
    rules: [.strict, .kernel], obligations: ["pinned", "gone", "idle", "in use at the removal"]
  ) { settings in
    let world = try PinnedPage(settings, threads: 1)
    let owner = try ScenarioOwner(of: world.pages, order: 1)
    let obligations = settings.obligations
    let folio = unsafe world.pages.folio(0)
    try owner.form()
    try world.space.mapLeaf(0, at: 0)
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let place = unsafe pgtable_walk_lock(world.space.mm, 0, PGTABLE_LEVEL_PMD)
            let isMapped = unsafe pmd_leaf(ptep_get(place.entry!))
            let result = isMapped ? unsafe try_grab_folio(folio, 2, FOLL_PIN) : -1
            unsafe spin_unlock(place.lock!)
            obligations.reach(isMapped ? 0 : 1)
            guard isMapped else { return }
            require(result == 0, "CI44", "a mapped folio cannot be pinned")
            unsafe folio_add_pin(folio)
            require(world.payload.read() == 0, "CI59", "a pinned page was given away")
            unsafe unpin_user_folio(folio, 3)
          }
        ),
        (
          name: "unmapper",
          body: {
            _ = world.space.zap(0, PGTABLE_LEVEL_PMD)
            obligations.reach(world.reuseIfIdle() ? 2 : 3)
          }
        ),
      ],
      conclude: {
        world.pages.require(0, references: 0)
        require(unsafe !folio_maybe_dma_pinned(folio), "CI2", "pins are left at the end")
      },
      tearDown: {
        owner.free()
        world.tearDown()
      })
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
            guard world.pin(0, FOLL_PIN | FOLL_WRITE) == 1 else { return obligations.reach(1) }
            obligations.reach(0)
            require(shared.load() == 0, "CI42", "a pinned page is shared with a child")
            world.unpin(0, count: 1)
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
            let count = world.pin(0, count: 2)
            obligations.reach(2 - count)
            if count == 2 {
              require(world.payload.read() == 0, "CI59", "a pinned page was given away")
            }
            if count > 0 { world.unpin(0, count: count) }
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
