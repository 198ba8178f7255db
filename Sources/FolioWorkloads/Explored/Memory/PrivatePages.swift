// SPDX-License-Identifier: MIT

// Private pages: copies that stores make, forks that share them, and the ends of address spaces (spec:
// core.md section 11, T5, T16, CI42, CI51).

import CFolio
import FolioCore

enum PrivatePages {
  static let scenarios = [
    copyRead, copyShared, copies, forkStore, forkPin, forkFault, zeroStore, end, childEnd,
    discardStore,
  ]

  /// What the page of the address holds; 0 where it is gone.
  private static func value(_ space: MemoryMap, _ page: Int) -> UInt {
    do throws(MemoryError) {
      return try space.load(MappedFile.address(page))
    } catch {
      report("VMA", "a load fails")
      return 0
    }
  }

  private static func store(_ space: MemoryMap, _ page: Int, _ value: UInt) {
    require(FaultRaces.store(space, page, value), "VMA", "a store fails")
  }

  private static func anonymous(_ space: MemoryMap, pages: Int = 1) throws {
    try space.map(
      pages: pages, [.read, .write], .private, at: .fixed(MappedFile.address(0)))
  }

  private static func space(_ settings: Scenario.Settings) throws -> MemoryMap {
    var options = MemoryMap.Options(rules: settings.rules)
    options.tableShift = 1
    return try MemoryMap(options)
  }

  /// Holds what must go in order.
  private final class World {
    let ram: ScenarioRAM
    var spaces: [MemoryMap]

    init(_ settings: Scenario.Settings, spaces count: Int, pages: Int) throws {
      readyWaitTable()
      spaces = []
      for _ in 0..<count { spaces.append(try PrivatePages.space(settings)) }
      ram = try ScenarioRAM(pages)
    }

    func tearDown() {
      spaces = []
      ram.require(inUse: 0)
      ram.tearDown()
    }
  }

