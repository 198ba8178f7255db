// SPDX-License-Identifier: MIT

// Walks that take locks and fault: pins against removals and forks, copies made for a pin, and folios found
// by their place in a file (spec: core.md 12.3-12.5, rows 102, 119).

import CFolio
import FolioCore

enum SlowPins {
  static let scenarios = [discard, unshare, fork, longTerm, lookup]

  /// A pin that faults the page in, against its removal.
  private static let discard = Scenario(
    "slow-pin-discard", "a pin that faults its page in against MADV_DONTNEED: pinned all the same",
    rules: [.strict, .kernel], obligations: ["mapped at the end", "gone at the end"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let found = try FoundPage()
    let obligations = settings.obligations
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
        let count = world.mappings(0)
        obligations.reach(count > 0 ? 0 : 1)
        world.require(0, mapped: count)
        world.require(filePages: Int(count))
      },
      tearDown: {
        found.free()
        world.tearDown()
      })
  }

  /// P111: a pin for reading of a page that a child shares gets one of its own first.
  private static let unshare = Scenario(
    "slow-pin-unshare", "a pin for reading of a shared page against the child's end: it is its own",
    rules: [.strict], obligations: ["the shared one, left by the child", "a copy"]
  ) { settings in
    let world = try PrivateMemory(settings, isForked: true)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard world.found.pin(world.space()) == 1 else {
              return report("VMA", "a page cannot be pinned")
            }
            obligations.reach(world.found.frame == world.frame ? 0 : 1)
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
      ], conclude: { world.requireHome() }, tearDown: { world.tearDown() })
  }

  /// P114: a fork that comes behind a pin looks for it.
  private static let fork = Scenario(
    "slow-pin-fork", "a pin under the map's lock against a fork: the pinned page stays (CI42)",
    rules: [.strict], obligations: ["pinned the old one", "pinned a copy"]
  ) { settings in
    let world = try PrivateMemory(settings)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard world.found.pin(world.space(), FOLL_WRITE) == 1 else {
              return report("VMA", "a page cannot be pinned")
            }
            obligations.reach(world.found.frame == world.frame ? 0 : 1)
            world.requireOwn()
            world.found.unpin()
          }
        ), (name: "fork", body: { world.fork() }),
      ], conclude: { world.requireHome() }, tearDown: { world.tearDown() })
  }

  /// P113: long-term pins of a file's pages are refused, whatever is mapped.
  private static let longTerm = Scenario(
    "slow-pin-longterm",
    "long-term pins of file-system DAX against munmap: refused, or no area (12.7)",
    rules: [.strict, .kernel], obligations: ["refused", "no area"]
  ) { settings in
    let world = try MappedFile(settings)
    try world.map(0..<1)
    let found = try FoundPage()
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
