// SPDX-License-Identifier: MIT

// Address spaces from Swift: areas, accesses, memory of their own, forks.

import CFolio
import FolioCore
import Synchronization
import TestSupport
import Testing

@Suite("Address spaces")
struct MemoryMapTests {
  private static let page = MemoryMap.pageSize

  @Test("memory of its own is zero at first, keeps what is stored, and goes with its area")
  func anonymous() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 4, [.read, .write], .private)
    #expect(try space.load(area.address(ofPage: 1)) == 0)
    #expect(space.counters.anonymousPages == 0)
    try space.store(7, at: area.address(ofPage: 1) + 8)
    #expect(try space.load(area.address(ofPage: 1)) == 7)
    #expect(try space.load(area.address(ofPage: 2)) == 0)
    #expect(space.counters.anonymousPages == 1)
    try space.discard(area.range)
    #expect(try space.load(area.address(ofPage: 1)) == 0)
    try space.store(8, at: area.address(ofPage: 3))
    try space.unmap(area.range)
    #expect(space.counters.anonymousPages == 0 && space.counters.tables == 1)
    #expect(throws: MemoryError(.fault, address: area.start)) { try space.load(area.start) }
  }

  @Test("every page of RAM that areas had is free again when they are gone")
  func givesBack() async {
    await #expect(processExitsWith: .success) {
      _ = try MemoryMap()
      let free = SystemMemory.shared.freePages
      do {
        let space = try MemoryMap()
        let area = try space.map(pages: 4, [.read, .write], .private)
        for page in 0..<3 { try space.store(1, at: area.address(ofPage: page)) }
        precondition(SystemMemory.shared.freePages == free - 3)
        let child = try space.fork()
        try child.store(2, at: area.start)
        precondition(SystemMemory.shared.freePages == free - 4)
      }
      precondition(SystemMemory.shared.freePages == free)
    }
  }

  @Test("a fork shares private pages until one of both stores")
  func fork() throws {
    let parent = try MemoryMap()
    let area = try parent.map(pages: 2, [.read, .write], .private)
    try parent.store(1, at: area.start)
    let child = try parent.fork()
    #expect(try child.load(area.start) == 1)
    #expect(child.counters.anonymousPages == 1)
    try child.store(2, at: area.start)
    #expect(try parent.load(area.start) == 1 && child.load(area.start) == 2)
    try parent.store(3, at: area.start)
    #expect(try parent.load(area.start) == 3 && child.load(area.start) == 2)
    let grandchild = try child.fork()
    try child.unmap(area.range)
    #expect(try grandchild.load(area.start) == 2)
  }

  @Test("areas are placed, cut, protected and moved")
  func areas() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 8, [.read, .write], .private)
    for number in 0..<8 { try space.store(UInt(number + 1), at: area.address(ofPage: number)) }
    try space.unmap(area.addresses(ofPages: 2..<4))
    #expect(space.areas.map(\.pages) == [2, 4])
    #expect(throws: MemoryError.self) { try space.load(area.address(ofPage: 3)) }
    #expect(throws: MemoryError(.outOfMemory, address: area.address(ofPage: 2))) {
      try space.protect(area.addresses(ofPages: 0..<5), .read)
    }
    try space.protect(area.addresses(ofPages: 5..<6), .read)
    #expect(space.areas.map(\.pages) == [2, 1, 1, 2])
    #expect(throws: MemoryError(.fault, address: area.address(ofPage: 5))) {
      try space.store(0, at: area.address(ofPage: 5))
    }
    #expect(try space.load(area.address(ofPage: 5)) == 6)
    try space.protect(area.addresses(ofPages: 5..<6), [])
    #expect(throws: MemoryError.self) { try space.load(area.address(ofPage: 5)) }
    try space.protect(area.addresses(ofPages: 5..<6), [.read, .write])
    try space.store(60, at: area.address(ofPage: 5))
    #expect(try space.load(area.address(ofPage: 5)) == 60)

    let target = area.end + 64 * Self.page
    let moved = try space.remap(area.addresses(ofPages: 6..<8), pages: 3, to: target)
    #expect(moved == target)
    #expect(try space.load(target) == 7 && space.load(target + Self.page) == 8)
    #expect(try space.load(target + 2 * Self.page) == 0)
    #expect(throws: MemoryError.self) { try space.load(area.address(ofPage: 6)) }
    #expect(try space.remap(target..<(target + 3 * Self.page), pages: 5) == target)
    #expect(throws: MemoryError(.exists, address: target)) {
      try space.map(pages: 1, .read, .private, at: .fixedNoReplace(target))
    }
    try space.map(pages: 1, .read, .private, at: .fixed(target))
    #expect(try space.load(target) == 0 && space.load(target + Self.page) == 8)
    #expect(space.counters.anonymousPages == 5)
  }

  @Test("what moves by less than a table keeps its entries", arguments: [1, 3])
  func movesInsideOfATable(distance: Int) throws {
    let space = try MemoryMap()
    let area = try space.map(
      pages: 1, [.read, .write], .private, at: .fixed(16 * Self.page))
    try space.store(7, at: area.start)
    let tables = space.counters.tables
    let target = area.start + UInt(distance) * Self.page
    for (from, to) in [(area.start, target), (target, area.start)] {
      try space.remap(from..<(from + Self.page), pages: 1, to: to)
      #expect(try space.load(to) == 7)
      #expect(space.counters.tables == tables && space.counters.anonymousPages == 1)
    }
  }

  @Test(
    "pages of a device are mapped by faults, each entry with a reference and a mapping",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func device(rules: PageMap.Rules) throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
    let idle = Counts(map, 0)
    let file = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
    let (one, two) = (try MemoryMap(), try MemoryMap())
    let first = try one.map(file, pages: 4, [.read, .write], .shared)
    let second = try two.map(file, from: 1, pages: 2, [.read, .write], .shared)
    let counted = rules == .legacy ? 0 : 1
    _ = try one.load(first.address(ofPage: 1))
    #expect(Counts(map, 1) == Counts(idle.references + counted, counted))
    try two.store(5, at: second.start)
    #expect(Counts(map, 1) == Counts(idle.references + 2 * counted, 2 * counted))
    #expect(try one.load(first.address(ofPage: 1)) == 5)
    #expect(one.counters.filePages == counted && two.counters.filePages == counted)
    file.unmap(pages: 1..<2)
    #expect(Counts(map, 1) == idle)
    #expect(try one.load(first.address(ofPage: 1)) == 5)
    let child = try one.fork()
    #expect(Counts(map, 1) == Counts(idle.references + counted, counted))
    _ = try child.load(first.address(ofPage: 1))
    #expect(Counts(map, 1) == Counts(idle.references + 2 * counted, 2 * counted))
    #expect(map.audit(mappedBy: [one, two, child]).isEmpty)
  }

  @Test("a leaf maps a folio whole, and goes whole", arguments: [PageMap.Rules.strict, .kernel])
  func leaf(rules: PageMap.Rules) throws {
    let map = try PageMap(.fsdax, pages: 1024, .init(rules: rules))
    let file = try MappedObject(.fsdax, DeviceFile(map, order: 9))
    let space = try MemoryMap(MemoryMap.Options(rules: rules))
    let area = try space.map(file, pages: 1024, [.read, .write], .shared)
    try space.store(9, at: area.address(ofPage: 700))
    #expect(Counts(map, 700) == Counts(1, 1))
    #expect(space.counters.filePages == 512)
    #expect(try space.load(area.address(ofPage: 700)) == 9)
    try space.unmap(area.addresses(ofPages: 600..<601))
    #expect(Counts(map, 700) == Counts(0, 0) && space.counters.filePages == 0)
    #expect(try space.load(area.address(ofPage: 700)) == 9)
    // What is left of the area holds no whole folio: pages of it are mapped one by one.
    #expect(Counts(map, 700) == Counts(1, 1) && space.counters.filePages == 1)
  }

  @Test("an area that grows from its middle stays one, and keeps its leaf")
  func growsWithItsLeaf() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let file = try MappedObject(.fsdax, DeviceFile(map, order: 2, answers: .cuts))
    var options = MemoryMap.Options()
    options.tableShift = 2
    let space = try MemoryMap(options)
    let area = try space.map(
      file, pages: 4, [.read, .write], .shared, at: .fixed(16 * Self.page))
    _ = try space.load(area.start)
    #expect(Counts(map, 0) == Counts(1, 1))
    let middle = area.addresses(ofPages: 2..<4)
    #expect(try space.remap(middle, pages: 3) == middle.lowerBound)
    #expect(space.areas.map(\.pages) == [5])
    try space.store(1, at: area.start)
    #expect(Counts(map, 0) == Counts(1, 1) && space.counters.filePages == 4)
  }

  @Test("a private mapping of a file gets a page of its own by a store")
  func copyOnWrite() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let file = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
    let space = try MemoryMap()
    let shared = try space.map(file, pages: 1, [.read, .write], .shared)
    try space.store(4, at: shared.start)
    let area = try space.map(file, pages: 1, [.read, .write], .private)
    #expect(try space.load(area.start) == 4)
    #expect(Counts(map, 0) == Counts(2, 2))
    try space.store(5, at: area.start)
    #expect(Counts(map, 0) == Counts(1, 1))
    #expect(try space.load(area.start) == 5 && space.load(shared.start) == 4)
    file.unmap(pages: 0..<1, includingCopies: false)
    #expect(try space.load(area.start) == 5)
    #expect(Counts(map, 0) == Counts(0, 0))
    file.unmap(pages: 0..<1)
    #expect(space.counters.anonymousPages == 0)
    // A store at once: the copy comes without the page having been mapped.
    try space.store(6, at: area.start)
    #expect(Counts(map, 0) == Counts(0, 0) && space.counters.anonymousPages == 1)
    #expect(try space.load(area.start) == 6 && space.load(shared.start) == 4)
  }

  @Test("what was moved is found by its object, and counted as before")
  func moved() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let file = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
    let space = try MemoryMap()
    let area = try space.map(file, from: 3, pages: 2, [.read, .write], .shared)
    try space.store(4, at: area.start)
    let target = area.end + 1024 * Self.page
    #expect(try space.remap(area.addresses(ofPages: 0..<1), pages: 1, to: target) == target)
    #expect(Counts(map, 3) == Counts(1, 1) && space.counters.filePages == 1)
    #expect(try space.load(target) == 4)
    #expect(space.areas.map(\.firstPage) == [4, 3])
    file.unmap(pages: 3..<4)
    #expect(Counts(map, 3) == Counts(0, 0) && space.counters.filePages == 0)
    // The only area there is: no table goes that the target needs.
    try space.unmap(area.range)
    try space.store(5, at: target)
    let next = target + 2 * Self.page
    #expect(try space.remap(target..<(target + Self.page), pages: 1, to: next) == next)
    #expect(try space.load(next) == 5 && Counts(map, 3) == Counts(1, 1))
    try space.unmap(0..<space.end)
    #expect(Counts(map, 3) == Counts(0, 0) && space.counters.tables == 1)
  }

  @Test("a private copy that comes too late to be mapped is given back")
  func copyTooLate() async {
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.fsdax, pages: 512)
      let copier = LateCopier(map)
      let file = try MappedObject(.fsdax, copier)
      let space = try MemoryMap()
      copier.space.withLock { $0 = space }
      let area = try space.map(file, pages: 1, [.read, .write], .private)
      let free = SystemMemory.shared.freePages
      try space.store(3, at: area.start)
      let value = try space.load(area.start)
      precondition(value == 3)
      precondition(copier.copies.load(ordering: .relaxed) == 1)
      // The page that came first lost its entry with everything that it owned.
      precondition(Counts(map, 0) == Counts(0, 0))
      try space.unmap(area.range)
      precondition(SystemMemory.shared.freePages == free)
      copier.space.withLock { $0 = nil }
    }
  }
}

/// Fills the copy that a store needs, but somebody loads from the page before it is mapped.
private final class LateCopier: FaultHandler {
  private let file: DeviceFile
  let space = Mutex<MemoryMap?>(nil)
  let copies = Atomic<Int>(0)

  init(_ map: PageMap) { file = DeviceFile(map) }

  func fault(_ fault: borrowing PageFault) -> FaultResult {
    guard fault.isWrite, fault.copyFrame != nil else { return file.fault(fault) }
    copies.add(1, ordering: .relaxed)
    do {
      _ = try space.withLock { $0 }?.load(fault.address)
    } catch {
      return .busError
    }
    return fault.finish().union(.copied)
  }
}
