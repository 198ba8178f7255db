// SPDX-License-Identifier: MIT

// Stores to pages that are mapped for reading (spec: core.md section 11, rows 89 and 90): who is told, on
// which answers the entry gets the right, and what a private copy counts and in which order.

import CFolio
import FolioCore
import Synchronization
import TestSupport
import Testing

@Suite("Write faults", .serialized)
struct WriteFaultTests {
  private static let page = MemoryMap.pageSize

  /// A file whose pages come by loads, and which is told of stores.
  private final class ToldFile: FaultHandler {
    let answers: FaultHandlerAnswers
    private let file: DeviceFile
    /// What it answers; by default: the store may go on.
    let answer = Mutex<(@Sendable (_ frame: UInt?) -> FaultResult)?>(nil)
    let told = Counter()

    init(_ map: PageMap, _ answers: FaultHandlerAnswers) {
      self.answers = answers
      file = DeviceFile(map)
    }

    func fault(_ fault: borrowing PageFault) -> FaultResult { file.fault(fault) }
    func pageMakeWritable(_ fault: borrowing PageFault) -> FaultResult { tell(fault) }
    func frameMakeWritable(_ fault: borrowing PageFault) -> FaultResult { tell(fault) }

    private func tell(_ fault: borrowing PageFault) -> FaultResult {
      told.add()
      let frame = fault.mappedFrame
      let body = answer.withLock { $0 }
      return body?(frame) ?? []
    }
  }

  /// A page of the file, mapped for reading.
  private struct World {
    let map: PageMap
    let told: ToldFile
    let file: MappedObject
    let space: MemoryMap
    let area: MemoryArea

    init(
      _ kind: PageMap.Kind, _ object: MappedObject.Kind, _ answers: FaultHandlerAnswers,
      _ rules: PageMap.Rules = .strict
    ) throws {
      map = try PageMap(kind, pages: 8, .init(rules: rules))
      told = ToldFile(map, answers)
      file = try MappedObject(object, told)
      space = try MemoryMap(MemoryMap.Options(rules: rules))
      area = try space.map(file, pages: 2, [.read, .write], .shared)
      _ = try space.load(area.start)
    }

    var entry: pte_t { TestSupport.entry(space, area.start) }

    /// One fault of a store, not tried again.
    func store() -> FaultResult {
      unsafe withFault(space, area.start) {
        unsafe handle_mm_fault($0.pointee.vma, area.start, FAULT_FLAG_WRITE)
      }
    }
  }

  // MARK: shared areas

