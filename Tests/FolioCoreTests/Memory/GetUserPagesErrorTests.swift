// SPDX-License-Identifier: MIT

// Every row of the error table of get_user_pages() (spec: core.md 12.3), but for the legacy one, which is
// in GetUserPagesLegacyTests: the errno, and that nothing is left taken.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("get_user_pages: errors")
struct GetUserPagesErrorTests {
  typealias Function = UserPagesSpace.Function
  private static let both: [Function] = [.getUnlocked, .pinUnlocked]

  // MARK: areas

  @Test("VM_IO and VM_PFNMAP: frames, not pages", arguments: Function.slow)
  func bareFrames(_ function: Function) throws {
    let map = try PageMap(.fsdax, pages: 512)
    let space = try UserPagesSpace()
    let first = map.frame(0)
    for contents: MappedObject.Contents in [.frames, .registers, [.frames, .registers]] {
      let file = try MappedObject(
        .file, contents: contents, AnsweringFile { $0.insertFrame(first) })
      let area = try space.map.map(file, pages: 1, [.read, .write], .shared)
      #expect(space.take(function, area.start, 1) == -14)
    }
    #expect(map.references(0) == 0)
  }

  @Test("FOLL_ANON: no area of a file", arguments: Function.slow)
  func anonymousOnly(_ function: Function) throws {
    let map = try PageMap(.generic, pages: 512)
    let space = try UserPagesSpace()
    let area = try space.map.map(
      try MappedObject(.deviceDAX, DeviceFile(map)), pages: 1, .read, .shared)
    #expect(space.take(function, area.start, 1, FOLL_ANON) == -14)
    let own = try space.map.map(pages: 1, .read, .private)
    #expect(space.take(function, own.start, 1, FOLL_ANON) == 1)
    space.giveBack(function, 1)
  }

  @Test("rights: writing, forced and not; reading", arguments: Function.slow)
  func rights(_ function: Function) throws {
    let map = try PageMap(.generic, pages: 512)
    let space = try UserPagesSpace()
    let file = try MappedObject(.deviceDAX, DeviceFile(map))
    func take(_ rights: AccessRights, _ sharing: Sharing, _ flags: UInt32) throws -> Int {
      let area = try space.map.map(file, pages: 1, rights, sharing)
      let count = space.take(function, area.start, 1, flags)
      space.giveBack(function, count)
      return count
    }
    #expect(try take(.read, .private, FOLL_WRITE) == -14)
    #expect(try take(.read, .private, FOLL_WRITE | FOLL_FORCE) == 1)
    #expect(try take(.read, .shared, FOLL_WRITE | FOLL_FORCE) == -14, "no copy on write")
    #expect(try take([.read, .write], .shared, FOLL_WRITE) == 1)
    #expect(try take(.write, .shared, 0) == -14)
    #expect(try take([], .private, 0) == -14)
    #expect(try take([], .private, FOLL_FORCE) == 1)
  }

  @Test("long-term pins of a file on file-system DAX, where device-dax has them")
  func longTerm() throws {
    let space = try UserPagesSpace()
    for (kind, object, expected) in [
      (PageMap.Kind.fsdax, MappedObject.Kind.fsdax, -95), (.generic, .deviceDAX, 1),
    ] {
      let file = try MappedObject(object, DeviceFile(try PageMap(kind, pages: 512)))
      for sharing in Sharing.allCases {
        let area = try space.map.map(file, pages: 1, [.read, .write], sharing)
        _ = try space.map.load(area.start)
        for function in [Function.pin, .pinRemote, .pinUnlocked, .pinFast] {
          // 12.7: the fast walk declines, the slow one says why.
          let count = space.take(function, area.start, 1, FOLL_LONGTERM)
          #expect(count == expected)
          space.giveBack(function, count)
        }
        #expect(space.take(.getFastOnly, area.start, 1) == 1, "a plain reference")
        space.giveBack(.getFastOnly, 1)
        // Who has the fast walk alone is only told that it found nothing.
        let isRefused = expected < 0
        do throws(MemoryError) {
          try space.map.pin(area.range, [.longTerm, .lockFree]).release()
          #expect(!isRefused)
        } catch {
          #expect(isRefused && error.code == .tryAgain)
        }
      }
    }
  }

