// SPDX-License-Identifier: MIT

// The life of a device map against those who look it up (spec: core.md 6.2-6.4, T11, T12, CI29-CI32,
// C63-C65): memremap_pages() and memunmap_pages() themselves, with the map in memory of the seam, so
// that a lookup that comes too late is seen touching freed memory.

import CFolio
import FolioCore

/// A dev_pagemap as a C driver would fill it in, over one page.
@safe
struct DriverMap {
  let pgmap: UnsafeMutablePointer<dev_pagemap>
  let frame: UInt

  /// Frames that no other map gets by itself.
  init(_ rules: PageMap.Rules, _ type: memory_type, frame: UInt, pages: UInt = 1) throws {
    self.frame = frame
    unsafe pgmap = try unsafe seamMemory(dev_pagemap.self)
    unsafe pgmap.pointee.type = type
    unsafe pgmap.pointee.rules =
      switch rules {
      case .strict: FOLIO_RULES_STRICT
      case .kernel: FOLIO_RULES_KERNEL
      case .legacy: FOLIO_RULES_LEGACY
      }
    unsafe pgmap.pointee.rmap_mode = folio_rmap_mode(page_mapcount: true, mm_id: true)
    unsafe pgmap.pointee.strict_teardown = rules == .strict
    unsafe pgmap.pointee.strict_generic = rules == .strict
    unsafe pgmap.pointee.nr_range = 1
    unsafe pgmap.pointee.ranges.0 = pfn_range(start: frame, end: frame + pages - 1)
  }

  func map() throws {
    guard unsafe memremap_pages(pgmap, 0) == 0 else { throw ScenarioMemoryError() }
  }

  func unmap() { unsafe memunmap_pages(pgmap) }
  func free() { unsafe cfolio_free(pgmap) }
}

/// A map that is only in the registry, next to another one. It keeps the registry's nodes when that
/// one goes: what lookups see of their going is map-teardown's subject.
@safe
struct NeighbourMap {
  private let map: DriverMap

  /// Next to the map that begins with the frame, and has at most 32.
  init(_ rules: PageMap.Rules, of frame: UInt) throws {
    map = try DriverMap(rules, MEMORY_DEVICE_FS_DAX, frame: frame + 32)
    guard unsafe cfolio_pgmap_register(map.pgmap, range) == 0 else { throw ScenarioMemoryError() }
  }

  private var range: pfn_range { pfn_range(start: map.frame, end: map.frame) }

  func tearDown() {
    cfolio_pgmap_unregister(range)
    map.free()
  }
}

enum MapLives {
  static let scenarios = [teardown, window, overlap]

  private static let frame = UInt(1 << 30) - UInt(1 << 16)

  /// Kill, grace period, drain, erase, grace period, free - against lookups of every timing.
  private static let teardown = Scenario(
    "map-teardown",
    "memunmap_pages and free against get_dev_pagemap: what a lookup gave lives (T12)",
    rules: [.strict, .kernel], size: 1, sizes: 1...2,
    obligations: ["found", "not found", "the map drained while it was held"]
  ) { settings in
    readyWaitTable()
    let map = try DriverMap(settings.rules, MEMORY_DEVICE_FS_DAX, frame: frame)
    try map.map()
    let obligations = settings.obligations
    let lookup = {
      guard let found = unsafe get_dev_pagemap(frame) else {
        obligations.reach(1)
        return
      }
      obligations.reach(0)
      if unsafe percpu_ref_is_dying(&found.pointee.ref) { obligations.reach(2) }
      require(unsafe atomic_read(&found.pointee.releases) == 0, "CI30", "released while held")
      unsafe put_dev_pagemap(found)
    }
    return ProgramWorld(
      [
        (
          name: "driver",
          body: {
            map.unmap()
            map.free()
          }
        )
      ] + (0..<settings.size).map { _ in (name: "lookup", body: lookup) },
      conclude: {
        rcu_read_lock()
        let left = unsafe cfolio_pgmap_lookup(frame)
        rcu_read_unlock()
        require(unsafe left == nil, "CI31", "an erased map is found")
      },
      tearDown: {
        map.unmap()
        map.free()
      })
  }

  /// A lookup may find the map before its pages are ready: then they have no references to give.
  private static let window = Scenario(
    "map-window",
    "memremap_pages against a lookup: a page that can be referenced is complete (CI28)",
    rules: [.strict, .legacy],
    obligations: ["not found", "found before its page", "found with its page"]
  ) { settings in
    readyWaitTable()
    let map = try DriverMap(settings.rules, MEMORY_DEVICE_GENERIC, frame: frame)
    // Once, so that the struct pages have memory and what is made at first use is made.
    try map.map()
    map.unmap()
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "driver",
          body: { require(unsafe memremap_pages(map.pgmap, 0) == 0, "CI28", "memremap failed") }
        ),
        (
          name: "lookup",
          body: {
            guard let found = unsafe get_dev_pagemap(frame) else {
              obligations.reach(0)
              return
            }
            let folio = unsafe page_folio(pfn_to_page(frame))
            let got = unsafe folio_try_get(folio)
            obligations.reach(got ? 2 : 1)
            if got {
              let (isDevice, word) = unsafe (
                folio_is_zone_device(folio), page_pgmap(pfn_to_page(frame))
              )
              require(unsafe isDevice && word == found, "CI28", "a referenced page without its map")
              unsafe folio_put(folio)
            }
            unsafe put_dev_pagemap(found)
          }
        ),
      ],
      conclude: {
        require(unsafe page_ref_count(pfn_to_page(frame)) == 1, "CI25", "the base count is off")
      }, tearDown: { map.free() })
  }

  private static let overlap = Scenario(
    "map-overlap", "two maps claim overlapping frames: one gets all of them, the other none",
    rules: [.strict], obligations: ["the first won", "the second won"]
  ) { settings in
    // Once, so that the registry exists.
    let warm = try DriverMap(.strict, MEMORY_DEVICE_FS_DAX, frame: frame)
    try warm.map()
    warm.unmap()
    let maps = try [0, 1].map {
      try DriverMap(.strict, MEMORY_DEVICE_FS_DAX, frame: frame + $0, pages: 2)
    }
    let results = try [SharedWord("first result", 1), SharedWord("second result", 1)]
    let obligations = settings.obligations
    return ProgramWorld(
      (0..<2).map { index in
        (
          name: "driver \(index + 1)",
          body: {
            let range = pfn_range(start: maps[index].frame, end: maps[index].frame + 1)
            results[index].store(unsafe cfolio_pgmap_register(maps[index].pgmap, range))
          }
        )
      },
      conclude: {
        let won = results.map { $0.load() == 0 }
        require(won.count { $0 } == 1, "CI28", "not exactly one of two overlapping maps is known")
        guard let winner = won.firstIndex(of: true) else { return }
        obligations.reach(winner)
        rcu_read_lock()
        for other in [frame, frame + 1, frame + 2] {
          let found = unsafe cfolio_pgmap_lookup(other)
          let isIn = other &- maps[winner].frame < 2
          let isRight = unsafe found == (isIn ? maps[winner].pgmap : nil)
          require(isRight, "CI28", "a frame leads to the wrong map")
        }
        rcu_read_unlock()
      },
      tearDown: {
        for map in maps + [warm] { map.free() }
        for result in results { result.free() }
      })
  }
}
