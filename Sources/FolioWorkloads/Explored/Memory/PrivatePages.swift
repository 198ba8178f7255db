// SPDX-License-Identifier: MIT

// Private pages: copies that stores make, forks that share them, and the ends of address spaces (spec:
// core.md section 11, T5, T16, CI42, CI51).

import CFolio
import FolioCore

enum PrivatePages {
  static let scenarios = [
    copyRead, copyShared, copies, forkStore, forkPin, forkFault, zeroStore, end, endPin, childEnd,
    discardStore,
  ]

  /// A file that a space maps privately, and others as it is, its page loaded by all; and RAM for copies.
  private final class Copies {
    let file: MappedFile
    let ram: ScenarioRAM

    init(_ settings: Scenario.Settings, spaces: Int = 1) throws {
      file = try MappedFile(settings, spaces: spaces)
      ram = try ScenarioRAM(2)
      for number in 0..<spaces {
        try file.map(0..<1, in: number, [.read, .write], number == 0 ? .private : .shared)
        require(value(number) == 0, "CI51", "a page that nobody stored to")
      }
    }

    func value(_ number: Int = 0) -> UInt { FaultRaces.value(file.space(number), 0) }
    func store(_ value: UInt) {
      require(FaultRaces.store(file.space(), 0, value), "VMA", "a store fails")
    }

    /// At the end: one copy is there, which holds one of these values, until it is unmapped.
    func requireCopied(_ values: ClosedRange<UInt>, _ body: (UInt) -> Void = { _ in }) {
      file.require(0, mapped: 0)
      let last = value()
      require(values.contains(last), "CI51", "a store is lost")
      if values.contains(last) { body(last) }
      require(file.space().counters.anonymousPages == 1, "CI52", "private pages are miscounted")
      ram.require(inUse: 1)
      file.space().requireEnd()
      ram.require(inUse: 0)
    }

    func tearDown() {
      file.tearDown()
      ram.tearDown()
    }
  }