  /// P101: a load behind another thread's store to a copy does not see the old page (wp_page_copy).
  private static let copyRead = Scenario(
    "copy-load", "loads against the copy that a store makes: never the old page behind it (CI51)",
    rules: [.strict, .kernel], obligations: ["old", "new", "no translation"]
  ) { settings in
    let world = try MappedFile(settings)
    let ram = try ScenarioRAM(1)
    try world.map(0..<1, [.read, .write], .private)
    require(value(world.space(), 0) == 0, "CI51", "a page that nobody stored to")
    let isStored = try SharedWord("stored")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: {
            store(world.space(), 0, 1)
            isStored.storeRelease(1)
          }
        ),
        (
          name: "reader",
          body: {
            var translation = translation()
            let mm = unsafe world.space().mm
            let address = MappedFile.address(0)
            guard unsafe mmu_begin(mm, address, false, &translation) else {
              // The entry is none while it is changed.
              return obligations.reach(2)
            }
            let wasStored = isStored.loadAcquire() == 1
            let first = unsafe shared_read(cfolio_frame_word(translation.pfn)!)
            unsafe mmu_end(mm, &translation)
            require(first == 1 || !wasStored, "CI51", "the old page behind a store")
            obligations.reach(first == 1 ? 1 : 0)
            require(value(world.space(), 0) >= first, "CI51", "the old page behind the new one")
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        require(world.space().counters.anonymousPages == 1, "CI52", "private pages are miscounted")
        ram.require(inUse: 1)
      },
      tearDown: {
        world.tearDown()
        ram.require(inUse: 0)
        ram.tearDown()
        isStored.free()
      })
  }

  /// The old page stays another space's while one makes its copy.
  private static let copyShared = Scenario(
    "copy-shared", "a private copy against the removal of the page's other mapping",
    rules: [.strict, .kernel], obligations: []
  ) { settings in
    let world = try MappedFile(settings, spaces: 2)
    let ram = try ScenarioRAM(1)
    try world.map(0..<1, [.read, .write], .private)
    try world.map(0..<1, in: 1)
    require(value(world.space(), 0) == 0 && value(world.space(1), 0) == 0, "CI51", "other contents")
    return ProgramWorld(
      [
        (name: "writer", body: { store(world.space(), 0, 1) }),
        (
          name: "unmapper",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space(1).unmap(MappedFile.addresses(0..<1))
            }
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        require(value(world.space(), 0) == 1, "CI51", "a store is lost")
        ram.require(inUse: 1)
      },
      tearDown: {
        world.tearDown()
        ram.tearDown()
      })
  }

  /// Two stores to one page that is to be copied: one copy.
  private static let copies = Scenario(
    "copy-copy", "two stores that both need the copy of a page: one is made, the other goes",
    rules: [.strict, .kernel], size: 2, sizes: 2...2, obligations: []
  ) { settings in
    let world = try MappedFile(settings)
    let ram = try ScenarioRAM(2)
    try world.map(0..<1, [.read, .write], .private)
    require(value(world.space(), 0) == 0, "CI51", "a page that nobody stored to")
    return ProgramWorld(
      (0..<settings.size).map { number in
        (name: "writer \(number)", body: { store(world.space(), 0, UInt(number + 1)) })
      },
      conclude: {
        world.require(0, mapped: 0)
        require(value(world.space(), 0) != 0, "CI51", "both stores are lost")
        ram.require(inUse: 1)
      },
      tearDown: {
        world.tearDown()
        ram.tearDown()
      })
  }

  /// A store while the space is copied: the child has the page from before or behind it, alone.
  private static let forkStore = Scenario(
    "fork-store", "a store against fork: the child sees it or not, and later ones never",
    rules: [.strict], obligations: ["the child sees it", "the child does not"]
  ) { settings in
    let world = try World(settings, spaces: 2, pages: 3)
    try anonymous(world.spaces[0])
    store(world.spaces[0], 0, 1)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "writer", body: { store(world.spaces[0], 0, 2) }),
        (
          name: "fork",
          body: {
            let status = unsafe dup_mmap(world.spaces[1].mm, world.spaces[0].mm)
            require(status == 0, "VMA", "a fork fails")
            let first = value(world.spaces[1], 0)
            obligations.reach(first == 2 ? 0 : 1)
            require(first == value(world.spaces[1], 0), "CI42", "a store of the parent is seen")
          }
        ),
      ],
      conclude: {
        require(value(world.spaces[0], 0) == 2, "CI51", "the parent's store is lost")
        requireNoWaiter()
      }, tearDown: { world.tearDown() })
  }

  /// T5: a page that is pinned stays the parent's: what is stored to it through the pin is seen there.
  private static let forkPin = Scenario(
    "fork-pin", "a fast pin against a fork and a store: the pinned page stays the parent's (CI42)",
    rules: [.strict], obligations: ["pinned", "not pinned"]
  ) { settings in
    let world = try World(settings, spaces: 2, pages: 3)
    try anonymous(world.spaces[0])
    store(world.spaces[0], 0, 1)
    let found = try unsafe seamMemory(UnsafeMutablePointer<page>?.self)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let start = MappedFile.address(0)
            let mm = unsafe world.spaces[0].mm
            let count = unsafe gup_fast(
              mm, start, start + MemoryMap.pageSize, FOLL_PIN | FOLL_WRITE, found)
            obligations.reach(count == 1 ? 0 : 1)
            guard count == 1 else { return }
            // The device writes to what it pinned; the parent has to see it.
            store(world.spaces[0], 0, 2)
            let frame = unsafe page_to_pfn(found[0]!)
            unsafe shared_set(cfolio_frame_word(frame)!, 3)
            require(value(world.spaces[0], 0) == 3, "CI42", "the pinned page is not the parent's")
            unsafe unpin_user_pages(found, 1)
          }
        ),
        (
          name: "fork",
          body: {
            let status = unsafe dup_mmap(world.spaces[1].mm, world.spaces[0].mm)
            require(status == 0, "VMA", "a fork fails")
          }
        ),
      ],
      conclude: { requireNoWaiter() },
      tearDown: {
        unsafe cfolio_free(found)
        world.tearDown()
      })
  }

  /// A fault in a file's page while the space is copied.
  private static let forkFault = Scenario(
    "fork-fault", "a fault against fork: each space counts what it maps (CI52)",
    rules: [.strict, .kernel], obligations: ["the child maps it", "the child does not"]
  ) { settings in
    let world = try MappedFile(settings, spaces: 2, contents: .mixed)
    try world.map(0..<1)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "toucher",
          body: { require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there") }
        ),
        (
          name: "fork",
          body: {
            let status = unsafe dup_mmap(world.space(1).mm, world.space(0).mm)
            require(status == 0, "VMA", "a fork fails")
          }
        ),
      ],
      conclude: {
        let isInChild = world.space(1).counters.filePages == 1
        obligations.reach(isInChild ? 0 : 1)
        world.require(0, mapped: isInChild ? 2 : 1)
        world.require(filePages: 1)
        requireNoWaiter()
      }, tearDown: { world.tearDown() })
  }

  /// The zero page is replaced by a page of its own; nobody counts it.
  private static let zeroStore = Scenario(
    "zero-store", "two first stores to memory that holds the zero page: one page comes (CI20)",
    rules: [.strict], size: 2, sizes: 2...2, obligations: []
  ) { settings in
    let world = try World(settings, spaces: 1, pages: 2)
    try anonymous(world.spaces[0])
    require(value(world.spaces[0], 0) == 0, "CI51", "fresh memory is not zero")
    return ProgramWorld(
      (0..<settings.size).map { number in
        (name: "writer \(number)", body: { store(world.spaces[0], 0, UInt(number + 1)) })
      },
      conclude: {
        require(value(world.spaces[0], 0) != 0, "CI51", "both stores are lost")
        require(
          world.spaces[0].counters.anonymousPages == 1, "CI52", "private pages are miscounted")
        world.ram.require(inUse: 1)
      }, tearDown: { world.tearDown() })
  }

  /// The end of a space while somebody has a page of it pinned.
  private static let end = Scenario(
    "space-end", "the end of an address space against a pin's end: the page goes with the last",
    rules: [.strict, .kernel], obligations: []
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
    let folio = unsafe world.pages.folio(0)
    require(
      unsafe try_grab_folio(folio, 1, FOLL_PIN) == 0, "CI44", "a mapped page cannot be pinned")
    return ProgramWorld(
      [
        (
          name: "unmapper",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().unmap(0..<world.space().end)
            }
          }
        ),
        (
          name: "pinner",
          body: {
            require(world.references(0) > 0, "CI1", "a pinned page has no reference")
            unsafe unpin_folio(folio)
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        require(world.space().counters.tables == 1, "CI53", "a table is left")
      }, tearDown: { world.tearDown() })
  }

  /// Parent and child end what they share at the same time.
  private static let childEnd = Scenario(
    "fork-ends", "parent and child give up a page that they share: it goes once",
    rules: [.strict], obligations: []
  ) { settings in
    let world = try World(settings, spaces: 2, pages: 1)
    try anonymous(world.spaces[0])
    store(world.spaces[0], 0, 1)
    require(unsafe dup_mmap(world.spaces[1].mm, world.spaces[0].mm) == 0, "VMA", "a fork fails")
    return ProgramWorld(
      (0..<2).map { number in
        (
          name: number == 0 ? "parent" : "child",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.spaces[number].unmap(MappedFile.addresses(0..<1))
            }
          }
        )
      }, conclude: { world.ram.require(inUse: 0) }, tearDown: { world.tearDown() })
  }

  /// A store to memory that is discarded meanwhile: it is there, or the memory is zero again.
  private static let discardStore = Scenario(
    "store-discard", "a store to memory of its own against MADV_DONTNEED: stored, or zero again",
    rules: [.strict], obligations: ["the store stays", "zero again"]
  ) { settings in
    let world = try World(settings, spaces: 1, pages: 3)
    try anonymous(world.spaces[0])
    store(world.spaces[0], 0, 1)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "writer", body: { store(world.spaces[0], 0, 2) }),
        (
          name: "discarder",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.spaces[0].discard(MappedFile.addresses(0..<1))
            }
          }
        ),
      ],
      conclude: {
        let last = value(world.spaces[0], 0)
        obligations.reach(last == 2 ? 0 : 1)
        require(last != 1, "CI51", "what was discarded is there again")
        world.ram.require(inUse: last == 2 ? 1 : 0)
      }, tearDown: { world.tearDown() })
  }
}
