// SPDX-License-Identifier: MIT

// Translations in use against the removal of what they lead to, and tables that are made at once
// (spec: core.md 10.5, T16, CI50, CI51).

import CFolio
import FolioCore

enum Translations {
  static let scenarios = [flush, stored, gathers, protect, populate, remove]

  /// A page of a device at address 0 of a space, and what it holds.
  private struct MappedPage {
    let pages: DevicePages
    let space: AddressSpace
    let payload: PlainWord

    init(_ rules: PageMap.Rules) throws {
      pages = try DevicePages(.fsdax, rules)
      space = try AddressSpace(pages: pages)
      try space.map(0, at: 0)
      payload = try PlainWord("the page's contents")
    }

    func tearDown() {
      space.tearDown()
      pages.tearDown()
      payload.free()
    }
  }

  /// C48: a thread stores through a translation that it looked up before the entry went.
  private static let flush = Scenario(
    "flush-translation",
    "a store through a translation against removal and reuse: the flush waits for it (CI51)",
    rules: [.strict, .kernel], size: 1, sizes: 1...2,
    obligations: ["stored", "faulted", "found dirty", "found clean"]
  ) { settings in
    let mapped = try MappedPage(settings.rules)
    let (pages, space, payload) = (mapped.pages, mapped.space, mapped.payload)
    let isReused = try SharedWord("somebody else's")
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { thread in
        (
          name: settings.size == 1 ? "writer" : "writer \(thread)",
          body: {
            var translation = translation()
            guard unsafe mmu_begin(space.mm, 0, thread == 0, &translation) else {
              return obligations.reach(1)
            }
            require(translation.pfn == pages.frame(0), "CI18", "it leads elsewhere")
            require(isReused.load() == 0, "CI51", "a translation outlives its flush")
            if thread == 0 {
              payload.write(1)
              obligations.reach(0)
            }
            unsafe mmu_end(space.mm, &translation)
          }
        )
      } + [
        (
          name: "unmapper",
          body: {
            let old = space.zap(0)
            obligations.reach(pte_dirty(old) ? 2 : 3)
            // What was stored is behind the dirty bit that the removal found.
            require(
              payload.read() == (pte_dirty(old) ? 1 : 0), "CI51",
              "the page's contents and the dirty bit differ")
            if unsafe folio_extra_refs(pages.folio(0)) == 0 { isReused.store(1) }
          }
        )
      ],
      conclude: { pages.require(0, references: 0) },
      tearDown: {
        mapped.tearDown()
        isReused.free()
      })
  }

  /// T16, P122: a page that was stored to is unmapped behind the flush only. Its file may rely on that.
  private static let stored = Scenario(
    "zap-dirty",
    "a store through a translation against zap: a page found unmapped is not stored to",
    rules: [.strict, .kernel],
    obligations: ["stored", "no translation", "unmapped", "mapped still"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    require(FaultRaces.store(world.space(), 0, 1), "VMA", "a store fails")
    let payload = try PlainWord("the page's contents")
    let isWrittenBack = try SharedWord("written back")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: {
            var translation = translation()
            let mm = unsafe world.space().mm
            guard unsafe mmu_begin(mm, MappedFile.address(0), true, &translation) else {
              return obligations.reach(1)
            }
            payload.write(1)
            require(isWrittenBack.load() == 0, "CI51", "a store behind the last look at the page")
            obligations.reach(0)
            unsafe mmu_end(mm, &translation)
          }
        ),
        (
          name: "discarder",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().discard(MappedFile.addresses(0..<1))
            }
          }
        ),
        (
          name: "owner",
          body: {
            guard world.mappings(0) == 0 else { return obligations.reach(3) }
            smp_rmb()
            obligations.reach(2)
            isWrittenBack.store(1)
            _ = payload.read()
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        world.require(filePages: 0)
      },
      tearDown: {
        world.tearDown()
        payload.free()
        isWrittenBack.free()
      })
  }

  /// Of two removals of one entry the second finds nothing; its end promises a flush all the same.
  private static let gathers = Scenario(
    "flush-gathers", "two removals of one entry: whoever ends sees no translation in use (10.5)",
    rules: [.strict], obligations: ["stored", "faulted", "found nothing"]
  ) { settings in
    let mapped = try MappedPage(settings.rules)
    let (pages, space, payload) = (mapped.pages, mapped.space, mapped.payload)
    let obligations = settings.obligations
    let unmap = {
      let old = space.zap(0)
      if pte_none(old) { obligations.reach(2) }
      // Nobody stores any more: reading needs no lock.
      _ = payload.read()
    }
    return ProgramWorld(
      [
        (name: "writer", body: writer(space, payload, obligations)),
        (name: "unmapper", body: unmap), (name: "unmapper", body: unmap),
      ],
      conclude: { pages.require(0, references: 0) },
      tearDown: { mapped.tearDown() })
  }

  /// Stores to the page at address 0, if it is there and may be written. Obligation 0: it did, 1: not.
  private static func writer(
    _ space: AddressSpace, _ payload: PlainWord, _ obligations: Obligations
  ) -> () -> Void {
    {
      var translation = translation()
      guard unsafe mmu_begin(space.mm, 0, true, &translation) else { return obligations.reach(1) }
      payload.write(1)
      obligations.reach(0)
      unsafe mmu_end(space.mm, &translation)
    }
  }

  /// What fork does to an entry: its change is no full operation, so the flush has to order it in front of
  /// its look at who uses translations. A first user that it does not see has to see the change.
  private static let protect = Scenario(
    "flush-protect",
    "a space's second user stores against a write protection: not behind its flush",
    rules: [.strict], obligations: ["stored", "refused", "protected"]
  ) { settings in
    let mapped = try MappedPage(settings.rules)
    let (space, payload) = (mapped.space, mapped.payload)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "writer", body: writer(space, payload, obligations)),
        (
          name: "protector",
          body: {
            let place = unsafe pgtable_walk_lock(space.mm, 0, PGTABLE_LEVEL_PTE)
            unsafe ptep_set_wrprotect(place.entry!)
            unsafe flush_tlb_mm(space.mm)
            // Nobody stores any more: copying what the page holds needs no lock.
            _ = payload.read()
            unsafe spin_unlock(place.lock!)
            obligations.reach(2)
          }
        ),
      ],
      conclude: {},
      tearDown: {
        _ = space.zap(0)
        mapped.tearDown()
      })
  }

  /// An empty table is taken out while a fault is on its way to it: what the fault sets is not lost.
  private static let remove = Scenario(
    "table-remove", "a fault on its way to a table that is taken out: its entry is not lost (CI50)",
    rules: [.strict], obligations: ["set in the table", "no table", "taken out", "in use"]
  ) { settings in
    let space = try AddressSpace(pages: nil)
    _ = unsafe try space.place(0)
    let isSet = try SharedWord("an entry was set")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "fault",
          body: {
            let place = unsafe pgtable_walk_lock(space.mm, 0, PGTABLE_LEVEL_PTE)
            guard let entry = unsafe place.entry else { return obligations.reach(1) }
            unsafe set_pte_at(entry, softleaf_pte(7, SOFTLEAF_HWPOISON))
            isSet.store(1)
            unsafe spin_unlock(place.lock!)
            obligations.reach(0)
          }
        ),
        (
          name: "remover",
          body: {
            let pmd = unsafe pgtable_walk_lock(space.mm, 0, PGTABLE_LEVEL_PMD)
            let table = unsafe pmd_page_table(ptep_get(pmd.entry!))
            unsafe spin_lock(&table.pointee.ptl)
            let isEmpty = unsafe pte_none(ptep_get(pgtable_entry(table, 0)))
            if isEmpty { _ = unsafe ptep_get_and_clear(pmd.entry!) }
            unsafe spin_unlock(&table.pointee.ptl)
            unsafe spin_unlock(pmd.lock!)
            if isEmpty { unsafe pgtable_free_rcu(table) }
            obligations.reach(isEmpty ? 2 : 3)
          }
        ),
      ],
      conclude: {
        let entry = unsafe space.entry(0, PGTABLE_LEVEL_PTE)
        let isThere = unsafe entry.map { unsafe !pte_none(ptep_get($0)) } ?? false
        require(isThere == (isSet.load() == 1), "CI50", "an entry went with its table")
      },
      tearDown: {
        space.tearDown()
        isSet.free()
      })
  }

  /// Two faults need the same tables: one of each is made, and a walk that comes by finds them whole.
  private static let populate = Scenario(
    "table-populate", "two faults make the same tables: each is made once, and found complete",
    rules: [.strict], obligations: ["found", "not yet"]
  ) { settings in
    let space = try AddressSpace(pages: nil)
    let (first, second) = (try SharedWord("first's entry"), try SharedWord("second's entry"))
    let obligations = settings.obligations
    func make(_ page: Int, _ entry: SharedWord) {
      var failed = false
      let place = unsafe pgtable_walk_alloc(
        space.mm, AddressSpace.address(page), PGTABLE_LEVEL_PTE, &failed)
      let table = unsafe UInt(bitPattern: place.table)
      require(table != 0, "CI50", "no table was made")
      entry.store(Int32(truncatingIfNeeded: table >> 4))
    }
    return ProgramWorld(
      [
        (name: "fault 1", body: { make(0, first) }), (name: "fault 2", body: { make(1, second) }),
        (
          name: "walker",
          body: {
            rcu_read_lock()
            let place = unsafe pgtable_walk(space.mm, 0, PGTABLE_LEVEL_PTE)
            if let entry = unsafe place.entry {
              obligations.reach(0)
              require(unsafe pte_none(ptep_get(entry)), "CI50", "a new table with an entry in it")
            } else {
              obligations.reach(1)
            }
            rcu_read_unlock()
          }
        ),
      ],
      conclude: {
        require(first.load() == second.load(), "CI50", "two tables were made for one place")
        require(
          unsafe atomic_long_read(&space.mm.pointee.pgtables) == 4, "CI53",
          "tables are counted wrong")
      },
      tearDown: {
        space.tearDown()
        first.free()
        second.free()
      })
  }
}
