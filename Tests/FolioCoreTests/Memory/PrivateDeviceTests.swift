// SPDX-License-Identifier: MIT

// The test device (spec: core.md 14.2): pages go there and come back by accesses, evictions and the end
// of the device, alone and against each other; the golden trace of 15.3.

import CFolio
import FolioCore
import FolioWorkloads
import TestSupport
import Testing

@Suite("A device with memory of its own")
struct PrivateDeviceTests {
  private static let page = MemoryMap.pageSize
  private static let kinds = PrivateMemoryDevice.Kind.allCases

  private static func filled(_ pages: Int) throws -> (MemoryMap, MemoryArea) {
    let space = try MemoryMap()
    let area = try space.map(pages: pages, [.read, .write], .private)
    for page in 0..<pages { try space.store(UInt(page + 1), at: area.address(ofPage: page)) }
    return (space, area)
  }

  /// What the pages hold.
  private static func contents(_ space: MemoryMap, _ area: MemoryArea) throws -> [UInt] {
    var contents: [UInt] = []
    for page in 0..<area.pages { contents.append(try space.load(area.address(ofPage: page))) }
    return contents
  }

  @Test("pages move there and back with what they hold", arguments: kinds)
  func thereAndBack(kind: PrivateMemoryDevice.Kind) throws {
    let device = try PrivateMemoryDevice(kind, pages: 32)
    let held = device.map.mapReferenceCount
    let (space, area) = try Self.filled(20)
    #expect(try device.migrate(area.range, of: space) == 20)
    #expect(device.freePages == 12 && device.map.mapReferenceCount == held + 20)
    #expect(space.counters.anonymousPages == 20)
    let leaf = entry(space, area.start)
    #expect(pte_present(leaf) == (kind == .coherent))
    #expect(device.map.frames.contains(pte_pfn(leaf)))
    #expect(try Self.contents(space, area) == Array(1...20))
    // Private pages are back by these accesses, coherent ones are not.
    #expect(device.freePages == (kind == .private ? 32 : 12))
    try space.store(100, at: area.address(ofPage: 3))
    #expect(try device.migrate(area.range, of: space) == (kind == .private ? 20 : 0))
    #expect(try device.bringBack(area.range, of: space) == 20)
    #expect(device.freePages == 32 && device.map.mapReferenceCount == held)
    #expect(!device.map.frames.contains(pte_pfn(entry(space, area.start))))
    #expect(try Self.contents(space, area) == [1, 2, 3, 100] + Array(5...20))
    #expect(device.map.audit().isEmpty)
    try device.remove()
  }

  @Test("pages for which the device has no room stay")
  func full() throws {
    let device = try PrivateMemoryDevice(.private, pages: 4)
    let (space, area) = try Self.filled(6)
    #expect(try device.migrate(area.range, of: space) == 4)
    #expect(device.freePages == 0 && device.allocate() == nil)
    #expect(pte_present(entry(space, area.address(ofPage: 5))))
    #expect(try Self.contents(space, area) == Array(1...6))
    #expect(device.freePages == 4)
  }