  @Test("a long-term pin for stores that somebody has to track")
  func trackedStores() throws {
    let space = try UserPagesSpace()
    let flags = FOLL_LONGTERM | FOLL_WRITE
    for (kind, answers, expected) in [
      (MappedObject.Kind.file, FaultHandlerAnswers([]), -14), (.sharedMemory, [], 1),
      (.deviceDAX, [], 1), (.deviceDAX, .pageStores, -14), (.sharedMemory, .frameStores, -14),
    ] {
      let map = try PageMap(.generic, pages: 512)
      let file = try MappedObject(kind, DeviceFile(map, answers: answers))
      let area = try space.map.map(file, pages: 1, [.read, .write], .shared)
      for function in [Function.pinUnlocked, .pinFast] {
        let count = space.take(function, area.start, 1, flags)
        #expect(count == expected)
        space.giveBack(function, count)
      }
      // The slow walk decides: the fast one asks for a page that is anonymous, whatever the object is.
      #expect(throws: MemoryError(.tryAgain, address: area.start)) {
        try space.map.pin(area.range, [.write, .longTerm, .lockFree]).release()
      }
      // For reading, or not for good, or with a page of its own, nobody has to.
      for (flags, sharing) in [
        (FOLL_LONGTERM, Sharing.shared), (FOLL_WRITE, .shared), (flags, .private),
      ] {
        let area = try space.map.map(file, pages: 1, [.read, .write], sharing)
        #expect(space.take(.pinUnlocked, area.start, 1, flags) == 1)
        space.giveBack(.pinUnlocked, 1)
      }
    }
  }

  @Test("no area; populating says other errors", arguments: Function.slow)
  func noArea(_ function: Function) throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 1, .read, .private)
    #expect(space.take(function, area.end, 1) == -14)
    let mm = unsafe space.map.mm
    #expect(unsafe cfolio_madvise_populate(mm, area.end, 4096, false) == -12)
    #expect(unsafe cfolio_madvise_populate(mm, area.start, 4096, true) == -22, "no right")
    #expect(unsafe cfolio_madvise_populate(mm, area.start, 77, false) == -22, "no page")
    #expect(unsafe cfolio_madvise_populate(mm, area.start, 4096, false) == 0)
    try space.map.protect(area.range, [.read, .write])
    #expect(unsafe cfolio_madvise_populate(mm, area.start, 8192, true) == -12, "the second")
    #expect(space.map.counters.anonymousPages == 1)
    unsafe down_read(&mm.pointee.mmap_lock)
    var locked: Int32 = 1
    #expect(unsafe faultin_page_range(mm, area.start, area.end, true, &locked) == 1)
    #expect(locked == 1)
    unsafe up_read(&mm.pointee.mmap_lock)
  }

  // MARK: entries

  @Test("an entry without a page, where pages are wanted", arguments: Function.slow)
  func pageless(_ function: Function) throws {
    let space = try UserPagesSpace()
    // No device, no page.
    let frame = UInt(FOLIO_RAM_PFNS) + 1 << 30
    let file = try MappedObject(
      .file, contents: .mixed, AnsweringFile { $0.insertMixed(frame) })
    let area = try space.map.map(file, pages: 2, .read, .shared)
    #expect(space.take(function, area.start, 1) == -17)
    #expect(pte_pfn(space.entry(area.start)) == frame)
    let mm = unsafe space.map.mm
    #expect(unsafe get_user_pages_unlocked(mm, area.start, 2, nil, 0) == 2, "brought in only")
  }

  @Test("R <= 0: a page that is frozen cannot be had", arguments: Self.both)
  func frozen(_ function: Function) throws {
    let map = try PageMap(.fsdax, pages: 512)
    let space = try UserPagesSpace()
    let area = try space.map.map(
      try MappedObject(.deviceDAX, DeviceFile(map)), pages: 1, .read, .shared)
    _ = try space.map.load(area.start)
    #expect(unsafe folio_ref_freeze(map.folio(map.frame(0)), 1))
    cfolio_warnings_quiet(true)
    let warnings = cfolio_warning_count()
    #expect(space.take(function, area.start, 1) == -12)
    #expect(cfolio_warning_count() > warnings)
    cfolio_warnings_quiet(false)
    unsafe folio_ref_unfreeze(map.folio(map.frame(0)), 1)
    #expect(space.take(function, area.start, 1) == 1)
    space.giveBack(function, 1)
  }

  @Test("peer-to-peer memory only for who asks for it", arguments: Function.allCases)
  func peerToPeer(_ function: Function) throws {
    let map = try PageMap(.pciP2PDMA, pages: 512)
    let space = try UserPagesSpace()
    map.handOut(0)
    let first = map.frame(0)
    let file = try MappedObject(.peerToPeer, AnsweringFile { $0.insertPage(first) })
    let area = try space.map.map(file, pages: 1, [.read, .write], .shared)
    _ = try space.map.load(area.start)
    #expect(space.take(function, area.start, 1) == (function == .getFastOnly ? 0 : -121))
    #expect(map.references(0) == 2)
    #expect(space.take(function, area.start, 1, FOLL_PCI_P2PDMA) == 1)
    #expect(map.references(0) == (function.isPin ? 1026 : 3))
    space.giveBack(function, 1)
    try space.map.unmap(area.range)
    map.takeBack(0)
  }

  /// The leaf is made by hand, of a folio whose puts say nothing of a count that wrapped: R has room
  /// for one more reference only, and that one makes it negative.
  @Test("the rest of a leaf cannot be had: the first goes back too", arguments: Self.both)
  func restOfLeaf(_ function: Function) throws {
    let map = try PageMap(.fsdax, pages: 512, .init(rules: .legacy, compoundOrder: 9))
    let space = try UserPagesSpace()
    let area = try space.map.map(
      try MappedObject(.deviceDAX, AnsweringFile { _ in .busError }), pages: 512, .read, .shared)
    var failed = false
    let entry = unsafe try #require(
      pgtable_walk_alloc(space.map.mm, area.start, PGTABLE_LEVEL_PMD, &failed).entry)
    unsafe set_pte_at(entry, pfn_pte(map.frame(0), _PAGE_PRESENT | _PAGE_PSE))
    #expect(space.take(function, area.start, 4) == 4)
    space.giveBack(function, 4)
    let folio = unsafe map.folio(map.frame(0))
    unsafe folio_set_count(folio, Int32.max)
    cfolio_warnings_quiet(true)
    let warnings = cfolio_warning_count()
    #expect(space.take(function, area.start, 4) == -14)
    #expect(cfolio_warning_count() > warnings)
    cfolio_warnings_quiet(false)
    #expect(map.pins(0) == [Int32.max, 0])
    unsafe folio_set_count(folio, 1)
    _ = unsafe ptep_get_and_clear(entry)
  }

  // MARK: faults

  @Test(
    "a fault's error, and a walk without faults",
    arguments: [
      (FaultResult.busError, -14), (.accessViolation, -14), (.outOfMemory, -12),
      (.poisoned, -14), (FaultResult(rawValue: VM_FAULT_HWPOISON_LARGE), -14),
    ])
  func faultErrors(_ result: FaultResult, _ expected: Int) throws {
    let space = try UserPagesSpace()
    let handler = AnsweringFile { _ in result }
    let area = try space.map.map(
      try MappedObject(.deviceDAX, handler), pages: 1, .read, .shared)
    for function in Function.slow {
      #expect(space.take(function, area.start, 1) == expected)
      let named = expected == -14 && result.rawValue & (VM_FAULT_HWPOISON * 3) != 0
      #expect(space.take(function, area.start, 1, FOLL_HWPOISON) == (named ? -133 : expected))
      let asked = handler.faults
      #expect(space.take(function, area.start, 1, FOLL_NOFAULT) == -14)
      #expect(handler.faults == asked)
    }
  }

  @Test("FOLL_DUMP takes no zeros")
  func dump() throws {
    let space = try UserPagesSpace()
    let area = try space.map.map(pages: 2, [.read, .write], .private)
    #expect(space.take(.getUnlocked, area.start, 1, FOLL_DUMP) == -14, "nobody touched it")
    #expect(space.entry(area.start).pte == 0)
    _ = try space.map.load(area.start)
    #expect(space.take(.getUnlocked, area.start, 1, FOLL_DUMP) == -14, "the zero page")
    try space.map.store(1, at: area.start)
    #expect(space.take(.getUnlocked, area.start, 2, FOLL_DUMP) == 1)
    space.giveBack(.getUnlocked, 1)
    let map = try PageMap(.generic, pages: 512)
    let other = try space.map.map(
      try MappedObject(.deviceDAX, DeviceFile(map)), pages: 1, .read, .shared)
    #expect(space.take(.getUnlocked, other.start, 1, FOLL_DUMP) == 1, "an object has pages")
    space.giveBack(.getUnlocked, 1)
  }

  /// A page that its first fault wants to wait for.
  private func reluctant(_ map: PageMap) -> AnsweringFile {
    let first = map.frame(0)
    let tries = Counter()
    return AnsweringFile { fault in
      guard tries.add() > 1 else { return .retry }
      return fault.insertPage(first + UInt(fault.page))
    }
  }

  @Test("a fault that waits drops the lock, and the walk goes on", arguments: Function.slow)
  func retries(_ function: Function) throws {
    let map = try PageMap(.generic, pages: 512)
    let space = try UserPagesSpace()
    let file = try MappedObject(.deviceDAX, reluctant(map))
    let area = try space.map.map(file, pages: 3, .read, .shared)
    let isUnlockable = ![Function.get, .pin].contains(function)
    cfolio_warnings_quiet(true)
    let count = space.take(function, area.start, 3)
    cfolio_warnings_quiet(false)
    #expect(count == (isUnlockable ? 3 : -14), "who must keep the lock cannot wait")
    space.giveBack(function, count)
    // The lock is as the function found it.
    #expect(!space.isLocked)
  }

  @Test("*locked says that the lock was dropped; FOLL_NOWAIT gives up instead")
  func droppedLock() throws {
    let map = try PageMap(.generic, pages: 512)
    let space = try UserPagesSpace()
    let mm = unsafe space.map.mm
    let area = try space.map.map(
      try MappedObject(.deviceDAX, reluctant(map)), pages: 1, .read, .shared)
    #expect(space.take(.getUnlocked, area.start, 1, FOLL_NOWAIT) == 0)
    #expect(!space.isLocked)

    let other = try space.map.map(
      try MappedObject(.deviceDAX, reluctant(map)), pages: 1, .read, .shared)
    unsafe down_read(&mm.pointee.mmap_lock)
    var locked: Int32 = 1
    #expect(
      unsafe pin_user_pages_remote(mm, other.start, 1, 0, space.found, &locked) == 1)
    #expect(locked == 0)
    #expect(!space.isLocked)
    space.giveBack(.pinRemote, 1)
    unsafe down_read(&mm.pointee.mmap_lock)
    locked = 1
    #expect(
      unsafe pin_user_pages_remote(mm, other.start, 1, 0, space.found, &locked) == 1)
    #expect(locked == 1)
    unsafe up_read(&mm.pointee.mmap_lock)
    space.giveBack(.pinRemote, 1)
  }

  @Test(
    "a handler that lets the lock go itself: the walk takes it again",
    arguments: [Function.getRemote, .getUnlocked, .pinRemote, .pinUnlocked])
  func completed(_ function: Function) throws {
    let map = try PageMap(.generic, pages: 512)
    let space = try UserPagesSpace()
    let (memory, first, tries) = (space.map, map.frame(0), Counter())
    let file = try MappedObject(
      .deviceDAX,
      AnsweringFile { fault in
        guard tries.add() == 1 else { return fault.insertPage(first + UInt(fault.page)) }
        unsafe up_read(&memory.mm.pointee.mmap_lock)
        return .completed
      })
    let area = try space.map.map(file, pages: 2, .read, .shared)
    #expect(space.take(function, area.start, 2) == 2)
    #expect(!space.isLocked && tries.value == 3)
    space.giveBack(function, 2)
    // The area keeps the handler, and the handler keeps the space.
    try space.map.unmap(area.range)
  }

  @Test("what was asked to stop, stops; pages that are there need no walk to stop")
  func interrupted() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 4, [.read, .write], .private)
    let cancellation = Cancellation()
    func pin(_ mode: WaitMode) -> MemoryError? {
      do throws(MemoryError) {
        try space.pin(area.range, .write, ending: mode).release()
        return nil
      } catch { return error }
    }
    let stopped = MemoryError(.interrupted, address: area.start)
    cancellation.fire()
    #expect(pin(.interruptible(cancellation)) == stopped)
    #expect(pin(.killable(cancellation)) == nil, "not fatal")
    try space.discard(area.range)
    cancellation.fire(fatal: true)
    #expect(pin(.killable(cancellation)) == stopped)
    #expect(pin(.uninterruptible) == nil)
    #expect(pin(.killable(cancellation)) == nil, "nothing is left to wait for")
  }

  // MARK: long-term pins of what cannot stay

  @Test("coherent memory that stays: -EBUSY; other that has to move: -ENOMEM; all pins undone")
  func migration() throws {
    for (kind, expected) in [(PageMap.Kind.deviceCoherent, -16), (.fsdax, -12)] {
      let map = try PageMap(kind, pages: 512)
      let good = try PageMap(.generic, pages: 512)
      let space = try UserPagesSpace()
      if kind == .deviceCoherent {
        map.handOut(0)
      } else {
        unsafe folio_ref_inc(map.folio(map.frame(0)))
      }
      let frames = [good.frame(0), map.frame(0), good.frame(1), map.frame(0)]
      let file = try MappedObject(.sharedMemory, AnsweringFile { $0.insertPage(frames[$0.page]) })
      let area = try space.map.map(file, pages: 4, [.read, .write], .shared)
      let statistics = PinStatistics.current
      for function in [Function.pin, .pinRemote, .pinUnlocked, .pinFast] {
        // What the fast walk took in front of it stays.
        let count = space.take(function, area.start, 4, FOLL_LONGTERM)
        #expect(count == (function == .pinFast ? 1 : expected))
        space.giveBack(function, count)
        #expect(map.references(0) == 3)
        #expect(good.references(0) == 2 && good.references(1) == 2)
        #expect(space.take(function, area.start, 4) == 4, "not for good")
        space.giveBack(function, 4)
        #expect(space.take(function, area.start, 1, FOLL_LONGTERM) == 1)
        space.giveBack(function, 1)
      }
      #expect(PinStatistics.current.acquired > statistics.acquired)
      try space.map.unmap(area.range)
      if kind == .deviceCoherent {
        map.takeBack(0)
      } else {
        unsafe folio_put(map.folio(map.frame(0)))
      }
      #expect(map.firstBusyFrame == nil)
    }
  }
}
