// SPDX-License-Identifier: MIT

// Peer-to-peer memory (spec: core.md 14.3): pools, areas, errors, the golden trace of both schemes,
// removal with areas, references and driver memory open; and v6.18's defects under kernel rules.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Peer-to-peer memory")
struct PeerMemoryTests {
  private static let page = MemoryMap.pageSize

  /// References on the map while all memory is in the pool.
  private static let pages = 8

  @Test(
    "pages are mapped when the area is made, and go home with their last reference",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func lifeOfPages(rules: PageMap.Rules) throws {
    let pool = try PeerMemoryPool(pages: Self.pages, rules: rules)
    let idle = Counts(pool.map, 0)
    #expect(idle == Counts(rules == .legacy ? 1 : 0, 0))
    let held = pool.map.mapReferenceCount
    let space = try MemoryMap()
    let area = try space.map(pool.object, pages: 3, [.read, .write], .shared)
    for number in 0..<3 {
      let frame = pte_pfn(entry(space, area.address(ofPage: number)))
      #expect(frame == pool.map.frames.lowerBound + UInt(number))
      #expect(Counts(pool.map, number) == Counts(1, 1))
    }
    #expect(pool.freePages == 5 && pool.map.mapReferenceCount == held + 3)
    #expect(space.counters.filePages == 3)
    try space.store(6, at: area.address(ofPage: 2))
    #expect(try space.load(area.address(ofPage: 2)) == 6)
    // What is lost does not come back.
    try space.discard(area.addresses(ofPages: 1..<2))
    #expect(Counts(pool.map, 1) == idle && pool.freePages == 6)
    #expect(pool.map.mapReferenceCount == held + 2)
    #expect(throws: MemoryError(.fault, address: area.address(ofPage: 1))) {
      try space.load(area.address(ofPage: 1))
    }
    let child = try space.fork()
    #expect(Counts(pool.map, 0) == Counts(2, 2))
    try space.unmap(area.range)
    #expect(Counts(pool.map, 0) == Counts(1, 1) && pool.freePages == 6)
    try child.unmap(area.range)
    #expect(Counts(pool.map, 0) == idle && pool.freePages == Self.pages)
    #expect(pool.map.mapReferenceCount == held)
    #expect(pool.map.audit().isEmpty)
    try pool.remove()
  }

  @Test("areas have to be shared, begin with page 0, and fit into the pool")
  func errors() throws {
    let pool = try PeerMemoryPool(pages: Self.pages)
    let held = pool.map.mapReferenceCount
    let space = try MemoryMap()
    let place = MemoryMap.Placement.fixed(16 * Self.page)
    func refusal(_ pages: Int, from page: Int = 0, _ sharing: Sharing) -> MemoryError.Code? {
      do throws(MemoryError) {
        try space.map(pool.object, from: page, pages: pages, [.read, .write], sharing, at: place)
        return nil
      } catch {
        return error.code
      }
    }
    #expect(refusal(1, .private) == .invalidArgument)
    #expect(refusal(1, from: 1, .shared) == .invalidArgument)
    #expect(refusal(Self.pages + 1, .shared) == .outOfMemory)
    #expect(pool.freePages == Self.pages && pool.map.mapReferenceCount == held)
    #expect(refusal(Self.pages, .shared) == nil)
    #expect(throws: MemoryError(.outOfMemory)) { _ = try pool.allocate(pages: 1) }
    #expect(throws: MemoryError(.invalidArgument)) { _ = try pool.allocate(pages: 0) }
    #expect(space.areas.count == 1)
    try pool.remove()
    #expect(refusal(1, .shared) == .noDevice)
    #expect(throws: MemoryError(.noDevice)) { _ = try pool.allocate(pages: 1) }
    #expect(pool.freePages == Self.pages)
  }