  @Test("nothing becomes 0 on the device, and the RAM behind pages is given back")
  func emptyPlaces() async {
    await #expect(processExitsWith: .success) {
      _ = try MemoryMap()
      let free = SystemMemory.shared.freePages
      do {
        let device = try PrivateMemoryDevice(.private, pages: 8)
        let space = try MemoryMap()
        let area = try space.map(pages: 4, [.read, .write], .private)
        let moved = try device.migrate(area.range, of: space)
        precondition(moved == 4)
        precondition(SystemMemory.shared.freePages == free - 4)
        precondition(space.counters.anonymousPages == 4)
        let first = try space.load(area.start)
        try space.store(9, at: area.address(ofPage: 1))
        let second = try space.load(area.address(ofPage: 1))
        precondition(first == 0 && second == 9)
        precondition(SystemMemory.shared.freePages == free - 4 && device.freePages == 6)
        try space.unmap(area.range)
        precondition(SystemMemory.shared.freePages == free && device.freePages == 8)
        try device.remove()
      }
      precondition(SystemMemory.shared.freePages == free)
    }
  }

  @Test(
    "PRIVATE: free, alloc, migrate in, fault out",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func golden(rules: PageMap.Rules) throws {
    let device = try PrivateMemoryDevice(.private, pages: 4, rules: rules)
    let first = device.map.frames.lowerBound
    #expect(counts(first) == Counts(0, 0))
    let page = try #require(device.allocate())
    #expect(page == first && counts(first) == Counts(1, 0) && isLocked(first))
    unsafe folio_unlock(page_folio(pfn_to_page(first)))
    unsafe put_page(pfn_to_page(first))
    #expect(counts(first) == Counts(0, 0) && device.freePages == 4)
    let (space, area) = try Self.filled(1)
    #expect(try device.migrate(area.range, of: space) == 1)
    #expect(counts(first) == Counts(1, 1) && !isLocked(first))
    // The rows in between: MigrationTests `ledgerOfFault`.
    #expect(try space.load(area.start) == 1)
    #expect(counts(first) == Counts(0, 0) && device.freePages == 4)
    #expect(device.map.audit().isEmpty)
  }

  @Test("the end of a device brings everything back, and hands nothing out", arguments: kinds)
  func removal(kind: PrivateMemoryDevice.Kind) throws {
    let device = try PrivateMemoryDevice(kind, pages: 16)
    let (space, area) = try Self.filled(8)
    try device.migrate(area.range, of: space)
    let child = try space.fork()
    try child.store(50, at: area.address(ofPage: 1))
    try device.remove()
    #expect(!device.map.isLive && device.freePages == 0 && device.allocate() == nil)
    #expect(try Self.contents(space, area) == Array(1...8))
    #expect(try Self.contents(child, area) == [1, 50] + Array(3...8))
    #expect(try device.migrate(area.range, of: space) == 0)
    #expect(try Self.contents(space, area) == Array(1...8))
  }

  @Test("a pinned page holds the end of the device up")
  func pinned() throws {
    let device = try PrivateMemoryDevice(.coherent, pages: 4)
    let (space, area) = try Self.filled(2)
    try device.migrate(area.range, of: space)
    let frame = pte_pfn(entry(space, area.start))
    let folio = unsafe page_folio(pfn_to_page(frame))
    #expect(unsafe try_grab_folio(folio, 1, FOLL_PIN) == 0)
    #expect(codeOf { () throws(PageMapError) in try device.remove() } == .busy)
    #expect(counts(frame) == Counts(1025, 1))
    #expect(try Self.contents(space, area) == [1, 2])
    unsafe unpin_user_folio(folio, 1)
    try device.remove()
    #expect(try Self.contents(space, area) == [1, 2])
  }

  @Test("migrations both ways, accesses, forks and evictions leave contents and counts right")
  func storm() throws {
    let device = try PrivateMemoryDevice(.private, pages: 24)
    let (space, area) = try Self.filled(16)
    let isOver = Flag()
    let threads = (0..<4).map { (number: Int) -> NativeThread in
      NativeThread {
        do {
          var round = 0
          while !isOver.isRaised {
            round += 1
            switch number {
            case 0: try device.migrate(area.range, of: space)
            case 1:
              let page = round % 16
              let value = try space.load(area.address(ofPage: page))
              precondition(value == UInt(page + 1), "page \(page) holds \(value)")
              try space.store(value, at: area.address(ofPage: page))
            case 2: device.evict()
            default:
              let child = try space.fork()
              let page = round % 16
              let value = try child.load(area.address(ofPage: page))
              precondition(value == UInt(page + 1), "page \(page) holds \(value)")
              try child.store(0, at: area.address(ofPage: page))
            }
          }
        } catch {
          fatalError("\(error)")
        }
      }
    }
    cfolio_sleep_ns(500_000_000)
    isOver.raise()
    for thread in threads { thread.join() }
    #expect(try Self.contents(space, area) == Array(1...16))
    try space.unmap(area.range)
    #expect(space.counters.anonymousPages == 0 && device.freePages == 24)
    #expect(device.map.firstBusyFrame == nil)
    #expect(device.map.audit().isEmpty)
    try device.remove()
  }

  @Test("accesses race the end of the device")
  func removalRaces() throws {
    for _ in 0..<10 {
      let device = try PrivateMemoryDevice(.private, pages: 8, rules: .kernel)
      let (space, area) = try Self.filled(8)
      let isOver = Flag()
      let mover = NativeThread {
        do {
          while !isOver.isRaised {
            try device.migrate(area.range, of: space)
            _ = try Self.contents(space, area)
          }
        } catch {
          fatalError("\(error)")
        }
      }
      cfolio_sleep_ns(2_000_000)
      try device.remove()
      isOver.raise()
      mover.join()
      #expect(try Self.contents(space, area) == Array(1...8))
    }
  }
}
