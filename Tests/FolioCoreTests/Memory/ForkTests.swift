// SPDX-License-Identifier: MIT

// What a fork copies, counts and protects (spec: core.md section 11, rows 91 and 92; CI42), and that one
// that fails counts nothing.

import CFolio
import FolioCore
import Synchronization
import TestSupport
import Testing

@Suite("Forks", .serialized)
struct ForkTests {
  private static let page = MemoryMap.pageSize

  @Test(
    "shared device pages: copied where faults could not bring them back, and counted then",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func shared(rules: PageMap.Rules) throws {
    let map = try PageMap(.fsdax, pages: 16, .init(rules: rules))
    let idle = Counts(map, 0)
    let counted = rules == .legacy ? 0 : 1
    for contents: MappedObject.Contents in [[], .mixed] {
      let file = try MappedObject(.fsdax, contents: contents, DeviceFile(map))
      let parent = try MemoryMap(MemoryMap.Options(rules: rules))
      let area = try parent.map(file, pages: 2, [.read, .write], .shared)
      try parent.store(1, at: area.start)
      let before = entry(parent, area.start)
      let child = try parent.fork()
      let isCopied = contents == .mixed
      let mappings = isCopied ? 2 * counted : counted
      #expect(Counts(map, 0) == Counts(idle.references + mappings, mappings))
      #expect(child.counters.filePages == (isCopied ? counted : 0))
      let copy = entry(child, area.start)
      #expect((copy.pte != 0) == isCopied && entry(child, area.start + Self.page).pte == 0)
      if isCopied {
        // The right to stores stays; that it was stored to is the parent's to know.
        #expect(pte_pfn(copy) == pte_pfn(before) && pte_write(copy))
        #expect(!pte_dirty(copy) && !pte_young(copy))
      }
      #expect(entry(parent, area.start).pte == before.pte, "nothing is protected")
      #expect(map.audit(mappedBy: [parent, child]).isEmpty)
      try child.unmap(area.range)
      #expect(Counts(map, 0) == Counts(idle.references + counted, counted))
    }
  }

  @Test("private pages: one more reference and mapping, and no right to stores on either side")
  func ownPages() throws {
    let map = try PageMap(.fsdax, pages: 16)
    let file = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
    let parent = try MemoryMap()
    let area = try parent.map(file, pages: 3, [.read, .write], .private)
    try parent.store(1, at: area.start)
    _ = try parent.load(area.address(ofPage: 1))
    let own = pte_pfn(entry(parent, area.start))
    #expect(counts(own) == Counts(1, 1) && pte_write(entry(parent, area.start)))
    let child = try parent.fork()
    #expect(counts(own) == Counts(2, 2) && Counts(map, 1) == Counts(2, 2))
    #expect(child.counters.anonymousPages == 1 && child.counters.filePages == 1)
    for space in [parent, child] {
      #expect(pte_pfn(entry(space, area.start)) == own && !pte_write(entry(space, area.start)))
      #expect(entry(space, area.address(ofPage: 2)).pte == 0)
    }
    #expect(unsafe !folio_page_is_exclusive(pfn_to_page(own)))
    // An area without pages of its own is not looked at: its pages come by faults.
    let plain = try parent.map(file, from: 4, pages: 1, [.read, .write], .private)
    _ = try parent.load(plain.start)
    let other = try parent.fork()
    #expect(Counts(map, 4) == Counts(1, 1) && entry(other, plain.start).pte == 0)
    #expect(map.audit(mappedBy: [parent, child, other]).isEmpty)
  }

  @Test("bare frames and the zero page are copied by special entries that count nothing")
  func special() throws {
    let parent = try MemoryMap()
    let bare = UInt(FOLIO_RAM_PFNS) + 1 << 30
    let frames = try MappedObject(
      .file, contents: .frames, AnsweringFile { $0.insertFrame(bare) })
    let area = try parent.map(frames, pages: 1, [.read, .write], .shared)
    #expect(ask(parent, area.start, order: 0) == .noPage)
    let own = try parent.map(pages: 2, [.read, .write], .private)
    try parent.store(1, at: own.start)
    _ = try parent.load(own.address(ofPage: 1))
    let zero = unsafe cfolio_zero_page_now()!
    let before = unsafe page_ref_count(zero)
    let child = try parent.fork()
    #expect(pte_pfn(entry(child, area.start)) == bare && pte_special(entry(child, area.start)))
    let copy = entry(child, own.address(ofPage: 1))
    #expect(unsafe pte_pfn(copy) == page_to_pfn(zero) && pte_special(copy))
    #expect(unsafe page_ref_count(zero) == before)
    #expect(child.counters.anonymousPages == 1 && child.counters.filePages == 0)
    #expect(child.audit().isEmpty)
  }

  @Test(
    "leaves: special ones are copied as they are, counted ones never, at the PUD level either (C57)",
    arguments: LeafSize.allCases)
  func leaves(_ size: LeafSize) throws {
    var options = MemoryMap.Options()
    options.tableShift = LeafSize.shift
    options.depositsTables = true
    let map = try PageMap(.generic, pages: 64, .init(compoundOrder: size.order))
    let world = try InsertionWorld(
      map, contents: .mixed, pages: 64, [.read, .write], .shared, options)
    let results = [
      world.insertLeaf(size, folio: 0, at: 0, write: true),
      world.insertLeaf(size, frame: 1 << 30, at: size.pages, write: true),
    ]
    #expect(results == [.noPage, .noPage] && Counts(map, 0) == Counts(2, 1))
    let child = try world.space.fork()
    #expect(Counts(map, 0) == Counts(2, 1) && child.counters.filePages == 0)
    #expect(entry(child, world.address(0), size.level).pte == 0)
    let copy = entry(child, world.address(size.pages), size.level)
    #expect(pte_pfn(copy) == 1 << 30 && pte_special(copy) && pmd_leaf(copy) && pte_write(copy))
    // Tables on the way; a PMD leaf keeps one of its own.
    #expect(child.counters.tables == (size == .pmd ? 4 : 2))
    #expect(map.audit(mappedBy: [world.space, child]).isEmpty)
    try child.unmap(world.area.range)
    #expect(child.counters.tables == 1 && Counts(map, 0) == Counts(2, 1))
  }

  @Test("a page that somebody pinned stays the parent's: the child gets a copy of what it holds")
  func pinned() throws {
    let parent = try MemoryMap()
    let area = try parent.map(pages: 2, [.read, .write], .private)
    for page in 0..<2 { try parent.store(UInt(page) + 5, at: area.address(ofPage: page)) }
    let frames = (0..<2).map { pte_pfn(entry(parent, area.address(ofPage: $0))) }
    let pins = try parent.pin(area.addresses(ofPages: 0..<1), .write)
    let child = try parent.fork()
    #expect(counts(frames[0]) == Counts(1025, 1) && counts(frames[1]) == Counts(2, 2))
    #expect(pte_write(entry(parent, area.start)) && !pte_write(entry(parent, area.end - 1)))
    let copy = pte_pfn(entry(child, area.start))
    #expect(copy != frames[0] && counts(copy) == Counts(1, 1))
    #expect(unsafe folio_page_is_exclusive(pfn_to_page(frames[0])))
    try parent.store(9, at: area.start)
    #expect(pte_pfn(entry(parent, area.start)) == frames[0])
    #expect(try child.load(area.start) == 5 && child.load(area.address(ofPage: 1)) == 6)
    #expect(child.counters.anonymousPages == 2)
    pins.release()
    #expect(counts(frames[0]) == Counts(1, 1))
  }

  @Test("a fork ends when no store by an old translation can come any more")
  func translations() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 1, [.read, .write], .private)
    try space.store(1, at: area.start)
    whileTranslated(space, area.start) {
      let child = try space.fork()
      precondition(child.counters.anonymousPages == 1)
    } meanwhile: {
      !pte_write(entry(space, area.start))
    }
  }

  // MARK: write_protect_seq (row 92)

  @Test("the sequence is odd while private entries are protected, under mmap_lock, and only then")
  func sequence() async {
    // What gives out pages is the process's.
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.fsdax, pages: 16)
      let space = try MemoryMap()
      let own = try space.map(pages: 1, [.read, .write], .private)
      try space.store(1, at: own.start)
      let pins = try space.pin(own.range, .write)
      unsafe Self.observed = space
      unsafe Self.original = unsafe cfolio_ram_set_alloc { order in
        let mm = unsafe ForkTests.observed!.mm
        unsafe ForkTests.wasOdd = unsafe atomic_read(&mm.pointee.write_protect_seq) & 1 == 1
        unsafe ForkTests.wasLocked = unsafe !down_read_trylock(&mm.pointee.mmap_lock)
        return unsafe ForkTests.original!(order)
      }
      let before = unsafe atomic_read(&space.mm.pointee.write_protect_seq)
      precondition(before & 1 == 0)
      // The child's copy of the pinned page is taken while the entries are copied.
      let child = try space.fork()
      unsafe precondition(Self.wasOdd && Self.wasLocked)
      let after = unsafe atomic_read(&space.mm.pointee.write_protect_seq)
      precondition(after == before + 2)
      _ = consume child
      pins.release()
      // Shared areas have nothing to protect.
      let file = try MappedObject(.fsdax, contents: .mixed, DeviceFile(map))
      let other = try MemoryMap()
      let area = try other.map(file, pages: 1, [.read, .write], .shared)
      try other.store(1, at: area.start)
      let second = try other.fork()
      precondition(unsafe atomic_read(&other.mm.pointee.write_protect_seq) == 0)
      precondition(second.counters.filePages == 1)
      unsafe Self.observed = nil
    }
  }

  private nonisolated(unsafe) static var observed: MemoryMap?
  private nonisolated(unsafe) static var original: cfolio_ram_alloc_t?
  private nonisolated(unsafe) static var wasOdd = false
  private nonisolated(unsafe) static var wasLocked = false

  @Test("a fork that finds no memory leaves parent and pages as they were")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      var refused = 0
      for seed in 0..<UInt64(120) {
        var options = MemoryMap.Options()
        options.tableShift = 2
        let map = try PageMap(.fsdax, pages: 32)
        let file = try MappedObject(.fsdax, contents: .mixed, DeviceFile(map))
        let parent = try MemoryMap(options)
        let area = try parent.map(file, pages: 32, [.read, .write], .shared)
        let own = try parent.map(pages: 8, [.read, .write], .private)
        for page in 0..<32 { try parent.store(1, at: area.address(ofPage: page)) }
        for page in 0..<8 { try parent.store(UInt(page), at: own.address(ofPage: page)) }
        let frames = (0..<8).map { pte_pfn(entry(parent, own.address(ofPage: $0))) }
        cfolio_fault_injection(8, seed)
        do throws(MemoryError) {
          let child = try parent.fork()
          cfolio_fault_injection(0, 0)
          precondition(child.counters.filePages == 32)
          continue
        } catch {
          cfolio_fault_injection(0, 0)
          precondition(error.code == .outOfMemory)
          refused += 1
        }
        precondition((0..<32).allSatisfy { Counts(map, $0) == Counts(1, 1) })
        precondition(frames.allSatisfy { counts($0) == Counts(1, 1) })
        precondition(parent.counters.filePages == 32 && parent.counters.anonymousPages == 8)
        let sequence = unsafe atomic_read(&parent.mm.pointee.write_protect_seq)
        precondition(sequence & 1 == 0)
        let violations = map.audit(mappedBy: [parent])
        precondition(violations.isEmpty, "\(violations)")
        for page in 0..<8 {
          let value = try parent.load(own.address(ofPage: page))
          precondition(value == UInt(page))
          try parent.store(value + 1, at: own.address(ofPage: page))
        }
      }
      precondition(refused > 40, "\(refused)")
    }
  }
}
