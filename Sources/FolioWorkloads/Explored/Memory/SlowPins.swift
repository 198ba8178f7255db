// SPDX-License-Identifier: MIT

// Walks that take locks and fault: pins against removals and forks, copies made for a pin, and folios found
// by their place in a file (spec: core.md 12.3-12.5, rows 102, 119).

import CFolio
import FolioCore

enum SlowPins {
  static let scenarios = [discard, unshare, fork, longTerm, lookup]

  /// Where a walk of one page leaves what it found.
  @safe
  private struct Found {
    private let pages: UnsafeMutablePointer<UnsafeMutablePointer<page>?>

    init() throws(ScenarioMemoryError) {
      unsafe pages = try unsafe seamMemory(UnsafeMutablePointer<page>?.self)
    }

    /// Pins the page at the scenario's address, taking mmap_lock; pages, or -errno.
    func pin(_ space: MemoryMap, _ flags: UInt32 = 0) -> Int {
      unsafe pin_user_pages_unlocked(space.mm, MappedFile.address(0), 1, pages, flags)
    }

    var frame: UInt { unsafe page_to_pfn(pages[0]!) }
    func unpin() { unsafe unpin_user_pages(pages, 1) }
    func free() { unsafe cfolio_free(pages) }
  }

  private static func value(_ space: MemoryMap) -> UInt {
    do throws(MemoryError) {
      return try space.load(MappedFile.address(0))
    } catch {
      report("VMA", "a load fails")
      return 0
    }
  }

