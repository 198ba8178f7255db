// SPDX-License-Identifier: MIT

// Changes of areas against faults in them, and what an object can rely on meanwhile.

import CFolio
import FolioCore
import Synchronization
import TestSupport
import Testing

@Suite("Changes of areas", .serialized)
struct AreaChangeTests {
  private static let page = MemoryMap.pageSize

  /// What the callbacks of the C object run, once; set by one test at a time.
  private nonisolated(unsafe) static var onOpen: (() -> Void)?

  /// An object whose areas tell when they are copied; faults bring pages of the map.
  private nonisolated(unsafe) static let operations: UnsafePointer<vm_operations_struct> = {
    let table = UnsafeMutablePointer<vm_operations_struct>.allocate(capacity: 1)
    unsafe table.initialize(to: vm_operations_struct())
    unsafe table.pointee.open = { _ in
      let body = unsafe AreaChangeTests.onOpen
      unsafe AreaChangeTests.onOpen = nil
      body?()
    }
    unsafe table.pointee.fault = { fault in
      unsafe fault.pointee.page = folio_page(cfolio_ram_alloc_folio(0)!, 0)
      return 0
    }
    return unsafe UnsafePointer(table)
  }()

  /// A space with an area of the object, and a change of it, at whose first copy of the area another
  /// thread stores to it.
  ///
  /// - Returns: the space, the area's start, and whether the store ended in front of the copy.
  private func storing(
    during change: (MemoryMap, UInt) throws -> Void
  ) throws -> (space: MemoryMap, start: UInt, wasStored: Bool) {
    let space = try MemoryMap()
    var request = unsafe mmap_request()
    unsafe request.pages = 4
    unsafe request.vm_flags = VM_READ | VM_WRITE
    unsafe request.vm_ops = Self.operations
    let start = UInt(bitPattern: unsafe cfolio_mmap(space.mm, &request))
    let (isStored, wasStored) = (Flag(), Flag())
    let thread = Mutex<NativeThread?>(nil)
    unsafe Self.onOpen = {
      let store = NativeThread.begun {
        do {
          try space.store(7, at: start)
        } catch {
          fatalError("\(error)")
        }
        isStored.raise()
      }
      thread.withLock { $0 = store }
      if poll(milliseconds: 50, { isStored.isRaised }) { wasStored.raise() }
    }
    try change(space, start)
    thread.withLock { $0 }?.join()
    #expect(isStored.isRaised)
    return (space, start, wasStored.isRaised)
  }

  @Test("a page that a fault brings while its area is being copied is one of the copy too")
  func faultDuringCopy() throws {
    // Without the area's lock the store is done in front of the end of the copy.
    let (space, start, _) = try storing { space, start in
      try space.protect((start + 3 * Self.page)..<(start + 4 * Self.page), .read)
    }
    let child = try space.fork()
    #expect(try child.load(start) == 7)
  }

  @Test("faults in the parent wait for the end of a fork")
  func faultDuringFork() throws {
    let child = Mutex<MemoryMap?>(nil)
    let (space, start, wasStored) = try storing { space, _ in
      let copy = try space.fork()
      child.withLock { $0 = copy }
    }
    #expect(!wasStored)
    #expect(try space.load(start) == 7)
    let copy = try #require(child.withLock { $0 })
    #expect(entry(copy, start).pte == 0 && copy.counters.filePages == 0)
  }

  @Test("a fault whose entry changed while it waited for the table's lock begins anew")
  func entryChanged() throws {
    let map = try PageMap(.generic, pages: 8)
    let space = try MemoryMap()
    let file = try MappedObject(.deviceDAX, DeviceFile(map))
    let area = try space.map(file, pages: 1, [.read, .write], .shared)
    _ = try space.load(area.start)
    let place = unsafe pgtable_walk(space.mm, area.start, PGTABLE_LEVEL_PTE)
    unsafe spin_lock(place.lock!)
    let result = Mutex<FaultResult?>(nil)
    let fault = NativeThread.begun {
      let found = unsafe withFault(space, area.start) {
        unsafe handle_mm_fault($0.pointee.vma, area.start, 0)
      }
      result.withLock { $0 = found }
    }
    let early = poll(milliseconds: 30) { result.withLock { $0 != nil } }
    #expect(!early)
    let old = unsafe ptep_get_and_clear(place.entry!)
    unsafe spin_unlock(place.lock!)
    fault.join()
    #expect(result.withLock { $0 } == [] && entry(space, area.start).pte == 0)
    unsafe set_pte_at(place.entry!, old)
    #expect(Counts(map, 0) == Counts(2, 1))
  }

  @Test("a move to where the same tables lead keeps what it moves")
  func moveInTable() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 2, [.read, .write], .private)
    try space.store(5, at: area.start)
    for pages in [8, 1024] {
      let target = area.end + UInt(pages) * Self.page
      try space.remap(area.range, pages: 2, to: target)
      #expect(try space.load(target) == 5)
      try space.remap(target..<(target + 2 * Self.page), pages: 2, to: area.start)
      #expect(try space.load(area.start) == 5)
    }
    #expect(space.counters.anonymousPages == 1)
  }

  @Test("what a move takes along is found by the object in front of its end")
  func objectDuringMove() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let file = try MappedObject(.fsdax, DeviceFile(map))
    let space = try MemoryMap()
    let area = try space.map(file, pages: 2, .read, .shared)
    _ = try space.load(area.start)
    // A translation in use holds the move up when entries have moved.
    var translation = translation()
    #expect(unsafe mmu_begin(space.mm, area.start, false, &translation))
    let target = area.end + 1024 * Self.page
    let mover = NativeThread {
      do {
        try space.remap(area.range, pages: 2, to: target)
      } catch {
        fatalError("\(error)")
      }
    }
    #expect(eventually { entry(space, target).pte != 0 })
    let remover = NativeThread { file.unmap() }
    #expect(eventually { Counts(map, 0).mappings == 0 })
    unsafe mmu_end(space.mm, &translation)
    mover.join()
    remover.join()
    #expect(Counts(map, 0) == Counts(0, 0))
  }

  /// Tables of two entries: the target's four pages need two tables under one. The second is refused;
  /// the first must not stay, because an area beside it takes out the table above.
  @Test("a move that finds no memory for its tables leaves none of them")
  func refusedMove() async {
    await #expect(processExitsWith: .success) {
      var refused = 0
      for seed in 0..<UInt64(200) {
        var options = MemoryMap.Options()
        options.tableShift = 1
        let space = try MemoryMap(options)
        let area = try space.map(pages: 4, [.read, .write], .private, at: .fixed(0))
        for page in 0..<4 { try space.store(UInt(page), at: area.address(ofPage: page)) }
        let target = 8 * Self.page
        cfolio_fault_injection(6, seed)
        do throws(MemoryError) {
          try space.remap(area.range, pages: 4, to: target)
          cfolio_fault_injection(0, 0)
          continue
        } catch {
          cfolio_fault_injection(0, 0)
          precondition(error.code == .outOfMemory)
          refused += 1
        }
        let neighbour = try space.map(
          pages: 1, [.read, .write], .private, at: .fixed(target + 2 * Self.page))
        try space.store(1, at: neighbour.start)
        try space.unmap(neighbour.range)
        let violations = space.audit()
        precondition(violations.isEmpty, "\(violations)")
        for page in 0..<4 {
          let value = try space.load(area.address(ofPage: page))
          precondition(value == UInt(page))
        }
      }
      precondition(refused > 40, "\(refused)")
    }
  }
}