  @Test("a map that is going gives no memory: nothing is taken from the pool")
  func dyingMap() throws {
    let pool = try PeerMemoryPool(pages: Self.pages)
    try pool.map.unmap()
    let space = try MemoryMap()
    #expect(throws: MemoryError.self) {
      try space.map(pool.object, pages: 1, [.read, .write], .shared)
    }
    #expect(throws: MemoryError(.noDevice)) { _ = try pool.allocate(pages: 1) }
    #expect(pool.freePages == Self.pages)
  }

  @Test("a map that is going but still held gives no memory either")
  func heldDyingMap() throws {
    let pool = try PeerMemoryPool(pages: Self.pages)
    let space = try MemoryMap()
    let pgmap = unsafe try #require(get_dev_pagemap(pool.map.frames.lowerBound))
    unsafe percpu_ref_kill(&pgmap.pointee.ref)
    synchronize_rcu()
    #expect(throws: MemoryError.self) {
      try space.map(pool.object, pages: 1, [.read, .write], .shared)
    }
    #expect(throws: MemoryError(.noDevice)) { _ = try pool.allocate(pages: 1) }
    #expect(pool.freePages == Self.pages && space.areas.isEmpty)
    unsafe percpu_ref_resurrect(&pgmap.pointee.ref)
    unsafe put_dev_pagemap(pgmap)
    try space.map(pool.object, pages: 1, [.read, .write], .shared)
  }

  @Test("drivers take runs of frames by first fit, with no reference, and hold the map")
  func allocations() throws {
    let pool = try PeerMemoryPool(pages: Self.pages)
    let held = pool.map.mapReferenceCount
    let first = pool.map.frames.lowerBound
    do {
      let one = try pool.allocate(pages: 2)
      let two = try pool.allocate(pages: 3)
      let frames = (one.frames, two.frames)
      #expect(frames.0 == first..<(first + 2) && frames.1 == (first + 2)..<(first + 5))
      #expect(Counts(pool.map, 0) == Counts(0, 0))
      #expect(pool.map.mapReferenceCount == held + 2 && pool.freePages == 3)
      #expect(throws: MemoryError(.outOfMemory)) { _ = try pool.allocate(pages: 4) }
      _ = consume one
      #expect(throws: MemoryError(.outOfMemory)) { _ = try pool.allocate(pages: 4) }
      let three = try pool.allocate(pages: 2)
      let again = three.frames
      #expect(again == first..<(first + 2))
      _ = consume two
    }
    #expect(pool.freePages == Self.pages && pool.map.mapReferenceCount == held)
    try pool.remove()
  }

  @Test(
    "P2PDMA: pool, set, insert, put, GET, zap, put",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func golden(rules: PageMap.Rules) async {
    // The log of counts is the process's.
    switch rules {
    case .strict: await #expect(processExitsWith: .success) { try Self.trace(.strict) }
    case .kernel: await #expect(processExitsWith: .success) { try Self.trace(.kernel) }
    case .legacy: await #expect(processExitsWith: .success) { try Self.trace(.legacy) }
    }
  }

  private static func trace(_ rules: PageMap.Rules) throws {
    let pool = try PeerMemoryPool(pages: Self.pages, rules: rules)
    let (map, space) = (pool.map, try MemoryMap())
    let idle = rules == .legacy ? 1 : 0
    precondition(Counts(map, 0) == Counts(idle, 0))
    let area = try ReferenceTrace.record {
      try space.map(pool.object, pages: 1, [.read, .write], .shared)
    }
    let events = ReferenceTrace.lastEvents(of: map.frames.lowerBound)
    precondition(events.map(\.delta) == [1, 1, -1], "\(events)")
    precondition(events.map(\.kind) == [.set, .mod, .modAndTest], "\(events)")
    precondition(events[0].result == 1 && events[1].result == 2, "\(events)")
    precondition(Counts(map, 0) == Counts(1, 1))
    let driver = try reference(to: map.frames.lowerBound)
    precondition(Counts(map, 0) == Counts(2, 1))
    try space.unmap(area.range)
    precondition(Counts(map, 0) == Counts(1, 0))
    precondition(pool.freePages == Self.pages - 1)
    driver.releasePage()
    precondition(Counts(map, 0) == Counts(idle, 0) && pool.freePages == Self.pages)
    try pool.remove()
  }

  // MARK: failed insertions

  /// Areas of three pages in tables of two entries, with every allocation in `period` refused; what is
  /// missing from the pool or wrong in it afterwards, for one of the seeds.
  private static func failInsertions(_ rules: PageMap.Rules) throws -> (failed: Int, leaks: Int) {
    var (failed, leaks) = (0, 0)
    for seed in 0..<UInt64(60) {
      let pool = try PeerMemoryPool(pages: Self.pages, rules: rules, strictTeardown: false)
      let (idle, held) = (Counts(pool.map, 0), pool.map.mapReferenceCount)
      var options = MemoryMap.Options(rules: rules)
      options.tableShift = 1
      let space = try MemoryMap(options)
      cfolio_fault_injection(3, seed)
      do throws(MemoryError) {
        let area = try space.map(
          pool.object, pages: 3, [.read, .write], .shared, at: .fixed(3 * Self.page))
        cfolio_fault_injection(0, 0)
        try space.unmap(area.range)
      } catch {
        cfolio_fault_injection(0, 0)
        failed += 1
        precondition(error.code == .outOfMemory, "\(error)")
      }
      precondition(space.areas.isEmpty && space.counters.filePages == 0)
      precondition(pool.freePages == Self.pages)
      let isClean =
        (0..<Self.pages).allSatisfy { Counts(pool.map, $0) == idle }
        && pool.map.mapReferenceCount == held
      leaks += isClean ? 0 : 1
    }
    return (failed, leaks)
  }

  @Test("a page that cannot be mapped goes home, and the map is let go")
  func failedInsertion() async {
    await #expect(processExitsWith: .success) {
      let strict = try Self.failInsertions(.strict)
      precondition(strict.failed > 20 && strict.leaks == 0, "\(strict)")
      let legacy = try Self.failInsertions(.legacy)
      precondition(legacy.failed > 20 && legacy.leaks == 0, "\(legacy)")
    }
  }

  @Test("under kernel rules it keeps a reference, in the pool, and one on the map (C69)")
  func leakedInsertion() async {
    await #expect(processExitsWith: .success) {
      let kernel = try Self.failInsertions(.kernel)
      precondition(kernel.failed > 20 && kernel.leaks > 5, "\(kernel)")
    }
  }

  @Test("under kernel rules a page that is as it should be is warned of (C70)")
  func invertedWarning() async {
    await #expect(processExitsWith: .success) {
      for (rules, expected) in [(PageMap.Rules.strict, 0), (.legacy, 0), (.kernel, 1)] {
        let pool = try PeerMemoryPool(pages: 1, rules: rules)
        let space = try MemoryMap()
        let before = cfolio_warning_count()
        try space.map(pool.object, pages: 1, .read, .shared)
        precondition(Int(cfolio_warning_count() - before) == expected, "\(rules)")
      }
    }
  }

  // MARK: removal

  @Test("removal unmaps first, and is refused while a page is in use")
  func removal() throws {
    let pool = try PeerMemoryPool(pages: Self.pages)
    let space = try MemoryMap()
    let area = try space.map(pool.object, pages: 2, [.read, .write], .shared)
    let driver = try reference(to: pool.map.frames.lowerBound + 1)
    #expect(codeOf { () throws(PageMapError) in try pool.remove() } == .busy)
    #expect(Counts(pool.map, 0) == Counts(0, 0) && Counts(pool.map, 1) == Counts(1, 0))
    #expect(throws: MemoryError.self) { try space.load(area.start) }
    driver.release()
    try pool.remove()
    #expect(pool.freePages == Self.pages && pool.map.mapReferenceCount == 0)
  }

  @Test("removal waits for pages and for driver memory, by the map's references")
  func removalWaits() throws {
    let pool = try PeerMemoryPool(pages: Self.pages, strictTeardown: false)
    let space = try MemoryMap()
    try space.map(pool.object, pages: 2, [.read, .write], .shared)
    let driver = try reference(to: pool.map.frames.lowerBound + 1)
    let memory = try pool.allocate(pages: 1)
    let isRemoved = Flag()
    let remover = NativeThread {
      do {
        try pool.remove()
      } catch {
        fatalError("\(error)")
      }
      isRemoved.raise()
    }
    #expect(eventually { Counts(pool.map, 0) == Counts(0, 0) })
    driver.release()
    let early = poll(milliseconds: 50) { isRemoved.isRaised }
    #expect(!early)
    _ = consume memory
    remover.join()
    #expect(isRemoved.isRaised && pool.freePages == Self.pages)
  }

  @Test("an area that is being made holds removal up, and loses its pages then")
  func removalDuringMap() throws {
    let pool = try PeerMemoryPool(pages: Self.pages)
    var options = MemoryMap.Options()
    options.tableShift = 1
    let space = try MemoryMap(options)
    var failed = false
    let address = 4 * Self.page
    let place = unsafe pgtable_walk_alloc(space.mm, address, PGTABLE_LEVEL_PTE, &failed)
    unsafe spin_lock(place.lock!)
    let mapper = NativeThread {
      do {
        try space.map(pool.object, pages: 2, [.read, .write], .shared, at: .fixed(address))
      } catch {
        fatalError("\(error)")
      }
    }
    #expect(eventually { Counts(pool.map, 0).references == 1 })
    let isRemoved = Flag()
    let remover = NativeThread.begun {
      do {
        try pool.remove()
      } catch {
        fatalError("\(error)")
      }
      isRemoved.raise()
    }
    let early = poll(milliseconds: 50) { isRemoved.isRaised }
    #expect(!early)
    unsafe spin_unlock(place.lock!)
    mapper.join()
    remover.join()
    #expect(pool.freePages == Self.pages && space.areas.count == 1)
  }
}
