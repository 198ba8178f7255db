// SPDX-License-Identifier: MIT

// What the slow walk takes and how (spec: core.md 12.5, rows 94, 96, 100, 101, 103): pages of all kinds
// of memory, leaves by one step, stores, touches, splits, hints.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("get_user_pages: walks")
struct GetUserPagesTests {
  typealias Function = UserPagesSpace.Function
  private static let page = MemoryMap.pageSize

  @Test("pages that nobody touched are brought in, in order", arguments: Function.allCases)
  func anonymous(_ function: Function) throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 4, [.read, .write], .private)
    for number in 0..<4 { try space.map.store(UInt(number + 1), at: area.address(ofPage: number)) }
    try space.map.discard(area.addresses(ofPages: 1..<2))
    let isFastOnly = function == .getFastOnly
    let count = space.take(function, area.start, 4, FOLL_WRITE)
    #expect(count == (isFastOnly ? 1 : 4))
    let weight: Int32 = function.isPin ? 1024 : 1
    for frame in space.frames(count) {
      #expect(unsafe page_ref_count(pfn_to_page(frame)) == 1 + weight)
    }
    let words = space.frames(count).map { unsafe shared_read(cfolio_frame_word($0)!) }
    #expect(words == [1, 0, 3, 4].prefix(count).map { $0 })
    space.giveBack(function, count)
    #expect(space.map.counters.anonymousPages == (isFastOnly ? 3 : 4))
  }

  @Test("a load's walk takes the zero page, and pins do not count there")
  func zeroPage() throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 2, [.read, .write], .private)
    let zero = unsafe page_to_pfn(cfolio_zero_page_now()!)
    let before = unsafe page_ref_count(pfn_to_page(zero))
    #expect(space.take(.pinUnlocked, area.start, 2) == 2)
    #expect(space.frames(2) == [zero, zero])
    #expect(unsafe page_ref_count(pfn_to_page(zero)) == before)
    space.giveBack(.pinUnlocked, 2)
    // A store gets a page.
    #expect(space.take(.pinUnlocked, area.start, 2, FOLL_WRITE) == 2)
    #expect(!space.frames(2).contains(zero) && space.map.counters.anonymousPages == 2)
    space.giveBack(.pinUnlocked, 2)
    // So does a pin for good: the page of zeros would be replaced by the first store.
    try space.map.discard(area.range)
    #expect(space.take(.pinUnlocked, area.start, 1, FOLL_LONGTERM) == 1)
    #expect(!space.frames(1).contains(zero))
    space.giveBack(.pinUnlocked, 1)
  }

  @Test(
    "the rest of a leaf is taken by one step, from where the walk meets it",
    arguments: [Function.get, .getUnlocked, .pin, .pinUnlocked])
  func leaves(_ function: Function) throws {
    for (order, shift) in [(9, 9), (4, 2)] {
      let map = try PageMap(.fsdax, pages: 1024)
      let file = try MappedObject(.deviceDAX, DeviceFile(map, order: order))
      let space = try UserPagesSpace(options(shift))
      let size = 1 << order
      let area = try space.map.map(
        file, pages: 2 * size, [.read, .write], .shared, at: .fixed(UInt(size) * Self.page))
      try space.map.store(1, at: area.start)
      let level = shift == 9 ? PGTABLE_LEVEL_PMD : PGTABLE_LEVEL_PUD
      #expect(pmd_leaf(space.entry(area.start, level)))
      // The second leaf comes by a fault in the middle of the walk.
      let count = space.take(function, area.address(ofPage: 3), 2 * size - 5, FOLL_WRITE)
      #expect(count == 2 * size - 5)
      #expect(space.frames(count) == (3..<(2 * size - 2)).map { map.frame($0) })
      let (first, second) = (Int32(size - 3), Int32(size - 2))
      #expect(map.pins(0) == [1 + first, function.isPin ? first : 0])
      #expect(map.pins(size) == [1 + second, function.isPin ? second : 0])
      space.giveBack(function, count)
      #expect(map.pins(0) == [1, 0] && map.pins(size) == [1, 0])
    }
  }

  private func options(_ shift: Int) -> MemoryMap.Options {
    var options = MemoryMap.Options()
    options.tableShift = shift
    return options
  }

  @Test("a leaf that is special though counted is taken by the slow walk alone")
  func specialLeaf() throws {
    for (order, shift) in [(9, 9), (4, 2)] {
      let map = try PageMap(.fsdax, pages: 512)
      let file = try MappedObject(.deviceDAX, DeviceFile(map, order: order))
      var options = options(shift)
      options.specialLeaves = true
      let space = try UserPagesSpace(options)
      let size = 1 << order
      let area = try space.map.map(
        file, pages: size, [.read, .write], .shared, at: .fixed(UInt(size) * Self.page))
      try space.map.store(1, at: area.start)
      let leaf = space.entry(area.start, shift == 9 ? PGTABLE_LEVEL_PMD : PGTABLE_LEVEL_PUD)
      #expect(pmd_leaf(leaf) && pte_special(leaf))
      #expect(space.take(.getFastOnly, area.start, size) == 0)
      #expect(space.take(.pinFast, area.start, size) == size)
      #expect(map.pins(0) == [Int32(size) + 1, Int32(size)])
      space.giveBack(.pinFast, size)
      #expect(map.pins(0) == [1, 0])
    }
  }

  @Test("partial success: what is there is taken, whatever comes behind", arguments: Function.slow)
  func partial(_ function: Function) throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 3, [.read, .write], .private)
    #expect(space.take(function, area.address(ofPage: 1), 8) == 2)
    space.giveBack(function, 2)
    #expect(space.take(function, area.end, 1) == -14)
    try space.map.map(pages: 2, [.read, .write], .private, at: .fixed(area.end))
    #expect(space.take(function, area.start, 8, FOLL_WRITE) == 5, "over two areas")
    space.giveBack(function, 5)
  }

  @Test("FOLL_TOUCH: folios of pages, entries of leaves")
  func touch() throws {
    let map = try PageMap(.generic, pages: 1024, .init(compoundOrder: 9))
    let space = try UserPagesSpace()
    let file = try MappedObject(.deviceDAX, DeviceFile(map, order: 9))
    let area = try space.map.map(file, pages: 512, [.read, .write], .shared)
    // Brought in without a store: accessed, not dirty.
    _ = try space.map.load(area.start)
    func leaf() -> pte_t { space.entry(area.start, PGTABLE_LEVEL_PMD) }
    #expect(!pte_dirty(leaf()))
    #expect(space.take(.pin, area.start, 1, FOLL_WRITE) == 1)
    #expect(!pte_dirty(leaf()), "pin_user_pages() does not touch")
    space.giveBack(.pin, 1)
    #expect(space.take(.get, area.start, 1, FOLL_WRITE) == 1)
    #expect(pte_dirty(leaf()))
    space.giveBack(.get, 1)

    let small = try PageMap(.generic, pages: 512)
    let other = try space.map.map(
      try MappedObject(.deviceDAX, DeviceFile(small)), pages: 2, [.read, .write], .shared)
    _ = try space.map.load(other.start)
    func has(_ flag: pageflags) -> Bool {
      unsafe folio_test_flag(small.folio(small.frame(0)), Int32(flag.rawValue))
    }
    #expect(space.take(.pin, other.start, 1, FOLL_WRITE) == 1)
    space.giveBack(.pin, 1)
    #expect(!has(PG_dirty) && !has(PG_referenced))
    #expect(space.take(.get, other.start, 1) == 1)
    space.giveBack(.get, 1)
    #expect(!has(PG_dirty) && has(PG_referenced))
    #expect(space.take(.pinUnlocked, other.start, 1, FOLL_WRITE) == 1)
    space.giveBack(.pinUnlocked, 1)
    #expect(has(PG_dirty))
  }

  @Test("FOLL_SPLIT_PMD: pages in the place of a leaf")
  func split() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let file = try MappedObject(.deviceDAX, DeviceFile(map, order: 9))
    let space = try UserPagesSpace()
    let area = try space.map.map(file, pages: 512, [.read, .write], .shared)
    try space.map.store(1, at: area.start)
    #expect(map.pins(0) == [1, 0])
    #expect(space.take(.getUnlocked, area.start, 3, FOLL_SPLIT_PMD) == 3)
    #expect(pmd_table(space.entry(area.start, PGTABLE_LEVEL_PMD)))
    #expect(map.pins(0) == [6, 0], "three entries, three references")
    space.giveBack(.getUnlocked, 3)
    #expect(space.map.counters.filePages == 3)
  }

  @Test("FOLL_FORCE stores to private memory without the right, through a page of its own")
  func force() throws {
    let map = try PageMap(.generic, pages: 512)
    let file = try MappedObject(.deviceDAX, DeviceFile(map))
    let space = try UserPagesSpace()
    for rights: AccessRights in [.read, []] {
      let area = try space.map.map(file, pages: 1, rights, .private)
      #expect(space.take(.getUnlocked, area.start, 1, FOLL_WRITE) == -14)
      #expect(space.take(.getUnlocked, area.start, 1, FOLL_WRITE | FOLL_FORCE) == 1)
      #expect(!map.frames.contains(space.frames(1)[0]))
      #expect(pte_write(space.entry(area.start)) == false)
      // Again: the page is its own, no other fault is needed.
      let frame = space.frames(1)[0]
      space.giveBack(.getUnlocked, 1)
      #expect(space.take(.pinUnlocked, area.start, 1, FOLL_WRITE | FOLL_FORCE) == 1)
      #expect(space.frames(1) == [frame])
      space.giveBack(.pinUnlocked, 1)
    }
    let anonymous = try space.map.map(pages: 1, .read, .private)
    #expect(space.take(.pinUnlocked, anonymous.start, 1, FOLL_WRITE | FOLL_FORCE) == 1)
    space.giveBack(.pinUnlocked, 1)
  }

  @Test("FOLL_HONOR_NUMA_FAULT: an entry that is there to be noticed")
  func hints() throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 1, [.read, .write], .private)
    try space.map.store(1, at: area.start)
    let entry = unsafe pgtable_walk(space.map.mm, area.start, PGTABLE_LEVEL_PTE).entry!
    unsafe ptep_clear_bits(entry, _PAGE_PRESENT)
    unsafe ptep_set_access_flags(entry, _PAGE_PROTNONE)
    #expect(space.take(.getUnlocked, area.start, 1) == 1)
    space.giveBack(.getUnlocked, 1)
    #expect(pte_protnone(space.entry(area.start)))
    #expect(space.take(.getUnlocked, area.start, 1, FOLL_HONOR_NUMA_FAULT) == 1)
    space.giveBack(.getUnlocked, 1)
    #expect(!pte_protnone(space.entry(area.start)))
  }

  @Test(
    "a pin for reading makes a shared private page the pinner's own", arguments: Function.allCases)
  func unshare(_ function: Function) throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 1, [.read, .write], .private)
    try space.map.store(7, at: area.start)
    let child = try space.map.fork()
    let before = space.entry(area.start)
    let count = space.take(function, area.start, 1)
    #expect(count == 1)
    let after = space.entry(area.start)
    #expect((pte_pfn(after) == pte_pfn(before)) == !function.isPin)
    #expect(space.frames(1) == [pte_pfn(after)])
    #expect(unsafe shared_read(cfolio_frame_word(pte_pfn(after))!) == 7)
    // What the pinner stores is what the device sees.
    try space.map.store(8, at: area.start)
    let pinned = unsafe shared_read(cfolio_frame_word(space.frames(1)[0])!)
    #expect(pinned == (function.isPin ? 8 : 7))
    #expect(try child.load(area.start) == 7)
    space.giveBack(function, 1)
  }

  @Test("the first pin, not a reference, tells forks to look for pins (MMF_HAS_PINNED)")
  func hasPinned() throws {
    for function in Function.allCases {
      let space = try UserPagesSpace()
      let area = try space.map.map(pages: 1, [.read, .write], .private)
      try space.map.store(1, at: area.start)
      #expect(space.take(function, area.start, 1, FOLL_WRITE) == 1)
      let hasPinned = unsafe atomic_read(&space.map.mm.pointee.has_pinned) != 0
      #expect(hasPinned == function.isPin)
      // A fork copies what is pinned: the parent keeps its page.
      let child = try space.map.fork()
      let frame = pte_pfn(space.entry(area.start))
      try space.map.store(2, at: area.start)
      let isKept = pte_pfn(space.entry(area.start)) == frame
      #expect(isKept == function.isPin)
      #expect(try child.load(area.start) == 1)
      space.giveBack(function, 1)
    }
  }

  @Test("rows of what is pinned are checked: a page that is not exclusive is warned of (row 107)")
  func sanity() throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 1, [.read, .write], .private)
    #expect(space.take(.pinUnlocked, area.start, 1, FOLL_WRITE) == 1)
    let page = unsafe space.found[0]!
    unsafe clear_bits(&page.pointee.flags, UInt(1) << UInt(PG_anon_exclusive.rawValue))
    cfolio_warnings_quiet(true)
    let warnings = cfolio_warning_count()
    unsafe sanity_check_pinned_pages(space.found, 1)
    #expect(cfolio_warning_count() > warnings)
    space.giveBack(.pinUnlocked, 1)
    #expect(cfolio_warning_count() > warnings + 1)
    cfolio_warnings_quiet(false)
  }

  @Test("... and stops the process where it is of a map with legacy rules (row 107)")
  func legacySanity() async throws {
    try Self.checkSharedPage(.kernel)
    await #expect(processExitsWith: .signal(SIGABRT)) { try Self.checkSharedPage(.legacy) }
  }

  /// A private page of a device that is pinned and not exclusive.
  private static func checkSharedPage(_ rules: PageMap.Rules) throws {
    let driver = try TestDriver(.deviceCoherent, rules: rules)
    let frame = driver.handOut(0)
    let (page, folio) = unsafe (pfn_to_page(frame), page_folio(pfn_to_page(frame)))
    unsafe folio_unlock(folio)
    unsafe shared_set(&page.pointee.mapping, FOLIO_MAPPING_ANON)
    var pages: UnsafeMutablePointer<CFolio.page>? = unsafe page
    cfolio_warnings_quiet(true)
    let warnings = cfolio_warning_count()
    unsafe sanity_check_pinned_pages(&pages, 1)
    cfolio_warnings_quiet(false)
    #expect(cfolio_warning_count() > warnings)
    unsafe shared_set(&page.pointee.mapping, 0)
    unsafe put_page(page)
  }
}
