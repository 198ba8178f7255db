// SPDX-License-Identifier: MIT

// Mapping counted pages by PTEs (spec: core.md 9.2-9.4, rows 70-73; CI54, CI55): what a new entry counts
// and has for bits, what is refused, and that a refusal or an entry that is there counts nothing.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("Insertion of pages", .serialized)
struct InsertPageTests {
  private static let page = MemoryMap.pageSize

  /// An area that may hold pages of its own besides (VM_MIXEDMAP), and pages that the test holds.
  private func world(
    _ kind: PageMap.Kind = .generic, rules: PageMap.Rules = .strict, shift: Int = 9,
    _ rights: AccessRights = [.read, .write], options: ((inout MemoryMap.Options) -> Void)? = nil
  ) throws -> InsertionWorld {
    let map = try PageMap(kind, pages: 512, .init(rules: rules))
    var configuration = MemoryMap.Options(rules: rules)
    configuration.tableShift = shift
    options?(&configuration)
    return try InsertionWorld(map, contents: .mixed, rights, .shared, configuration)
  }

  private func insert(_ world: InsertionWorld, _ page: Int, at place: Int) -> Int32 {
    unsafe vm_insert_page(world.vma, world.address(place), world.page(page))
  }

  private func insertForFault(
    _ world: InsertionWorld, _ page: Int, at place: Int, write: Bool
  ) -> FaultResult {
    unsafe withFault(world.space, world.address(place), write: write) {
      unsafe vmf_insert_page_mkwrite($0, world.page(page), write)
    }
  }

  @Test("a new entry owns a reference, a mapping and a page of the map's counter")
  func newEntry() throws {
    let world = try world()
    #expect(insert(world, 3, at: 5) == 0)
    #expect(Counts(world.map, 3) == Counts(2, 1) && world.space.counters.filePages == 1)
    #expect(world.bits(5) == ["present"] && pte_pfn(world.entry(5)) == world.map.frame(3))
    // Again, and another page in its place: neither counts.
    let before = world.ledger()
    #expect(insert(world, 3, at: 5) == -16 && insert(world, 4, at: 5) == -16)
    #expect(world.ledger() == before && pte_pfn(world.entry(5)) == world.map.frame(3))
    // The same page elsewhere does.
    #expect(insert(world, 3, at: 6) == 0)
    #expect(Counts(world.map, 3) == Counts(3, 2) && world.space.counters.filePages == 2)
    #expect(unsafe vm_insert_page(world.vma, world.area.end, world.page(3)) == -14)
    #expect(unsafe vm_insert_page(world.vma, world.area.start - Self.page, world.page(3)) == -14)
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
    try world.space.unmap(world.area.range)
    #expect(Counts(world.map, 3) == Counts(1, 0) && world.space.counters.filePages == 0)
  }

  @Test(
    "pages that may not be mapped are refused, and counted by nobody (validate_page_before_insert)")
  func refused() throws {
    // Nobody holds it.
    let idle = try world(.fsdax)
    let before = idle.ledger()
    #expect(insert(idle, 0, at: 0) == -22)
    #expect(insertForFault(idle, 0, at: 0, write: true) == .busError)
    #expect(idle.ledger() == before && idle.entry(0).pte == 0)
    idle.hold(0..<1)
    #expect(insert(idle, 0, at: 0) == 0)
    unsafe folio_put(idle.folio(0))

    // A page of its own of an address space.
    let own = try idle.space.map(pages: 1, [.read, .write], .private)
    try idle.space.store(1, at: own.start)
    let anonymous = pte_pfn(TestSupport.entry(idle.space, own.start))
    #expect(
      unsafe vm_insert_page(idle.vma, idle.address(1), pfn_to_page(anonymous)) == -22)
    #expect(counts(anonymous) == Counts(1, 1))

    // One that has a type.
    let typed = try world()
    unsafe atomic_set(&typed.page(0).pointee.page_type, Int32(bitPattern: PGTY_slab << 24))
    #expect(insert(typed, 0, at: 0) == -22)
    unsafe atomic_set(&typed.page(0).pointee._mapcount, -1)
    #expect(insert(typed, 0, at: 0) == 0)