  @Test(
    "file-system DAX, and frames without pages: the frame's owner is told, no page is named",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func frames(rules: PageMap.Rules) throws {
    let world = try World(.fsdax, .fsdax, .frameStores, rules)
    let before = Counts(world.map, 0)
    let seen = Mutex<[UInt?]>([])
    world.told.answer.withLock { answer in
      answer = { frame in
        seen.withLock { $0.append(frame) }
        return []
      }
    }
    #expect(!pte_write(world.entry))
    #expect(world.store() == [])
    #expect(seen.withLock { $0 } == [nil] && Counts(world.map, 0) == before)
    #expect(pte_write(world.entry) && pte_dirty(world.entry) && pte_young(world.entry))
    // The next store asks nobody.
    try world.space.store(5, at: world.area.start)
    #expect(world.told.told.value == 1)
  }

  @Test("an owner's error or refusal is the answer, and the entry keeps what it had")
  func refusals() throws {
    for (kind, object, answers) in [
      (PageMap.Kind.fsdax, MappedObject.Kind.fsdax, FaultHandlerAnswers.frameStores),
      (.generic, .sharedMemory, .pageStores),
    ] {
      let world = try World(kind, object, answers)
      let before = (Counts(world.map, 0), world.entry.pte)
      for answer: FaultResult in [.busError, .accessViolation, .noPage, .outOfMemory] {
        world.told.answer.withLock { $0 = { _ in answer } }
        #expect(world.store() == answer)
        #expect(before == (Counts(world.map, 0), world.entry.pte))
      }
      #expect(world.told.told.value == 4)
    }
  }

  @Test("an entry that changed while the owner was told is left alone (finish_mkwrite_fault)")
  func changedMeanwhile() throws {
    for (kind, object, answers) in [
      (PageMap.Kind.fsdax, MappedObject.Kind.fsdax, FaultHandlerAnswers.frameStores),
      (.generic, .sharedMemory, .pageStores),
    ] {
      let world = try World(kind, object, answers)
      let idle = Counts(world.map, 1)
      let (file, map) = (world.file, world.map)
      world.told.answer.withLock { answer in
        answer = { frame in
          file.unmap()
          guard frame != nil else { return [] }
          unsafe folio_lock(map.folio(map.frame(0)))
          return .locked
        }
      }
      #expect(world.store() == .noPage)
      #expect(world.entry.pte == 0 && Counts(world.map, 0) == idle)
      #expect(unsafe !folio_test_flag(map.folio(map.frame(0)), Int32(PG_locked.rawValue)))
      // It keeps the object, which keeps it.
      world.told.answer.withLock { $0 = nil }
    }
  }

  @Test("a right to stores in an area that is no longer shared is warned of (row 89)")
  func notShared() async {
    // Warnings are counted for the process.
    await #expect(processExitsWith: .success) {
      for (kind, object, answers) in [
        (PageMap.Kind.fsdax, MappedObject.Kind.fsdax, FaultHandlerAnswers.frameStores),
        (.generic, .sharedMemory, .pageStores),
      ] {
        let world = try World(kind, object, answers)
        let folio = unsafe world.map.folio(world.map.frame(0))
        unsafe folio_associate(folio, world.file.addressSpace, 0)
        let (space, start) = (world.space, world.area.start)
        let warnings = cfolio_warning_count()
        world.told.answer.withLock { answer in
          answer = { _ in
            unsafe vma_lookup(space.mm, start)!.pointee.vm_flags &= ~VM_SHARED
            return []
          }
        }
        precondition(world.store() == [] && pte_write(world.entry))
        precondition(cfolio_warning_count() == warnings + 1)
        world.told.answer.withLock { $0 = nil }
        unsafe vma_lookup(space.mm, start)!.pointee.vm_flags |= VM_SHARED
      }
    }
  }

  @Test("without anybody to tell the entry gets the right in place")
  func inPlace() throws {
    for (kind, object) in [
      (PageMap.Kind.fsdax, MappedObject.Kind.fsdax), (.generic, .sharedMemory),
    ] {
      let world = try World(kind, object, [])
      let before = Counts(world.map, 0)
      #expect(world.store() == [])
      #expect(pte_write(world.entry) && pte_dirty(world.entry))
      #expect(Counts(world.map, 0) == before && world.told.told.value == 0)
    }
  }

  @Test("other pages: told of with the page, which is held and locked meanwhile (wp_page_shared)")
  func pages() throws {
    let world = try World(.generic, .sharedMemory, .pageStores)
    let map = world.map
    let folio = unsafe map.folio(map.frame(0))
    unsafe folio_associate(folio, world.file.addressSpace, 0)
    let seen = Mutex<[Counts]>([])
    world.told.answer.withLock { answer in
      answer = { frame in
        precondition(frame == map.frame(0))
        seen.withLock { $0.append(Counts(map, 0)) }
        return []
      }
    }
    #expect(Counts(map, 0) == Counts(2, 1))
    #expect(world.store() == [])
    #expect(seen.withLock { $0 } == [Counts(3, 1)], "one more while it is told")
    #expect(Counts(map, 0) == Counts(2, 1))
    #expect(pte_write(world.entry) && pte_dirty(world.entry))
    #expect(unsafe folio_test_flag(folio, Int32(PG_dirty.rawValue)))
    #expect(unsafe !folio_test_flag(folio, Int32(PG_locked.rawValue)))
  }