  /// P101: a load behind another thread's store to a copy does not see the old page (wp_page_copy).
  private static let copyRead = Scenario(
    "copy-load", "loads against the copy that a store makes: never the old page behind it (CI51)",
    rules: [.strict, .kernel], obligations: ["old", "new", "no translation"]
  ) { settings in
    let world = try Copies(settings)
    let isStored = try SharedWord("stored")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: {
            world.store(1)
            isStored.storeRelease(1)
          }
        ),
        (
          name: "reader",
          body: {
            var translation = translation()
            let mm = unsafe world.file.space().mm
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
            require(world.value() >= first, "CI51", "the old page behind the new one")
          }
        ),
      ],
      conclude: { world.requireCopied(1...1) },
      tearDown: {
        world.tearDown()
        isStored.free()
      })
  }

  /// The old page stays another space's while one makes its copy.
  private static let copyShared = Scenario(
    "copy-shared", "a private copy against the removal of the page's other mapping",
    rules: [.strict, .kernel], obligations: ["the other is left", "none is left"]
  ) { settings in
    let world = try Copies(settings, spaces: 2)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "writer",
          body: {
            world.store(1)
            obligations.reach(world.file.mappings(0) > 0 ? 0 : 1)
          }
        ),
        (
          name: "unmapper",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.file.space(1).unmap(MappedFile.addresses(0..<1))
            }
          }
        ),
      ],
      conclude: { world.requireCopied(1...1) }, tearDown: { world.tearDown() })
  }

  /// Two stores to one page that is to be copied: one copy.
  private static let copies = Scenario(
    "copy-copy", "two stores that both need the copy of a page: one is made, the other goes",
    rules: [.strict, .kernel], size: 2, sizes: 2...2,
    obligations: ["writer 0 last", "writer 1 last"]
  ) { settings in
    let world = try Copies(settings)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { number in
        (name: "writer \(number)", body: { world.store(UInt(number + 1)) })
      },
      conclude: {
        world.requireCopied(1...2) { obligations.reach(Int($0) - 1) }
      }, tearDown: { world.tearDown() })
  }

  /// A store while the space is copied: the child has the page from before or behind it, alone.
  private static let forkStore = Scenario(
    "fork-store", "a store against fork: the child sees it or not, and later ones never",
    rules: [.strict], obligations: ["the child sees it", "the child does not"]
  ) { settings in
    let world = try PrivateMemory(settings)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "writer", body: { world.store(2) }),
        (
          name: "fork",
          body: {
            world.fork()
            let first = world.value(1)
            obligations.reach(first == 2 ? 0 : 1)
            require(first == world.value(1), "CI42", "a store of the parent is seen")
          }
        ),
      ],
      conclude: {
        require(world.value() == 2, "CI51", "the parent's store is lost")
        world.requireHome()
      }, tearDown: { world.tearDown() })
  }

  /// T5: a page that is pinned stays the parent's: what is stored to it through the pin is seen there.
  private static let forkPin = Scenario(
    "fork-pin", "a fast pin against a fork and a store: the pinned page stays the parent's (CI42)",
    rules: [.strict], obligations: ["pinned", "not pinned"]
  ) { settings in
    let world = try PrivateMemory(settings)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let isPinned = world.found.pinFast(world.space(), FOLL_WRITE) == 1
            obligations.reach(isPinned ? 0 : 1)
            guard isPinned else { return }
            world.requireOwn()
            world.found.unpin()
          }
        ), (name: "fork", body: { world.fork() }),
      ], conclude: { world.requireHome() }, tearDown: { world.tearDown() })
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
    rules: [.strict], size: 2, sizes: 2...2, obligations: ["writer 0 last", "writer 1 last"]
  ) { settings in
    let world = try PrivateMemory(settings, spaces: 1, isStored: false)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { number in
        (name: "writer \(number)", body: { world.store(UInt(number + 1)) })
      },
      conclude: {
        let last = world.value()
        require(last != 0, "CI51", "both stores are lost")
        if last != 0 { obligations.reach(Int(last) - 1) }
        require(world.space().counters.anonymousPages == 1, "CI52", "private pages are miscounted")
        world.ram.require(inUse: 1)
        world.requireHome()
      }, tearDown: { world.tearDown() })
  }

  /// The end of a space while somebody has a page of it pinned.
  private static let end = Scenario(
    "space-end", "the end of an address space against a pin's end: the page goes with the last",
    rules: [.strict, .kernel], obligations: ["still mapped", "the last reference"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let obligations = settings.obligations
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
            let references = world.references(0)
            require(references >= GUP_PIN_COUNTING_BIAS, "CI1", "a pin has no weight")
            obligations.reach(references > GUP_PIN_COUNTING_BIAS ? 0 : 1)
            unsafe unpin_folio(folio)
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        require(world.space().counters.tables == 1, "CI53", "a table is left")
      }, tearDown: { world.tearDown() })
  }

  /// The same while the pin is taken: the walk is in tables that go.
  private static let endPin = Scenario(
    "space-end-pin", "a fast pin against the end of its address space: pinned, or gone (CI50)",
    rules: [.strict, .kernel], obligations: ["pinned", "gone"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
    let found = try FoundPage()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let isPinned = found.pinFast(world.space()) == 1
            obligations.reach(isPinned ? 0 : 1)
            guard isPinned else { return }
            require(
              world.references(0) >= GUP_PIN_COUNTING_BIAS, "CI1", "a pin has no weight")
            found.unpin()
          }
        ),
        (
          name: "unmapper",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().unmap(0..<world.space().end)
            }
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        require(world.space().counters.tables == 1, "CI53", "a table is left")
      },
      tearDown: {
        found.free()
        world.tearDown()
      })
  }

  /// Parent and child end what they share at the same time.
  private static let childEnd = Scenario(
    "fork-ends", "parent and child give up a page that they share: it goes once",
    rules: [.strict], obligations: ["first", "last"]
  ) { settings in
    let world = try PrivateMemory(settings, isForked: true)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<2).map { number in
        (
          name: number == 0 ? "parent" : "child",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space(number).unmap(MappedFile.addresses(0..<1))
            }
            let isLeft = unsafe page_ref_count(pfn_to_page(world.frame)) > 0
            obligations.reach(isLeft ? 0 : 1)
          }
        )
      }, conclude: { world.requireHome() }, tearDown: { world.tearDown() })
  }

  /// A store to memory that is discarded meanwhile: it is there, or the memory is zero again.
  private static let discardStore = Scenario(
    "store-discard", "a store to memory of its own against MADV_DONTNEED: stored, or zero again",
    rules: [.strict], obligations: ["the store stays", "zero again"]
  ) { settings in
    let world = try PrivateMemory(settings, spaces: 1)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "writer", body: { world.store(2) }),
        (
          name: "discarder",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().discard(MappedFile.addresses(0..<1))
            }
          }
        ),
      ],
      conclude: {
        let last = world.value()
        obligations.reach(last == 2 ? 0 : 1)
        require(last != 1, "CI51", "what was discarded is there again")
        world.ram.require(inUse: last == 2 ? 1 : 0)
        world.requireHome()
      }, tearDown: { world.tearDown() })
  }
}