    // A DAX page whose entries count nothing.
    let legacy = try world(rules: .legacy)
    #expect(insert(legacy, 0, at: 0) == -22)
    #expect(Counts(legacy.map, 0) == Counts(1, 0))
  }

  @Test(
    "the zero page is mapped where nothing can be written to it, by an entry that counts nothing")
  func zeroPage() throws {
    let map = try PageMap(.generic, pages: 8)
    for (kind, answers, sharing, expected) in [
      (MappedObject.Kind.deviceDAX, FaultHandlerAnswers([]), Sharing.shared, Int32(-22)),
      (.fsdax, [], .shared, -22), (.fsdax, .frameStores, .shared, 0),
      (.deviceDAX, .frameStores, .shared, -22), (.file, [], .private, 0),
    ] {
      let world = try InsertionWorld(
        map, kind: kind, contents: .mixed, answers: answers, [.read, .write], sharing)
      let zero = unsafe cfolio_zero_page_now()!
      func state() -> [Int32] {
        unsafe [page_ref_count(zero), atomic_read(&zero.pointee._mapcount)]
      }
      let before = state()
      #expect(unsafe vm_insert_page(world.vma, world.address(2), zero) == expected)
      #expect(state() == before && world.space.counters.filePages == 0)
      #expect(world.bits(2) == (expected == 0 ? ["present", "special"] : []))
    }
  }

  @Test("an area becomes one of mixed pages under mmap_lock for writing, and only then")
  func mixed() throws {
    let world = try InsertionWorld(PageMap(.generic, pages: 8))
    #expect(unsafe world.vma.pointee.vm_flags & VM_MIXEDMAP == 0)
    let status = withWriteLock(world.space) { insert(world, 0, at: 0) }
    #expect(status == 0)
    #expect(unsafe world.vma.pointee.vm_flags & VM_MIXEDMAP != 0)
    // From here on no lock for writing is needed.
    #expect(insert(world, 1, at: 1) == 0)
  }

  @Test("without the lock, and in an area of bare frames, vm_insert_page stops the process")
  func mixedMisuse() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try InsertionWorld(PageMap(.generic, pages: 8))
      _ = unsafe vm_insert_page(world.vma, world.address(0), world.page(0))
    }
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let world = try InsertionWorld(PageMap(.generic, pages: 8), contents: .frames)
      _ = withWriteLock(world.space) {
        unsafe vm_insert_page(world.vma, world.address(0), world.page(0))
      }
    }
  }

  @Test("many pages, over the ends of batches and tables, up to the first that cannot be")
  func many() throws {
    let world = try world(shift: 2)
    func insert(_ pages: [Int], at place: Int) -> (status: Int32, left: UInt) {
      var array = unsafe pages.map { unsafe world.page($0) }
      var left = UInt(pages.count)
      let status = unsafe vm_insert_pages(world.vma, world.address(place), &array, &left)
      return (status, left)
    }
    #expect(insert(Array(0..<14), at: 1) == (0, 0))
    for number in 0..<14 {
      #expect(Counts(world.map, number) == Counts(2, 1))
      #expect(pte_pfn(world.entry(number + 1)) == world.map.frame(number))
    }
    #expect(world.space.counters.filePages == 14)
    try world.space.discard(world.area.addresses(ofPages: 3..<13))
    // The entry of page 12 of the area is none, that of page 13 is there.
    #expect(insert(Array(20..<32), at: 3) == (-16, 2))
    #expect(Counts(world.map, 29) == Counts(2, 1) && Counts(world.map, 30) == Counts(1, 0))
    #expect(Counts(world.map, 12) == Counts(2, 1))
    #expect(world.space.counters.filePages == 14)
    // What does not fit is refused as a whole; a page that may not be mapped ends it.
    let before = world.ledger(40)
    #expect(insert([33, 34], at: 15) == (-14, 2) && world.ledger(40) == before)
    try world.space.discard(world.area.range)
    unsafe atomic_set(&world.page(35).pointee.page_type, Int32(bitPattern: PGTY_slab << 24))
    #expect(insert([33, 34, 35, 36], at: 0) == (-22, 2))
    unsafe atomic_set(&world.page(35).pointee._mapcount, -1)
    #expect(world.space.counters.filePages == 2 && world.entry(2).pte == 0)
    #expect(world.map.audit(mappedBy: [world.space]).isEmpty)
  }

  @Test("an area is filled from an array, from its offset on or from the first (vm_map_pages)")
  func filled() throws {
    for (isOffset, first) in [(true, 2), (false, 0)] {
      let map = try PageMap(.generic, pages: 16)
      let world = try InsertionWorld(map, contents: .mixed, pages: 3, from: 2)
      var pages = unsafe (0..<5).map { unsafe world.page($0) }
      func fill(_ count: UInt) -> Int32 {
        isOffset
          ? unsafe vm_map_pages(world.vma, &pages, count)
          : unsafe vm_map_pages_zero(world.vma, &pages, count)
      }
      let before = world.ledger(5)
      // One too few; none behind the offset.
      #expect(fill(UInt(first + 2)) == -6 && fill(UInt(first)) == -6 && fill(0) == -6)
      #expect(world.ledger(5) == before)
      #expect(fill(UInt(first + 3)) == 0)
      for number in 0..<3 {
        #expect(pte_pfn(world.entry(number)) == map.frame(first + number))
        #expect(Counts(map, first + number) == Counts(2, 1))
      }
      #expect(world.space.counters.filePages == 3)
      #expect(fill(5) == -16, "the first is mapped")
    }
  }

  @Test("a fault's insertion: the bits of a load and of a store")
  func faults() throws {
    let world = try world()
    #expect(insertForFault(world, 0, at: 0, write: false) == .noPage)
    #expect(world.bits(0) == ["present"])
    #expect(insertForFault(world, 1, at: 1, write: true) == .noPage)
    #expect(world.bits(1) == ["present", "write", "dirty", "young"])
    #expect(Counts(world.map, 0) == Counts(2, 1) && Counts(world.map, 1) == Counts(2, 1))
    // Where nobody is told of stores the right comes with the load.
    let untold = try InsertionWorld(world.map, contents: .mixed, answers: [])
    #expect(insertForFault(untold, 0, at: 0, write: false) == .noPage)
    #expect(untold.bits(0) == ["present", "write"])
    // No right to stores, no write bit.
    let readable = try self.world(.generic, .read)
    #expect(insertForFault(readable, 1, at: 1, write: true) == .noPage)
    #expect(readable.bits(1) == ["present", "dirty", "young"])
    // Outside of the area.
    let result = unsafe withFault(world.space, world.address(2)) { fault in
      unsafe fault.pointee.address = world.area.end
      return unsafe vmf_insert_page_mkwrite(fault, world.page(2), false)
    }
    #expect(result == .busError && Counts(world.map, 2) == Counts(1, 0))
  }

  @Test(
    "a fault finds the entry: a load leaves it, a store gets the right, neither counts",
    arguments: [PageMap.Rules.strict, .kernel])
  func upgrade(rules: PageMap.Rules) throws {
    let world = try world(rules: rules)
    #expect(insertForFault(world, 0, at: 0, write: false) == .noPage)
    let before = world.ledger()
    #expect(insertForFault(world, 0, at: 0, write: false) == .noPage)
    #expect(insertForFault(world, 1, at: 0, write: false) == .noPage)
    #expect(world.bits(0) == ["present"] && world.ledger() == before)
    #expect(insertForFault(world, 0, at: 0, write: true) == .noPage)
    // v6.18 does not mark it dirty (9.3).
    let dirty: Set<String> = rules == .strict ? ["dirty"] : []
    #expect(world.bits(0) == dirty.union(["present", "write", "young"]))
    #expect(world.ledger() == before)
  }

  @Test("each switch of 9.3 by itself: what is marked, and what is left alone")
  func switches() throws {
    for (dirties, checks) in [(false, false), (false, true), (true, false), (true, true)] {
      let world = try world {
        $0.upgradeDirties = dirties
        $0.upgradeChecksPresent = checks
      }
      #expect(insertForFault(world, 0, at: 0, write: false) == .noPage)
      #expect(insertForFault(world, 0, at: 0, write: true) == .noPage)
      let dirty: Set<String> = dirties ? ["dirty"] : []
      #expect(world.bits(0) == dirty.union(["present", "write", "young"]))
      let place = unsafe pgtable_walk(
        world.space.mm, world.address(1), PGTABLE_LEVEL_PTE
      ).entry!
      let poisoned = softleaf_pte(world.map.frame(1), SOFTLEAF_HWPOISON)
      unsafe set_pte_at(place, poisoned)
      #expect(insertForFault(world, 1, at: 1, write: true) == (checks ? .busError : .noPage))
      let spoiled = pte_set(poisoned, _PAGE_RW | _PAGE_ACCESSED | (dirties ? _PAGE_DIRTY : 0))
      #expect(world.entry(1).pte == (checks ? poisoned : spoiled).pte)
      unsafe set_pte_at(place, pte_t())
    }
  }

  @Test(
    "another page in the place of a store's: refused, with a warning unless it is the zero page")
  func otherPage() async {
    // Warnings are counted for the process.
    await #expect(processExitsWith: .success) {
      let world = try InsertionWorld(
        PageMap(.generic, pages: 16), kind: .fsdax, contents: .mixed, answers: .frameStores)
      func insert(_ page: Int, at place: Int) -> FaultResult {
        unsafe withFault(world.space, world.address(place), write: true) {
          unsafe vmf_insert_page_mkwrite($0, world.page(page), true)
        }
      }
      precondition(insert(0, at: 0) == .noPage)
      let zero = unsafe vm_insert_page(world.vma, world.address(1), cfolio_zero_page_now()!)
      precondition(zero == 0)
      let before = (world.ledger(), world.entry(0).pte, world.entry(1).pte)
      let warnings = cfolio_warning_count()
      precondition(insert(1, at: 1) == .busError && cfolio_warning_count() == warnings)
      precondition(insert(1, at: 0) == .busError && cfolio_warning_count() == warnings + 1)
      precondition(before == (world.ledger(), world.entry(0).pte, world.entry(1).pte))
    }
  }

  @Test("what is there but not present is left alone, where the map is told to look (9.3)")
  func notPresent() throws {
    for rules in [PageMap.Rules.strict, .kernel] {
      let world = try world(rules: rules)
      #expect(insertForFault(world, 1, at: 1, write: false) == .noPage)
      let place = unsafe pgtable_walk(
        world.space.mm, world.address(0), PGTABLE_LEVEL_PTE
      ).entry!
      // The same frame: v6.18 compares nothing else, and spoils the entry.
      let poisoned = softleaf_pte(world.map.frame(0), SOFTLEAF_HWPOISON)
      unsafe set_pte_at(place, poisoned)
      let before = world.ledger()
      let result = insertForFault(world, 0, at: 0, write: true)
      #expect(result == (rules == .strict ? .busError : .noPage))
      #expect((unsafe ptep_get(place).pte == poisoned.pte) == (rules == .strict))
      #expect(world.ledger() == before)
      unsafe set_pte_at(place, pte_t())
    }
  }

  @Test("no memory for a table: -ENOMEM or VM_FAULT_OOM, and nothing is counted (CI55)")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      let world = try InsertionWorld(PageMap(.generic, pages: 16), contents: .mixed)
      let before = world.ledger()
      cfolio_fault_injection(1, 1)
      let status = unsafe vm_insert_page(world.vma, world.address(0), world.page(0))
      precondition(status == -12)
      var pages = unsafe [world.page(0), world.page(1)]
      var left: UInt = 2
      let many = unsafe vm_insert_pages(world.vma, world.address(0), &pages, &left)
      precondition(many == -12 && left == 2)
      let result = unsafe withFault(world.space, world.address(0)) {
        unsafe vmf_insert_page_mkwrite($0, world.page(0), true)
      }
      precondition(result == .outOfMemory)
      cfolio_fault_injection(0, 0)
      precondition(world.ledger() == before)
    }
  }

  @Test("a leaf in the way is an entry that is there")
  func leafInTheWay() throws {
    let map = try PageMap(.fsdax, pages: 16)
    var options = MemoryMap.Options()
    options.tableShift = 2
    let space = try MemoryMap(options)
    let file = try MappedObject(.fsdax, contents: .mixed, DeviceFile(map, order: 2))
    let area = try space.map(file, pages: 4, [.read, .write], .shared)
    try space.store(1, at: area.start)
    unsafe folio_ref_inc(map.folio(map.frame(8)))
    let vma = unsafe vma_lookup(space.mm, area.start)!
    #expect(unsafe vm_insert_page(vma, area.address(ofPage: 1), map.page(map.frame(8))) == -16)
    #expect(Counts(map, 8) == Counts(1, 0) && Counts(map, 0) == Counts(1, 1))
    unsafe folio_put(map.folio(map.frame(8)))
  }
}