  @Test("a page that its file gave up meanwhile is not written to")
  func cutOff() throws {
    let world = try World(.generic, .sharedMemory, .pageStores)
    let before = (Counts(world.map, 0), world.entry.pte)
    #expect(world.store() == .noPage && world.told.told.value == 1)
    #expect(before == (Counts(world.map, 0), world.entry.pte))
    let folio = unsafe world.map.folio(world.map.frame(0))
    #expect(unsafe !folio_test_flag(folio, Int32(PG_locked.rawValue)))
  }

  // MARK: private areas

  @Test("a page that is the space's alone is stored to in place; a shared one is copied")
  func own() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 1, [.read, .write], .private)
    func frame() -> UInt { pte_pfn(entry(space, area.start)) }
    try space.store(1, at: area.start)
    let first = frame()
    // Taken back and given again: the same page, in place.
    try space.protect(area.range, .read)
    try space.protect(area.range, [.read, .write])
    try space.store(2, at: area.start)
    #expect(frame() == first && counts(first) == Counts(1, 1))
    do {
      let child = try space.fork()
      #expect(counts(first) == Counts(2, 2))
      try space.store(3, at: area.start)
      #expect(frame() != first && counts(first) == Counts(1, 1))
      #expect(counts(frame()) == Counts(1, 1))
      #expect(try child.load(area.start) == 2)
      // The child is the last that maps it: its own now.
      try child.store(4, at: area.start)
      #expect(pte_pfn(entry(child, area.start)) == first)
    }
    #expect(space.counters.anonymousPages == 1)
  }

  @Test(
    "a copy of a DAX page: cleared, flushed, mapped, and only then the old mapping goes",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func copy(rules: PageMap.Rules) throws {
    let map = try PageMap(.fsdax, pages: 8, .init(rules: rules))
    let file = try MappedObject(.fsdax, DeviceFile(map, answers: .frameStores))
    let space = try MemoryMap(MemoryMap.Options(rules: rules))
    let area = try space.map(file, pages: 2, [.read, .write], .private)
    let idle = Counts(map, 0)
    for page in 0..<2 { _ = try space.load(area.address(ofPage: page)) }
    let counted = rules == .legacy ? 0 : 1
    #expect(Counts(map, 0) == Counts(idle.references + counted, counted))
    #expect(space.counters.filePages == 2 * counted)
    let during = Counts(idle.references + 2 * counted, counted)
    whileTranslated(space, area.address(ofPage: 1)) {
      try space.store(9, at: area.start)
    } meanwhile: {
      // The entry's reference, and the one of the fault.
      entry(space, area.start).pte == 0 && Counts(map, 0) == during
    }
    #expect(Counts(map, 0) == idle)
    #expect(space.counters.filePages == counted && space.counters.anonymousPages == 1)
    let copy = pte_pfn(entry(space, area.start))
    #expect(!map.frames.contains(copy) && counts(copy) == Counts(1, 1))
    #expect(pte_write(entry(space, area.start)))
    #expect(unsafe folio_page_is_exclusive(pfn_to_page(copy)))
    #expect(map.audit(mappedBy: [space]).isEmpty)
  }

  @Test("no memory for a copy: the fault says so, and the old page is as it was")
  func noMemory() async {
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.fsdax, pages: 8)
      let file = try MappedObject(.fsdax, DeviceFile(map))
      let space = try MemoryMap()
      let area = try space.map(file, pages: 1, [.read, .write], .private)
      _ = try space.load(area.start)
      _ = unsafe cfolio_ram_set_alloc { _ in nil }
      do throws(MemoryError) {
        try space.store(1, at: area.start)
        preconditionFailure("there was no page")
      } catch {
        precondition(error.code == .outOfMemory)
      }
      precondition(Counts(map, 0) == Counts(1, 1) && space.counters.filePages == 1)
      precondition(space.counters.anonymousPages == 0)
    }
  }
}
