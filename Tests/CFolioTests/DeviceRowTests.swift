// SPDX-License-Identifier: MIT

// Rows of the operation table (spec: core.md section 16) that are reached through others elsewhere,
// called by their own names: the free dispatch, page initialisation, type questions, a whole device
// map and idle waits from C, the mode switch of percpu_ref.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Device rows by name")
struct DeviceRowTests {
  @Test("free_pages_and_swap_cache drops what release_pages drops")
  func batchFree() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let (one, two) = unsafe (map.page(map.frames.lowerBound), map.page(map.frames.lowerBound + 1))
    unsafe set_page_count(one, 1)
    unsafe set_page_count(two, 5)
    var words = unsafe [
      encode_page(one, 0), encode_page(two, ENCODED_PAGE_BIT_NR_PAGES_NEXT), encode_nr_pages(4),
    ]
    unsafe free_pages_and_swap_cache(&words, 3)
    #expect(unsafe page_ref_count(one) == 0 && page_ref_count(two) == 1)
    unsafe put_page(two)
    #expect(map.firstBusyFrame == nil)
  }

  @Test("__folio_put dispatches a zero winner's page to its driver, or to RAM")
  func freeDispatch() throws {
    let freed = Counter()
    let map = try PageMap(
      .deviceCoherent, pages: 512, .init(onFree: { freed.add(Int($0 & 511)) }))
    let frame = map.frames.lowerBound + 9
    unsafe zone_device_page_init(map.page(frame))
    let folio = unsafe map.folio(frame)
    unsafe folio_unlock(folio)
    unsafe folio_get(folio)
    #expect(unsafe !folio_put_testzero(folio))
    #expect(unsafe folio_put_testzero(folio))
    #expect(freed.value == 0, "a put that only tests frees nothing")
    unsafe __folio_put(folio)
    #expect(freed.value == 9)
    try map.unmap()

    let memory = try SystemMemory.shared.allocate(order: 3)
    let block = unsafe memory.leak()
    #expect(unsafe folio_put_testzero(block))
    #expect(unsafe folio_test_large(block))
    unsafe __folio_put(block)
    #expect(unsafe !folio_test_large(block), "dissolved")
  }

  @Test("one page, and a range of folios, are made as their type and shape say")
  func initialisation() throws {
    for kind in PageMap.Kind.allCases {
      let map = try PageMap(kind, pages: 512, .init(strictTeardown: false))
      let idle = kind == .generic ? Int32(1) : 0
      let page = unsafe map.page(map.frames.lowerBound)
      unsafe set_page_count(page, 77)
      unsafe folio_set_flag(page_folio(page), Int32(PG_dirty.rawValue))
      unsafe folio_set_mapping_word(page_folio(page), 0x1000)
      unsafe __init_zone_device_page(page, map.pgmap)
      #expect(unsafe page_ref_count(page) == idle && page_pgmap(page) == map.pgmap)
      #expect(unsafe page_mapping_word(page) == 0 && folio_mapcount(page_folio(page)) == 0)
      #expect(unsafe !folio_test_flag(page_folio(page), Int32(PG_dirty.rawValue)))
      #expect(map.audit().isEmpty)

      unsafe map.pgmap.pointee.vmemmap_shift = 2
      unsafe memmap_init_zone_device(map.pgmap, map.frames.lowerBound, 8)
      for frame in map.frames.prefix(8) {
        let isHead = frame % 4 == 0
        #expect(unsafe PageHead(map.page(frame)) == isHead && PageTail(map.page(frame)) == !isHead)
        #expect(unsafe page_ref_count(map.page(frame)) == (isHead ? idle : 0))
        #expect(unsafe folio_order(map.folio(frame)) == 2)
      }
      unsafe map.pgmap.pointee.vmemmap_shift = 0
      unsafe memmap_init_zone_device(map.pgmap, map.frames.lowerBound, 8)
      #expect(map.audit().isEmpty)
    }
  }

  @Test("a folio's type is its map's; RAM has none")
  func types() throws {
    func answers(_ folio: UnsafeMutablePointer<folio>) -> [Bool] {
      unsafe [
        folio_is_device_private(folio), folio_is_device_coherent(folio), folio_is_fsdax(folio),
        folio_is_pci_p2pdma(folio),
      ]
    }
    for (kind, position) in [
      (PageMap.Kind.devicePrivate, 0), (.deviceCoherent, 1), (.fsdax, 2), (.pciP2PDMA, 3),
      (.generic, nil),
    ] as [(PageMap.Kind, Int?)] {
      for order in [0, 4] {
        let map = try PageMap(kind, pages: 512, .init(compoundOrder: order))
        let expected = (0..<4).map { $0 == position }
        #expect(unsafe answers(map.folio(map.frames.lowerBound + 7)) == expected, "\(kind)")
        #expect(unsafe page_pgmap(map.page(map.frames.lowerBound + 7)) == map.pgmap)
      }
    }
    let memory = try SystemMemory.shared.allocate()
    let folio = unsafe memory.folio
    #expect(unsafe answers(folio) == [false, false, false, false])
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let before = cfolio_warning_count()
    #expect(unsafe page_pgmap(folio_page(folio, 0)) == nil)
    #expect(cfolio_warning_count() > before)
  }

  @Test("memremap_pages makes a C driver's map live, memunmap_pages ends it")
  func cMap() {
    let map = UnsafeMutablePointer<dev_pagemap>.allocate(capacity: 1)
    defer { unsafe map.deallocate() }
    let first: UInt = (1 << 26) + (1 << 21)
    for type in [MEMORY_DEVICE_FS_DAX, MEMORY_DEVICE_GENERIC] {
      unsafe UnsafeMutableRawPointer(map).initializeMemory(
        as: UInt8.self, repeating: 0, count: MemoryLayout<dev_pagemap>.size)
      unsafe map.pointee.type = type
      // Two ranges with a gap, and struct pages for 8 + 4 frames inside the first.
      unsafe map.pointee.nr_range = 2
      unsafe map.pointee.ranges.0 = pfn_range(start: first, end: first + 511)
      unsafe map.pointee.ranges.1 = pfn_range(start: first + 1024, end: first + 2047)
      #expect(unsafe memremap_pages(map, 0) == 0)
      #expect(unsafe percpu_ref_value(&map.pointee.ref) == 1 + 512 + 1024)
      for frame in [first, first + 511, first + 1024, first + 2047] {
        #expect(unsafe pgmap_pfn_valid(map, frame))
        let found = unsafe get_dev_pagemap(frame)
        #expect(unsafe found == map)
        unsafe put_dev_pagemap(found)
        #expect(unsafe page_ref_count(pfn_to_page(frame)) == pgmap_idle_count(map))
      }
      #expect(unsafe !pgmap_pfn_valid(map, first + 512))
      #expect(unsafe get_dev_pagemap(first + 512) == nil)
      unsafe memunmap_pages(map)
      #expect(unsafe get_dev_pagemap(first) == nil)
      #expect(unsafe atomic_read(&map.pointee.releases) == 1, "CI30: released once")
      #expect(unsafe atomic_read(&map.pointee.dead_visible) == 1)
    }
  }

  @Test("an altmap's frames are part of the map but cost no reference and have no page to hand out")
  func altmap() {
    let map = UnsafeMutablePointer<dev_pagemap>.allocate(capacity: 1)
    defer { unsafe map.deallocate() }
    unsafe UnsafeMutableRawPointer(map).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<dev_pagemap>.size)
    let first: UInt = (1 << 26) + (1 << 22)
    unsafe map.pointee.type = MEMORY_DEVICE_FS_DAX
    unsafe map.pointee.flags = UInt32(PGMAP_ALTMAP_VALID)
    unsafe map.pointee.altmap.reserve = 8
    unsafe map.pointee.altmap.free = 4
    unsafe map.pointee.nr_range = 1
    unsafe map.pointee.ranges.0 = pfn_range(start: first, end: first + 511)
    #expect(unsafe memremap_pages(map, 0) == 0)
    #expect(unsafe pgmap_altmap(map)?.pointee.reserve == 8)
    #expect(unsafe !pgmap_pfn_valid(map, first + 11) && pgmap_pfn_valid(map, first + 12))
    #expect(unsafe percpu_ref_value(&map.pointee.ref) == 1 + 500)
    unsafe memunmap_pages(map)
  }

  @Test("percpu_ref_switch_to_atomic ends with its confirmation; exit leaves nothing")
  func percpuSwitch() {
    let ref = UnsafeMutablePointer<percpu_ref>.allocate(capacity: 1)
    unsafe UnsafeMutableRawPointer(ref).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<percpu_ref>.size)
    #expect(unsafe percpu_ref_init(ref, { _ in }) == 0)
    unsafe percpu_ref_get_many(ref, 41)
    unsafe percpu_ref_switch_to_atomic(ref) { ref in
      // Every slot is summed up by now; one more reference shows that this ran.
      unsafe percpu_ref_get(ref)
    }
    rcu_barrier()
    #expect(unsafe !percpu_ref_is_percpu(ref) && percpu_ref_value(ref) == 43)
    unsafe percpu_ref_switch_to_percpu(ref)
    unsafe percpu_ref_put_many(ref, 42)
    #expect(unsafe percpu_ref_value(ref) == 1)
    unsafe percpu_ref_kill(ref)
    rcu_barrier()
    #expect(unsafe percpu_ref_is_zero(ref))
    unsafe percpu_ref_exit(ref)
    unsafe ref.deallocate()
  }

  @Test("a wait for an idle page from C sleeps on the key of its rules and returns after the put")
  func idleWait() async throws {
    for rules in PageMap.Rules.allCases {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
      let frame = map.frames.lowerBound
      let folio = unsafe map.folio(frame)
      unsafe folio_ref_inc(folio)
      let key = unsafe cfolio_idle_key(
        folio, rules == .legacy ? FOLIO_RULES_LEGACY : FOLIO_RULES_STRICT)
      let expected =
        rules == .legacy
        ? unsafe UInt(bitPattern: map.page(frame)) + 52 : unsafe UInt(bitPattern: map.page(frame))
      #expect(UInt(bitPattern: key) == expected)
      let waiter = NativeThread {
        var options = unsafe wait_options()
        #expect(unsafe folio_wait_idle(map.folio(frame), FOLIO_IDLE, &options) == 0)
      }
      let queue = unsafe __var_waitqueue(key)
      #expect(eventually { unsafe waitqueue_active(queue) })
      unsafe put_page(map.page(frame))
      waiter.join()
      try map.unmap()
    }
  }
}
