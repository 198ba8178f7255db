// SPDX-License-Identifier: MIT

// Faults against faults, and against all that takes away what they put in: removals by area, by file
// and by folio, munmap, mprotect (spec: core.md 9, 10, CI18, CI52, CI54).

import CFolio
import FolioCore

enum FaultRaces {
  static let scenarios = [
    faults, unmapFile, discard, twoSpaces, pinFault, munmap, protect, upgrade, stale, remap, placed,
  ]

  /// A touch of a page that may be gone; whether it was there.
  static func touch(_ space: MemoryMap, _ page: Int) -> Bool {
    do throws(MemoryError) {
      _ = try space.load(MappedFile.address(page))
      return true
    } catch {
      require(error.code == .fault, "VMA", "a load fails with another error")
      return false
    }
  }

  /// A store to a page that may be gone, or read-only; whether it came through.
  static func store(_ space: MemoryMap, _ page: Int, _ value: UInt) -> Bool {
    do throws(MemoryError) {
      try space.store(value, at: MappedFile.address(page))
      return true
    } catch {
      require(error.code == .fault, "VMA", "a store fails with another error")
      return false
    }
  }

  /// What a page holds, or nil: so many faults found it on its way.
  static func value(_ space: MemoryMap, _ page: Int, faults: Int) -> UInt? {
    var value: UInt = 0
    let count = unsafe access(space, page, isWrite: false, faults: faults) {
      unsafe value = shared_read($0)
    }
    return count == nil ? nil : value
  }

  /// Whether it was stored within so many faults.
  static func store(_ space: MemoryMap, _ page: Int, _ value: UInt, faults: Int) -> Bool {
    unsafe access(space, page, isWrite: true, faults: faults) { unsafe shared_set($0, value) }
      != nil
  }

  /// A touch of a page that must be there; whether it took a fault.
  static func touchFaulting(_ space: MemoryMap, _ page: Int) -> Bool {
    let count = unsafe access(space, page, isWrite: false, faults: 8) { _ = unsafe shared_read($0) }
    require(count != nil, "VMA", "no page is there")
    return count != 0
  }

  private static func access(
    _ space: MemoryMap, _ page: Int, isWrite: Bool, faults: Int,
    _ body: (UnsafeMutablePointer<shared_t>) -> Void
  ) -> Int? {
    do throws(MemoryError) {
      return unsafe try space.access(MappedFile.address(page), isWrite: isWrite, faults: faults) {
        unsafe body($1)
      }
    } catch {
      report("VMA", "an access fails")
      return nil
    }
  }

  /// What a page holds that must be there.
  static func value(_ space: MemoryMap, _ page: Int) -> UInt {
    do throws(MemoryError) {
      return try space.load(MappedFile.address(page))
    } catch {
      report("VMA", "a load fails")
      return 0
    }
  }

  /// A change of areas, which has the memory that it needs.
  static func mustSucceed(_ body: () throws(MemoryError) -> Void) {
    do throws(MemoryError) {
      try body()
    } catch {
      report("VMA", "a change of areas was refused")
    }
  }

  /// C28: of two faults on one page the second finds the entry, and counts nothing.
  private static let faults = Scenario(
    "fault-fault", "two faults on one page: one entry, one reference, one mapping (CI54)",
    rules: [.strict, .kernel], size: 2, sizes: 2...3, obligations: ["faulted", "found the entry"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { _ in
        (
          name: "toucher",
          body: { obligations.reach(touchFaulting(world.space(), 0) ? 0 : 1) }
        )
      },
      conclude: {
        world.require(0, mapped: 1, "CI54")
        world.require(filePages: 1)
      }, tearDown: { world.tearDown() })
  }