  /// A pin that faults the page in, against its removal.
  private static let discard = Scenario(
    "slow-pin-discard", "a pin that faults its page in against MADV_DONTNEED: pinned all the same",
    rules: [.strict, .kernel], obligations: []
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let found = try Found()
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard found.pin(world.space(), FOLL_WRITE) == 1 else {
              return report("VMA", "a page cannot be pinned")
            }
            require(
              unsafe folio_maybe_dma_pinned(world.pages.folio(0)), "CI58", "a pin is not seen")
            require(world.references(0) >= GUP_PIN_COUNTING_BIAS, "CI1", "a pin has no weight")
            found.unpin()
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
      ],
      conclude: {
        world.require(0, mapped: world.mappings(0))
        world.require(filePages: Int(world.mappings(0)))
      },
      tearDown: {
        found.free()
        world.tearDown()
      })
  }

  /// A private page that parent and child share, and that one of them pins.
  @safe
  private final class Shared {
    let ram: ScenarioRAM
    let found: Found
    private var spaces: [MemoryMap] = []

    init(_ settings: Scenario.Settings, isForked: Bool) throws {
      readyWaitTable()
      ram = try ScenarioRAM(4)
      found = try Found()
      var options = MemoryMap.Options(rules: settings.rules)
      options.tableShift = 1
      for _ in 0..<2 { spaces.append(try MemoryMap(options)) }
      try spaces[0].map(pages: 1, [.read, .write], .private, at: .fixed(MappedFile.address(0)))
      try spaces[0].store(1, at: MappedFile.address(0))
      if isForked { fork() }
    }

    func space(_ number: Int = 0) -> MemoryMap { spaces[number] }

    func fork() {
      require(unsafe dup_mmap(spaces[1].mm, spaces[0].mm) == 0, "VMA", "a fork fails")
    }

    /// What the device writes through its pin is what the space reads.
    func requireOwn() {
      require(FaultRaces.store(spaces[0], 0, 2), "VMA", "a store fails")
      unsafe shared_set(cfolio_frame_word(found.frame)!, 3)
      require(value(spaces[0]) == 3, "CI42", "the pinned page is not the space's")
    }

    func tearDown() {
      spaces = []
      found.free()
      ram.require(inUse: 0)
      ram.tearDown()
    }
  }

  /// P111: a pin for reading of a page that a child shares gets one of its own first.
  private static let unshare = Scenario(
    "slow-pin-unshare", "a pin for reading of a shared page against the child's end: it is its own",
    rules: [.strict], obligations: []
  ) { settings in
    let world = try Shared(settings, isForked: true)
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard world.found.pin(world.space()) == 1 else {
              return report("VMA", "a page cannot be pinned")
            }
            world.requireOwn()
            world.found.unpin()
          }
        ),
        (
          name: "child",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space(1).unmap(MappedFile.addresses(0..<1))
            }
          }
        ),
      ], conclude: {}, tearDown: { world.tearDown() })
  }

  /// P114: a fork that comes behind a pin looks for it.
  private static let fork = Scenario(
    "slow-pin-fork", "a pin under the map's lock against a fork: the pinned page stays (CI42)",
    rules: [.strict], obligations: []
  ) { settings in
    let world = try Shared(settings, isForked: false)
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard world.found.pin(world.space(), FOLL_WRITE) == 1 else {
              return report("VMA", "a page cannot be pinned")
            }
            world.requireOwn()
            world.found.unpin()
          }
        ), (name: "fork", body: { world.fork() }),
      ], conclude: { requireNoWaiter() }, tearDown: { world.tearDown() })
  }

  /// P113: long-term pins of a file's pages are refused, whatever is mapped.
  private static let longTerm = Scenario(
    "slow-pin-longterm",
    "long-term pins of file-system DAX against munmap: refused, or no area (12.7)",
    rules: [.strict, .kernel], obligations: ["refused", "no area"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let found = try Found()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let result = found.pin(world.space(), FOLL_LONGTERM)
            require(
              result == -95 || result == -14, "CI43",
              "a long-term pin of a file's page is not refused")
            obligations.reach(result == -95 ? 0 : 1)
            if result == 1 { found.unpin() }
          }
        ),
        (
          name: "unmapper",
          body: {
            FaultRaces.mustSucceed { () throws(MemoryError) in
              try world.space().unmap(MappedFile.addresses(0..<1))
            }
          }
        ),
      ],
      conclude: { world.require(0, mapped: 0) },
      tearDown: {
        found.free()
        world.tearDown()
      })
  }

  /// P110: a folio that is found in its file is still there with the reference held.
  private static let lookup = Scenario(
    "file-lookup", "filemap_get_entry against removal and reuse: what is found is the file's (T12)",
    rules: [.strict], obligations: ["found", "not found"]
  ) { settings in
    let pages = try RAMPages(1)
    let mapping = unsafe try seamMemory(address_space.self)
    unsafe address_space_init(mapping, ADDRESS_SPACE_SHMEM)
    unsafe set_page_count(pages.page(0), 1)
    let folio = unsafe pages.folio(0)
    unsafe folio_associate(folio, mapping, 0)
    _ = unsafe xa_store(&mapping.pointee.i_pages, 0, folio)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "finder",
          body: {
            let found = unsafe filemap_get_entry(mapping, 0)
            obligations.reach(unsafe found == nil ? 1 : 0)
            guard let found = unsafe found else { return }
            require(
              unsafe folio_mapping_word(found) == UInt(bitPattern: mapping), "CI37",
              "a folio of another file")
            unsafe folio_put(found)
          }
        ),
        (
          name: "owner",
          body: {
            _ = unsafe xa_erase(&mapping.pointee.i_pages, 0)
            // Only when nobody has it may it be another's.
            guard unsafe folio_ref_freeze(folio, 1) else { return unsafe folio_put(folio) }
            unsafe folio_associate(folio, UnsafePointer(mapping) + 1, 0)
            unsafe folio_ref_unfreeze(folio, 1)
            unsafe folio_put(folio)
          }
        ),
      ],
      conclude: { pages.requireFree(0) },
      tearDown: {
        unsafe address_space_destroy(mapping)
        unsafe cfolio_free(mapping)
        pages.tearDown()
      })
  }
}
