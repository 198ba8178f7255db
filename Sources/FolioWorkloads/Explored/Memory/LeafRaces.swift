// SPDX-License-Identifier: MIT

// Huge leaves against what takes them away, whole or in part (spec: core.md 9.5, 10.2-10.4, CI17).

import CFolio
import FolioCore

enum LeafRaces {
  static let scenarios = [
    faults, pinZap, pinSplit, unmapFolio, splitUnmap, wrongOrder, reuse, forkLeaf, forkUpperLeaf,
  ]

  /// Of two faults that bring the leaf one counts.
  private static let faults = Scenario(
    "leaf-fault-fault", "two faults on one folio: one leaf, one reference, one mapping (CI54)",
    rules: [.strict, .kernel], size: 2, sizes: 2...2, obligations: ["faulted", "found the leaf"]
  ) { settings in
    let world = try MappedFile(settings, order: 1)
    try world.map(0..<2)
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<settings.size).map { number in
        (
          name: "toucher \(number)",
          body: { obligations.reach(FaultRaces.touchFaulting(world.space(), number) ? 0 : 1) }
        )
      },
      conclude: {
        world.require(0, mapped: 1, "CI54")
        world.require(filePages: 2)
      }, tearDown: { world.tearDown() })
  }

  /// A pin of the leaf's pages against an end of the leaf.
  private static func pinned(
    _ name: String, _ title: String, end: @escaping @Sendable (MappedFile) -> Void
  ) -> Scenario {
    Scenario(name, title, rules: [.strict, .kernel], obligations: ["pinned", "gone"]) { settings in
      let world = try MappedFile(settings, order: 1)
      try world.map(0..<2)
      require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
      let found = try unsafe seamMemory(UnsafeMutablePointer<page>?.self, count: 2)
      let obligations = settings.obligations
      return ProgramWorld(
        [
          (
            name: "pinner",
            body: {
              let addresses = MappedFile.addresses(0..<2)
              let count = unsafe gup_fast(
                world.space().mm, addresses.lowerBound, addresses.upperBound, FOLL_PIN, found)
              obligations.reach(count == 2 ? 0 : 1)
              if count > 0 {
                require(
                  world.references(0) >= Int32(count), "CI2", "a pinned folio without references")
                unsafe unpin_user_pages(found, count)
              }
            }
          ), (name: "unmapper", body: { end(world) }),
        ],
        conclude: {
          world.require(0, mapped: 0)
          world.require(filePages: 0)
        },
        tearDown: {
          unsafe cfolio_free(found)
          world.tearDown()
        })
    }
  }

  /// C52: a leaf owns one reference, whatever its size.
  private static let pinZap = pinned(
    "leaf-pin-zap", "a fast pin of a leaf against its removal: one reference goes (10.2)"
  ) { world in
    FaultRaces.mustSucceed { () throws(MemoryError) in
      try world.space().discard(MappedFile.addresses(0..<2))
    }
  }

  /// C50: part of the leaf goes, and with it the whole leaf.
  private static let pinSplit = pinned(
    "leaf-pin-split", "a fast pin of a leaf against the removal of a part: it goes whole (10.3)"
  ) { world in
    FaultRaces.mustSucceed { () throws(MemoryError) in
      try world.space().discard(MappedFile.addresses(1..<2))
    }
  }

  /// C51: who removes the folio from everywhere does not come back before its mapping has gone.
  private static let unmapFolio = Scenario(
    "leaf-unmap-folio", "unmap_mapping_folio against a removal in progress: unmapped behind it",
    rules: [.strict, .kernel], obligations: ["mapped before", "gone before"]
  ) { settings in
    let world = try MappedFile(settings, order: 1)
    try world.map(0..<2)
    require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
    let folio = unsafe world.pages.folio(0)
    world.associate(0)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "discarder",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().discard(MappedFile.addresses(0..<2))
            }
          }
        ),
        (
          name: "owner",
          body: {
            obligations.reach(world.mappings(0) > 0 ? 0 : 1)
            unsafe folio_lock(folio)
            unsafe unmap_mapping_folio(folio)
            require(world.mappings(0) == 0, "CI59", "the folio is mapped behind its removal")
            unsafe folio_unlock(folio)
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        world.require(filePages: 0)
      }, tearDown: { world.tearDown() })
  }

  /// A split in one thread, the removal of the same leaf in another.
  private static let splitUnmap = Scenario(
    "leaf-split-unmap", "a split of a leaf against its removal everywhere: one of them counts",
    rules: [.strict, .kernel], obligations: ["a page is left by the split", "nothing is left"]
  ) { settings in
    let world = try MappedFile(settings, order: 1)
    try world.map(0..<2)
    require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "splitter",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().discard(MappedFile.addresses(0..<1))
            }
            obligations.reach(world.mappings(0) > 0 ? 0 : 1)
          }
        ), (name: "owner", body: { world.unmapAll(0..<2) }),
      ],
      conclude: {
        world.require(0, mapped: 0)
        world.require(filePages: 0)
      }, tearDown: { world.tearDown() })
  }

  /// C56, C57: a fork leaves leaves to faults; what it would copy it would have to count.
  private static func forked(_ name: String, order: Int, _ title: String) -> Scenario {
    Scenario(
      name, title, rules: [.strict, .kernel], obligations: ["the leaf is there", "it is not"]
    ) { settings in
      let world = try MappedFile(settings, spaces: 2, order: order, contents: .mixed)
      let pages = 0..<(1 << order)
      try world.map(pages)
      require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
      let obligations = settings.obligations
      return ProgramWorld(
        [
          (
            name: "fork",
            body: {
              let status = unsafe dup_mmap(world.space(1).mm, world.space(0).mm)
              require(status == 0, "VMA", "a fork fails")
              obligations.reach(world.mappings(0) > 0 ? 0 : 1)
              FaultRaces.mustSucceed { () throws(MemoryError) in
                try world.space(1).unmap(MappedFile.addresses(pages))
              }
            }
          ),
          (
            name: "discarder",
            body: {
              FaultRaces.mustSucceed { () throws(MemoryError) in
                try world.space().discard(MappedFile.addresses(pages))
              }
              require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
            }
          ),
        ],
        conclude: {
          world.require(0, mapped: 1)
          world.require(filePages: pages.count)
          world.require(filePages: 0, in: 1)
          requireNoWaiter()
        }, tearDown: { world.tearDown() })
    }
  }

  private static let forkLeaf = forked(
    "fork-leaf", order: 1, "fork against the removal of a leaf: the child counts nothing (C56)")
  private static let forkUpperLeaf = forked(
    "fork-upper-leaf", order: 2, "the same at the PUD level: refused, not copied uncounted (C57)")

  /// C50: the last reference of a folio is a leaf's, and its owner makes something else of it.
  private static let reuse = Scenario(
    "leaf-split-reuse", "the end of a leaf against the next life of its folio: counted as it was",
    rules: [.strict], obligations: ["another life", "still in use"]
  ) { settings in
    let world = try MappedFile(settings, order: 1)
    try world.map(0..<2)
    require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there")
    let folio = unsafe world.pages.folio(0)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "splitter",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().discard(MappedFile.addresses(0..<1))
            }
          }
        ),
        (
          name: "owner",
          body: {
            world.file.locked {
              let isIdle = world.references(0) == 0
              obligations.reach(isIdle ? 0 : 1)
              // Pages of shared memory have another counter than those of files.
              if isIdle { unsafe folio_set_flag(folio, Int32(PG_swapbacked.rawValue)) }
            }
          }
        ),
      ],
      conclude: {
        world.require(0, mapped: 0)
        world.require(filePages: 0)
      }, tearDown: { world.tearDown() })
  }

  /// C77: while the folio is taken apart a leaf for it is refused.
  private static let wrongOrder = Scenario(
    "leaf-order", "a leaf for a folio that may be small: refused, never mapped whole (CI17)",
    rules: [.strict], obligations: ["a leaf", "pages"]
  ) { settings in
    let world = try MappedFile(settings, order: 1)
    try world.map(0..<2)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "toucher",
          body: { require(FaultRaces.touch(world.space(), 0), "VMA", "no page is there") }
        ), (name: "owner", body: { world.splitIfIdle() }),
      ],
      conclude: {
        let isLeaf = unsafe folio_test_large(world.pages.folio(0))
        obligations.reach(isLeaf ? 0 : 1)
        world.require(0, mapped: 1)
        world.require(filePages: isLeaf ? 2 : 1)
      },
      tearDown: { world.tearDown() })
  }
}