  /// Nothing keeps faults away: the removal takes what it finds, and a fault may come back.
  private static let unmapFile = Scenario(
    "fault-unmap-mapping", "faults against the removal of a file's pages everywhere (10.4)",
    rules: [.strict, .kernel], obligations: ["mapped at the end", "gone at the end"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "toucher",
          body: {
            require(touch(world.space(), 0), "VMA", "no page is there")
            require(touch(world.space(), 0), "VMA", "no page is there")
          }
        ), (name: "owner", body: { world.unmapAll(0..<1) }),
      ],
      conclude: {
        let isMapped = world.mappings(0) > 0
        obligations.reach(isMapped ? 0 : 1)
        world.require(0, mapped: isMapped ? 1 : 0)
        world.require(filePages: isMapped ? 1 : 0)
      }, tearDown: { world.tearDown() })
  }

  /// Two pages, two faults, one removal of both.
  private static let discard = Scenario(
    "fault-discard", "faults on two pages against MADV_DONTNEED of both: each is counted once",
    rules: [.strict, .kernel], obligations: ["both are there", "one is there", "none is there"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<2)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "toucher",
          body: {
            require(touch(world.space(), 0), "VMA", "no page is there")
            require(touch(world.space(), 1), "VMA", "no page is there")
          }
        ),
        (
          name: "discarder",
          body: {
            mustSucceed { () throws(MemoryError) in
              try world.space().discard(MappedFile.addresses(0..<2))
            }
          }
        ),
      ],
      conclude: {
        let mapped = world.mappings(0) + world.mappings(1)
        obligations.reach(Int(2 - mapped))
        for page in 0..<2 { world.require(page, mapped: world.mappings(page)) }
        world.require(filePages: Int(mapped))
      }, tearDown: { world.tearDown() })
  }

  /// One page in two spaces: last and first mapping of it meet.
  private static let twoSpaces = Scenario(
    "fault-shared", "the last mapping of a page goes while another space maps it first",
    rules: [.strict, .kernel], size: 2, sizes: 2...3,
    obligations: ["mapped by others too", "mapped first"]
  ) { settings in
    let world = try MappedFile(settings, spaces: settings.size)
    let obligations = settings.obligations
    for number in 0..<settings.size { try world.map(0..<1, in: number) }
    require(touch(world.space(0), 0), "VMA", "no page is there")
    return ProgramWorld(
      [
        (
          name: "unmapper",
          body: {
            mustSucceed { () throws(MemoryError) in
              try world.space(0).unmap(MappedFile.addresses(0..<1))
            }
          }
        )
      ]
        + (1..<settings.size).map { number in
          (
            name: number == 1 ? "toucher" : "toucher \(number)",
            body: {
              require(touch(world.space(number), 0), "VMA", "no page is there")
              obligations.reach(world.mappings(0) > 1 ? 0 : 1)
            }
          )
        },
      conclude: {
        world.require(0, mapped: Int32(settings.size - 1))
        for number in 0..<settings.size {
          world.require(filePages: number == 0 ? 0 : 1, in: number)
        }
      }, tearDown: { world.tearDown() })
  }

  /// C27: an entry that is seen leads to a page that has a reference.
  private static let pinFault = Scenario(
    "pin-fault", "a fast pin against the fault that brings the page: never a page without (CI18)",
    rules: [.strict, .kernel], obligations: ["pinned", "not there yet"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let found = try unsafe seamMemory(UnsafeMutablePointer<page>?.self)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "toucher",
          body: { require(touch(world.space(), 0), "VMA", "no page is there") }
        ),
        (
          name: "pinner",
          body: {
            let start = MappedFile.address(0)
            let mm = unsafe world.space().mm
            let count = unsafe gup_fast(mm, start, start + MemoryMap.pageSize, FOLL_PIN, found)
            obligations.reach(count == 1 ? 0 : 1)
            if count == 1 { unsafe unpin_user_pages(found, 1) }
          }
        ),
      ],
      check: {
        let mm = unsafe world.space().mm
        let place = unsafe pgtable_walk(mm, MappedFile.address(0), PGTABLE_LEVEL_PTE)
        guard let entry = unsafe place.entry, unsafe pte_present(ptep_get(entry)) else { return }
        require(
          world.references(0) > 0 && world.mappings(0) > 0, "CI18",
          "an entry leads to a page that does not know of it")
      },
      conclude: { world.require(0, mapped: 1) },
      tearDown: {
        unsafe cfolio_free(found)
        world.tearDown()
      })
  }

  /// The area goes while a fault is in it: the fault is done before, or finds no area.
  private static let munmap = Scenario(
    "fault-munmap", "a fault against munmap of its area: nothing is left mapped (CI50)",
    rules: [.strict, .kernel], obligations: ["touched", "gone"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "toucher", body: { obligations.reach(touch(world.space(), 0) ? 0 : 1) }
        ),
        (
          name: "unmapper",
          body: {
            mustSucceed { () throws(MemoryError) in
              try world.space().unmap(MappedFile.addresses(0..<1))
            }
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        world.require(filePages: 0)
        require(world.space().counters.tables == 1, "CI53", "a table is left")
        requireNoWaiter()
      }, tearDown: { world.tearDown() })
  }

  /// Whoever takes the right to stores away sees none any more.
  private static let protect = Scenario(
    "store-protect", "a store against mprotect: none comes through behind it (CI51)",
    rules: [.strict, .kernel], obligations: ["stored", "refused"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    require(store(world.space(), 0, 1), "VMA", "no page is there")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: { obligations.reach(store(world.space(), 0, 2) ? 0 : 1) }
        ),
        (
          name: "protector",
          body: {
            let space = world.space()
            mustSucceed { () throws(MemoryError) in
              try space.protect(MappedFile.addresses(0..<1), .read)
            }
            let word = unsafe cfolio_frame_word(world.pages.frame(0))!
            let first = unsafe shared_read(word)
            require(touch(space, 0), "VMA", "no page is there")
            require(unsafe shared_read(word) == first, "CI51", "a store came behind its right")
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 1)
        requireNoWaiter()
      }, tearDown: { world.tearDown() })
  }

  /// The file gets another block between a store's fault and its look at the entry.
  private static let upgrade = Scenario(
    "upgrade-punch", "a store's fault against a punch and a refault with another block",
    rules: [.strict, .kernel], obligations: ["old block", "new block"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let block = try SharedWord("the file's block")
    world.file.block = { _ in Int(block.load()) }
    require(touch(world.space(), 0), "VMA", "no page is there")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: { require(store(world.space(), 0, 1), "VMA", "no page is there") }
        ),
        (
          name: "puncher",
          body: {
            // As a file system that keeps faults away, then looks for pins.
            world.file.locked {
              world.unmapAll(0..<1)
              block.store(1)
            }
            require(touch(world.space(), 0), "VMA", "no page is there")
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        world.require(1, mapped: 1)
        let old = unsafe shared_read(cfolio_frame_word(world.pages.frame(0))!)
        obligations.reach(old == 1 ? 0 : 1)
        let new = unsafe shared_read(cfolio_frame_word(world.pages.frame(1))!)
        require(old + new == 1, "CI51", "a store is lost, or was done twice")
      },
      tearDown: {
        world.tearDown()
        block.free()
      })
  }

  /// C62: the file has another block already, and the old one's entry is still there.
  private static let stale = Scenario(
    "upgrade-stale",
    "a store's fault that knows a block finds the entry of another: no right to it",
    rules: [.strict, .kernel], obligations: ["stored", "refused"]
  ) { settings in
    let world = try MappedFile(settings, answers: .frameStores)
    try world.map(0..<1)
    let block = try SharedWord("the file's block")
    world.file.block = { _ in Int(block.load()) }
    world.file.insertsOnStore = true
    let mm = unsafe world.space().mm
    world.file.onStore = { address, frame in
      let place = unsafe pgtable_walk_lock(mm, address, PGTABLE_LEVEL_PTE)
      guard let entry = unsafe place.entry else { return }
      let pte = unsafe ptep_get(entry)
      require(
        !pte_write(pte) || pte_pfn(pte) == frame, "CI51", "stores go to a block of before")
      unsafe spin_unlock(place.lock!)
    }
    require(touch(world.space(), 0), "VMA", "no page is there")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: { obligations.reach(store(world.space(), 0, 1) ? 0 : 1) }
        ),
        (
          name: "owner",
          body: {
            world.file.locked { block.store(1) }
            world.unmapAll(0..<1)
          }
        ),
      ],
      conclude: {
        for page in 0..<2 { world.require(page, mapped: world.mappings(page)) }
        world.require(filePages: Int(world.mappings(0) + world.mappings(1)))
      },
      tearDown: {
        world.tearDown()
        block.free()
      })
  }

  /// Entries on their way to other addresses are found by the file's owner.
  private static let remap = Scenario(
    "remap-unmap-mapping", "mremap against the removal of the file's pages: none is missed (10.4)",
    rules: [.strict, .kernel], obligations: ["moved first", "removed first"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    require(touch(world.space(), 0), "VMA", "no page is there")
    let obligations = settings.obligations
    let isMoved = try SharedWord("moved")
    return ProgramWorld(
      [
        (
          name: "mover",
          body: {
            mustSucceed { () throws(MemoryError) in
              try world.space().remap(
                MappedFile.addresses(0..<1), pages: 1, to: MappedFile.address(4))
            }
            isMoved.store(1)
          }
        ),
        (
          name: "owner",
          body: {
            let wasMoved = isMoved.load() == 1
            world.unmapAll(0..<1)
            obligations.reach(wasMoved ? 0 : 1)
            require(world.mappings(0) == 0, "CI59", "an entry is left behind the removal")
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        world.require(filePages: 0)
      },
      tearDown: {
        world.tearDown()
        isMoved.free()
      })
  }

  /// The middle of an area goes while a fault is in what stays.
  private static let placed = Scenario(
    "fault-split-area", "a fault in what munmap leaves of an area: it finds the new area",
    rules: [.strict], obligations: ["touched before", "touched behind"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<3)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "toucher",
          body: { require(touch(world.space(), 2), "VMA", "what stays cannot be found") }
        ),
        (
          name: "unmapper",
          body: {
            mustSucceed { () throws(MemoryError) in
              try world.space().unmap(MappedFile.addresses(1..<2))
            }
            obligations.reach(world.mappings(2) == 1 ? 0 : 1)
          }
        ),
      ],
      conclude: {
        world.require(2, mapped: 1)
        world.require(filePages: 1)
      }, tearDown: { world.tearDown() })
  }
}
