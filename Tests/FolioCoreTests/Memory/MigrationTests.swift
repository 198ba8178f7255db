// SPDX-License-Identifier: MIT

// Migration (spec: core.md 14.1): the ledger of a page that comes back by a CPU's access, row by row
// (CI62), the way to the device, what is refused, what stays, and pages that several address spaces map.

import CFolio
import FolioCore
import Synchronization
import TestSupport
import Testing

@Suite("Migration")
struct MigrationTests {
  private static let page = MemoryMap.pageSize

  private static func space(pages: Int = 4) throws -> (MemoryMap, MemoryArea) {
    let space = try MemoryMap()
    return (space, try space.map(pages: pages, [.read, .write], .private))
  }

  /// Moves the first page of the area to a page of the driver.
  private static func moveToDevice(
    _ space: MemoryMap, _ area: MemoryArea, _ driver: TestDriver, _ number: Int = 0,
    selection: MigrationSelection = .ram
  ) throws {
    let moved = try space.migrate(area.addresses(ofPages: number..<(number + 1)), selection) {
      source in
      let value = source.frame.map { unsafe shared_read(cfolio_frame_word($0)!) }
      return driver.handOut(number, holding: value ?? 0)
    }
    try #require(moved == 1)
  }

  /// Moves a page to RAM with its word.
  private static func toRAM(_ source: MigrationSource) -> UInt? {
    PageMigration.pageOfRAM(holding: source.frame)
  }

  // MARK: the ledger

  @Test("RAM to device: R and M of both pages after each step")
  func ledgerToDevice() throws {
    let driver = try TestDriver(.devicePrivate)
    let held = driver.map.mapReferenceCount
    let (space, area) = try Self.space()
    try space.store(5, at: area.start)
    let old = pte_pfn(entry(space, area.start))
    #expect(counts(old) == Counts(1, 1))
    let steps = MigrationSteps(space, area.addresses(ofPages: 0..<1), .ram)
    #expect(steps.setUp() == 0)
    #expect(steps.collected == 1 && steps.words == 1)
    #expect(steps.page(0) == (old, true, true))
    #expect(counts(old) == Counts(1, 0) && isLocked(old))
    #expect(softleaf_type(entry(space, area.start)) == SOFTLEAF_MIGRATION_WRITE)
    #expect(space.counters.anonymousPages == 1)
    let new = driver.handOut(0, holding: 5)
    #expect(counts(new) == Counts(1, 0) && isLocked(new))
    #expect(driver.map.mapReferenceCount == held + 1)
    steps.setTarget(0, new)
    steps.move()
    #expect(steps.page(0).isMigrating)
    #expect(counts(old) == Counts(1, 0) && counts(new) == Counts(1, 0))
    #expect(softleaf_is_migration(entry(space, area.start)))
    steps.finish()
    #expect(counts(new) == Counts(1, 1) && !isLocked(new))
    #expect(counts(old).references == 0)
    #expect(softleaf_type(entry(space, area.start)) == SOFTLEAF_DEVICE_PRIVATE_WRITE)
    #expect(space.counters.anonymousPages == 1)
    #expect(unsafe folio_page_is_exclusive(pfn_to_page(new)))
    try space.unmap(area.range)
    #expect(counts(new) == Counts(0, 0) && driver.freed == [new])
    #expect(driver.map.mapReferenceCount == held)
    #expect(driver.map.audit().isEmpty)
  }

  @Test(
    "device to RAM by an access: R and M after each row of the table",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func ledgerOfFault(rules: PageMap.Rules) throws {
    let driver = try TestDriver(.devicePrivate, rules: rules)
    let held = driver.map.mapReferenceCount
    let (space, area) = try Self.space()
    try space.store(5, at: area.start)
    // Free, handed out, mapped.
    #expect(counts(driver.frame(0)) == Counts(0, 0))
    try Self.moveToDevice(space, area, driver)
    let old = driver.frame(0)
    #expect(counts(old) == Counts(1, 1))
    let rows = Mutex<[Counts]>([])
    driver.onAccess { frame, address in
      func row() { rows.withLock { $0.append(counts(frame)) } }
      row()
      precondition(frame == old && isLocked(old))
      let steps = MigrationSteps(
        space, address..<(address + Self.page), .devicePrivate, of: driver.map,
        faultFrame: frame)
      precondition(steps.setUp() == 0 && steps.collected == 1)
      row()
      let copy = PageMigration.pageOfRAM(holding: frame)!
      steps.setTarget(0, copy)
      steps.move()
      precondition(steps.page(0).isMigrating)
      row()
      steps.finish()
      row()
      precondition(isLocked(old) && counts(copy) == Counts(1, 1))
      return []
    }
    #expect(try space.load(area.start) == 5)
    #expect(
      rows.withLock { $0 } == [Counts(2, 1), Counts(2, 0), Counts(2, 0), Counts(1, 0)])
    #expect(counts(old) == Counts(0, 0) && !isLocked(old) && driver.freed == [old])
    #expect(driver.map.mapReferenceCount == held)
    #expect(space.counters.anonymousPages == 1)
    let leaf = entry(space, area.start)
    #expect(pte_present(leaf) && pte_write(leaf) && counts(pte_pfn(leaf)) == Counts(1, 1))
    try space.store(6, at: area.start)
    #expect(try space.load(area.start) == 6)
  }

  // MARK: what is refused

  @Test("setup refuses areas and ranges that it cannot take")
  func refusals() throws {
    let (space, area) = try Self.space()
    func status(_ range: Range<UInt>, of space: MemoryMap, fault: UInt? = nil) -> Int32 {
      MigrationSteps(space, range, .ram, faultFrame: fault).setUp()
    }
    let first = area.addresses(ofPages: 0..<1)
    #expect(status(first, of: space) == 0)
    #expect(status(area.start..<area.start, of: space) == -22)
    #expect(status((area.start + 1)..<(area.start + 1 + Self.page), of: space) == -22)
    #expect(status(area.start..<(area.start + 100), of: space) == -22)
    #expect(status(area.start..<(area.end + Self.page), of: space) == -22)
    #expect(status((area.end + Self.page)..<(area.end + 2 * Self.page), of: space) == -22)
    // A fault page is a locked device-private one.
    let ram = PageMigration.pageOfRAM(holding: nil)!
    #expect(status(first, of: space, fault: ram) == -22)
    unsafe folio_unlock(page_folio(pfn_to_page(ram)))
    unsafe put_page(pfn_to_page(ram))
    let driver = try TestDriver(.devicePrivate)
    let frame = driver.handOut(0)
    #expect(status(first, of: space, fault: frame) == 0)
    unsafe folio_unlock(page_folio(pfn_to_page(frame)))
    #expect(status(first, of: space, fault: frame) == -22)
    unsafe put_page(pfn_to_page(frame))

    let map = try PageMap(.fsdax, pages: 512)
    let special: [(MappedObject.Kind, MappedObject.Contents)] = [
      (.fsdax, []), (.file, .mixed), (.file, .frames), (.file, .registers),
    ]
    for (kind, contents) in special {
      let object = try MappedObject(kind, contents: contents, DeviceFile(map))
      let special = try space.map(object, pages: 1, .read, .shared)
      #expect(status(special.range, of: space) == -22)
      #expect(throws: MemoryError(.invalidArgument, address: special.start)) {
        try space.migrate(special.range, .ram) { _ in nil }
      }
    }
  }

  @Test("an access under the area's lock comes back with the map's")
  func areaLock() throws {
    let driver = try TestDriver(.devicePrivate)
    let (space, area) = try Self.space()
    try space.store(5, at: area.start)
    try Self.moveToDevice(space, area, driver)
    let vma = unsafe lock_vma_under_rcu(space.mm, area.start)!
    let result = unsafe handle_mm_fault(vma, area.start, FAULT_FLAG_VMA_LOCK)
    unsafe vma_end_read(vma)
    #expect(result == VM_FAULT_RETRY)
    #expect(counts(driver.frame(0)) == Counts(1, 1))
    // A driver that brings nothing back.
    #expect(throws: MemoryError(.fault, address: area.start)) { try space.load(area.start) }
    #expect(counts(driver.frame(0)) == Counts(1, 1) && !isLocked(driver.frame(0)))
  }

  // MARK: what stays

  /// A page on the device that somebody holds besides, and its way back to RAM, not begun.
  private struct HeldPage {
    let driver: TestDriver
    let space: MemoryMap
    let area: MemoryArea
    let frame: UInt
    let steps: MigrationSteps

    init(_ rules: PageMap.Rules = .strict) throws {
      driver = try TestDriver(.devicePrivate, rules: rules)
      (space, area) = try MigrationTests.space()
      try space.store(5, at: area.start)
      try MigrationTests.moveToDevice(space, area, driver)
      frame = driver.frame(0)
      unsafe get_page(pfn_to_page(frame))
      steps = MigrationSteps(
        space, area.addresses(ofPages: 0..<1), .devicePrivate, of: driver.map)
    }

    /// The somebody lets go.
    func release() { unsafe put_page(pfn_to_page(frame)) }
  }

  @Test("a page with a reference too many stays where it is, and keeps its entry")
  func strayReference() throws {
    let held = try HeldPage()
    let (space, area, frame, steps) = (held.space, held.area, held.frame, held.steps)
    #expect(steps.setUp() == 0 && steps.collected == 0)
    #expect(steps.page(0).frame == nil)
    #expect(counts(frame) == Counts(2, 1) && !isLocked(frame))
    #expect(softleaf_type(entry(space, area.start)) == SOFTLEAF_DEVICE_PRIVATE_WRITE)
    steps.move()
    steps.finish()
    #expect(counts(frame) == Counts(2, 1))
    held.release()
    let moved = try space.migrate(
      area.addresses(ofPages: 0..<1), .devicePrivate, of: held.driver.map, to: Self.toRAM)
    #expect(moved == 1)
    #expect(try space.load(area.start) == 5)
  }

  @Test(
    "kernel rules: the first test lets one reference too many pass, the exact gate does not (C73)",
    arguments: [PageMap.Rules.kernel, .legacy])
  func lenientCheck(rules: PageMap.Rules) throws {
    let held = try HeldPage(rules)
    let (space, area, frame, steps) = (held.space, held.area, held.frame, held.steps)
    #expect(steps.setUp() == 0 && steps.collected == 1)
    #expect(counts(frame) == Counts(2, 0))
    steps.setTarget(0, PageMigration.pageOfRAM(holding: frame)!)
    steps.move()
    #expect(!steps.page(0).isMigrating)
    steps.finish()
    #expect(counts(frame) == Counts(2, 1))
    #expect(softleaf_type(entry(space, area.start)) == SOFTLEAF_DEVICE_PRIVATE_WRITE)
    held.release()
    #expect(counts(frame) == Counts(1, 1))
  }

  @Test("pages that are pinned, locked, of a file's leaf or of another device stay")
  func staying() throws {
    let (driver, other) = (try TestDriver(.devicePrivate), try TestDriver(.devicePrivate))
    let (space, area) = try Self.space()
    for number in 0..<4 { try space.store(UInt(number), at: area.address(ofPage: number)) }
    let frames = (0..<4).map { pte_pfn(entry(space, area.address(ofPage: $0))) }
    let pinned = unsafe page_folio(pfn_to_page(frames[0]))
    #expect(unsafe try_grab_folio(pinned, 1, FOLL_PIN) == 0)
    unsafe folio_lock(page_folio(pfn_to_page(frames[1])))
    let steps = MigrationSteps(space, area.range, .ram)
    #expect(steps.setUp() == 0)
    #expect((0..<4).map { steps.page($0).isMigrating } == [false, false, true, true])
    #expect(counts(frames[0]) == Counts(1025, 1) && counts(frames[1]) == Counts(1, 1))
    #expect(pte_write(entry(space, area.start)))
    // No destination: both stay.
    steps.move()
    steps.finish()
    for number in 2..<4 {
      #expect(counts(frames[number]) == Counts(1, 1) && !isLocked(frames[number]))
      #expect(pte_pfn(entry(space, area.address(ofPage: number))) == frames[number])
      #expect(pte_write(entry(space, area.address(ofPage: number))))
    }
    unsafe unpin_user_folio(pinned, 1)
    unsafe folio_unlock(page_folio(pfn_to_page(frames[1])))
    try Self.moveToDevice(space, area, driver, 1)
    let selected = MigrationSteps(space, area.range, .devicePrivate, of: other.map)
    #expect(selected.setUp() == 0 && selected.collected == 0)
    let coherent = MigrationSteps(space, area.range, .deviceCoherent, of: driver.map)
    #expect(coherent.setUp() == 0 && coherent.collected == 0)
    #expect(counts(driver.frame(1)) == Counts(1, 1))
  }

  @Test("where nothing is mapped yet, or the zero page, a page of the device is inserted")
  func emptyPlaces() throws {
    let driver = try TestDriver(.devicePrivate)
    let (space, area) = try Self.space()
    #expect(try space.load(area.address(ofPage: 1)) == 0)
    let steps = MigrationSteps(space, area.addresses(ofPages: 0..<3), .ram)
    #expect(steps.setUp() == 0 && steps.collected == 3)
    for number in 0..<2 {
      #expect(steps.page(number) == (nil, true, false))
      steps.setTarget(number, driver.handOut(number, holding: UInt(number) + 10))
    }
    // Somebody else is faster.
    steps.setTarget(2, driver.handOut(2))
    try space.store(3, at: area.address(ofPage: 2))
    steps.move()
    #expect((0..<3).map { steps.page($0).isMigrating } == [true, true, false])
    #expect(counts(driver.frame(0)) == Counts(2, 1))
    steps.finish()
    #expect(counts(driver.frame(0)) == Counts(1, 1) && counts(driver.frame(1)) == Counts(1, 1))
    #expect(driver.freed == [driver.frame(2)])
    #expect(space.counters.anonymousPages == 3)
    let moved = try space.migrate(area.range, .devicePrivate, of: driver.map) {
      $0.frame == nil ? nil : Self.toRAM($0)
    }
    #expect(moved == 2)
    #expect(try space.load(area.start) == 10 && space.load(area.address(ofPage: 1)) == 11)
    #expect(try space.load(area.address(ofPage: 2)) == 3)
  }

  // MARK: several address spaces

  @Test("a page that parent and child map moves for both, and each has its own after a store")
  func shared() throws {
    let driver = try TestDriver(.devicePrivate)
    let (parent, area) = try Self.space()
    try parent.store(5, at: area.start)
    let child = try parent.fork()
    let frame = pte_pfn(entry(parent, area.start))
    #expect(counts(frame) == Counts(2, 2))
    try Self.moveToDevice(parent, area, driver)
    #expect(counts(driver.frame(0)) == Counts(2, 2))
    for space in [parent, child] {
      #expect(softleaf_type(entry(space, area.start)) == SOFTLEAF_DEVICE_PRIVATE_READ)
    }
    let grandchild = try child.fork()
    #expect(counts(driver.frame(0)) == Counts(3, 3))
    driver.onAccess { frame, address in
      let steps = MigrationSteps(
        child, address..<(address + Self.page), .devicePrivate, of: driver.map,
        faultFrame: frame)
      precondition(steps.setUp() == 0 && steps.collected == 1)
      precondition(counts(frame) == Counts(2, 0))
      steps.setTarget(0, PageMigration.pageOfRAM(holding: frame)!)
      steps.move()
      steps.finish()
      return []
    }
    try child.store(6, at: area.start)
    #expect(driver.freed == [driver.frame(0)])
    #expect(try child.load(area.start) == 6)
    #expect(try parent.load(area.start) == 5 && grandchild.load(area.start) == 5)
    #expect(counts(pte_pfn(entry(parent, area.start))) == Counts(2, 2))
    for space in [parent, child, grandchild] { #expect(space.counters.anonymousPages == 1) }
  }

  @Test("pages of moved and cut areas are found by their frames")
  func movedAreas() throws {
    let driver = try TestDriver(.devicePrivate)
    let (space, area) = try Self.space()
    try space.store(5, at: area.address(ofPage: 2))
    try Self.moveToDevice(space, area, driver, 2)
    let child = try space.fork()
    let place = area.end + 64 * Self.page
    try space.remap(area.addresses(ofPages: 2..<3), pages: 1, to: place)
    try space.unmap(area.addresses(ofPages: 0..<1))
    #expect(counts(driver.frame(2)) == Counts(2, 2))
    #expect(driver.map.evict(driver.map.frames, to: Self.toRAM) == 1)
    #expect(driver.freed == [driver.frame(2)])
    #expect(pte_present(entry(space, place)))
    #expect(pte_present(entry(child, area.address(ofPage: 2))))
    #expect(try space.load(place) == 5 && child.load(area.address(ofPage: 2)) == 5)
  }

  @Test("what a private mapping of a file has of its own moves like other anonymous pages")
  func privateCopies() throws {
    let driver = try TestDriver(.devicePrivate)
    let map = try PageMap(.generic, pages: 8)
    let file = try MappedObject(.file, DeviceFile(map))
    let space = try MemoryMap()
    let area = try space.map(file, from: 4, pages: 2, [.read, .write], .private)
    _ = try space.load(area.address(ofPage: 1))
    try space.store(5, at: area.address(ofPage: 1))
    try Self.moveToDevice(space, area, driver, 1)
    #expect(counts(driver.frame(1)) == Counts(1, 1))
    // The empty place of a file is not one for a page of the device.
    let steps = MigrationSteps(space, area.addresses(ofPages: 0..<1), .ram)
    #expect(steps.setUp() == 0 && steps.collected == 0)
    #expect(driver.map.evict(driver.map.frames, to: Self.toRAM) == 1)
    #expect(try space.load(area.address(ofPage: 1)) == 5)
  }

  @Test("device pages are taken by their frames, but for those that are free or locked")
  func byFrames() throws {
    let driver = try TestDriver(.devicePrivate)
    let (space, area) = try Self.space()
    for number in 0..<3 {
      try space.store(UInt(number + 5), at: area.address(ofPage: number))
      try Self.moveToDevice(space, area, driver, number)
    }
    let locked = unsafe page_folio(pfn_to_page(driver.frame(1)))
    unsafe folio_lock(locked)
    var source = [UInt](repeating: 7, count: 4)
    var target = [UInt](repeating: 0, count: 4)
    #expect(unsafe migrate_device_range(&source, driver.frame(0), 4) == 0)
    #expect(source.map { $0 & MIGRATE_PFN_MIGRATE != 0 } == [true, false, true, false])
    #expect(source[1] == 0 && source[3] == 0)
    #expect(counts(driver.frame(0)) == Counts(1, 0) && isLocked(driver.frame(0)))
    #expect(counts(driver.frame(1)) == Counts(1, 1))
    target[0] = migrate_pfn(PageMigration.pageOfRAM(holding: driver.frame(0))!)
    unsafe migrate_device_pages(&source, &target, 4)
    unsafe migrate_device_finalize(&source, &target, 4)
    #expect(driver.freed == [driver.frame(0)])
    #expect(counts(driver.frame(2)) == Counts(1, 1) && !isLocked(driver.frame(2)))
    unsafe folio_unlock(locked)

    source = [driver.frame(2), driver.frame(3), driver.frame(1)]
    target = [0, 0, migrate_pfn(PageMigration.pageOfRAM(holding: driver.frame(1))!)]
    #expect(unsafe migrate_device_pfns(&source, 3) == 0)
    #expect(source.map { $0 & MIGRATE_PFN_MIGRATE != 0 } == [true, false, true])
    unsafe migrate_device_pages(&source, &target, 3)
    unsafe migrate_device_finalize(&source, &target, 3)
    #expect(driver.freed == [driver.frame(0), driver.frame(1)])
    #expect(counts(driver.frame(2)) == Counts(1, 1))
    for number in 0..<2 {
      #expect(try space.load(area.address(ofPage: number)) == UInt(number + 5))
    }
  }

  // MARK: protection, removal, accesses meanwhile

  @Test("protection and removal in the midst of a migration hold at its end")
  func meanwhile() throws {
    let driver = try TestDriver(.devicePrivate)
    let (space, area) = try Self.space()
    for number in 0..<3 { try space.store(UInt(number), at: area.address(ofPage: number)) }
    let steps = MigrationSteps(space, area.addresses(ofPages: 0..<3), .ram)
    #expect(steps.setUp() == 0 && steps.collected == 3)
    // What the driver's kernel keeps away by mmap_lock; `migrate_device_range` does not.
    try space.protect(area.addresses(ofPages: 0..<1), .read)
    try space.discard(area.addresses(ofPages: 1..<2))
    #expect(space.counters.anonymousPages == 2)
    for number in 0..<3 { steps.setTarget(number, driver.handOut(number)) }
    let old = steps.page(1).frame!
    steps.move()
    steps.finish()
    #expect(softleaf_type(entry(space, area.start)) == SOFTLEAF_DEVICE_PRIVATE_READ)
    #expect(entry(space, area.address(ofPage: 1)).pte == 0)
    #expect(driver.freed == [driver.frame(1)] && counts(old).references == 0)
    #expect(counts(driver.frame(2)) == Counts(1, 1))
  }

  @Test("an access to a page on its way waits for the end")
  func accessWaits() throws {
    let driver = try TestDriver(.deviceCoherent)
    let (space, area) = try Self.space()
    try space.store(5, at: area.start)
    let steps = MigrationSteps(space, area.addresses(ofPages: 0..<1), .ram)
    #expect(steps.setUp() == 0)
    let value = Mutex<UInt?>(nil)
    let loader = NativeThread.begun {
      do {
        let loaded = try space.load(area.start)
        value.withLock { $0 = loaded }
      } catch {
        fatalError("\(error)")
      }
    }
    let early = poll(milliseconds: 50) { value.withLock { $0 != nil } }
    #expect(!early)
    steps.setTarget(0, driver.handOut(0, holding: 5))
    steps.move()
    steps.finish()
    loader.join()
    #expect(value.withLock { $0 } == 5)
    #expect(pte_pfn(entry(space, area.start)) == driver.frame(0))
  }

  @Test("a store by a translation in use is part of what moves")
  func translationInUse() throws {
    let driver = try TestDriver(.deviceCoherent)
    let (space, area) = try Self.space()
    try space.store(5, at: area.start)
    var translation = translation()
    #expect(unsafe mmu_begin(space.mm, area.start, true, &translation))
    let isSetUp = Flag()
    let mover = NativeThread.begun {
      let steps = MigrationSteps(space, area.addresses(ofPages: 0..<1), .ram)
      precondition(steps.setUp() == 0)
      isSetUp.raise()
      let value = unsafe shared_read(cfolio_frame_word(steps.page(0).frame!)!)
      steps.setTarget(0, driver.handOut(0, holding: value))
      steps.move()
      steps.finish()
    }
    let early = poll(milliseconds: 50) { isSetUp.isRaised }
    #expect(!early)
    unsafe shared_set(cfolio_frame_word(translation.pfn)!, 6)
    unsafe mmu_end(space.mm, &translation)
    mover.join()
    #expect(try space.load(area.start) == 6)
  }

  // MARK: coherent pages and files

  @Test("a coherent page goes to RAM with its contents, unless somebody else uses it")
  func coherent() throws {
    let driver = try TestDriver(.deviceCoherent)
    let (space, area) = try Self.space()
    try space.store(5, at: area.start)
    try Self.moveToDevice(space, area, driver)
    let frame = driver.frame(0)
    #expect(pte_pfn(entry(space, area.start)) == frame && counts(frame) == Counts(1, 1))
    try space.store(7, at: area.start)
    let folio = unsafe page_folio(pfn_to_page(frame))
    unsafe folio_get(folio)
    unsafe folio_get(folio)
    #expect(unsafe migrate_device_coherent_folio(folio) == -16)
    // The one reference was taken over, the other is ours.
    #expect(counts(frame) == Counts(2, 1) && !isLocked(frame))
    #expect(pte_write(entry(space, area.start)))
    #expect(unsafe migrate_device_coherent_folio(folio) == 0)
    #expect(driver.freed == [frame])
    #expect(try space.load(area.start) == 7)
    #expect(counts(pte_pfn(entry(space, area.start))) == Counts(1, 1))
  }

  @Test("folio_migrate_mapping replaces a file's folio, at exactly the expected references")
  func fileMapping() throws {
    _ = SystemMemory.shared
    let file = try MappedObject(.sharedMemory, DeviceFile(PageMap(.generic, pages: 1)))
    let mapping = unsafe file.addressSpace
    let (old, new) = unsafe (cfolio_ram_alloc_folio(0)!, cfolio_ram_alloc_folio(0)!)
    unsafe folio_associate(old, mapping, 3)
    unsafe folio_get(old)
    unsafe _ = xa_store(&mapping.pointee.i_pages, 3, old)
    unsafe folio_set_flag(old, Int32(PG_dirty.rawValue))
    unsafe folio_lock(old)
    unsafe folio_lock(new)
    unsafe folio_get(old)
    #expect(unsafe folio_migrate_mapping(mapping, new, old, 0) == -11)
    #expect(unsafe folio_ref_count(old) == 3 && folio_ref_count(new) == 1)
    #expect(unsafe folio_migrate_mapping(mapping, new, old, 1) == 0)
    #expect(unsafe folio_ref_count(old) == 2 && folio_ref_count(new) == 2)
    #expect(unsafe xa_load(&mapping.pointee.i_pages, 3) == UnsafeMutableRawPointer(new))
    #expect(unsafe folio_index(new) == 3 && folio_mapping_word(old) == 0)
    #expect(unsafe folio_test_flag(new, Int32(PG_dirty.rawValue)))
    unsafe folio_unlock(old)
    unsafe folio_unlock(new)
    unsafe folio_put_refs(old, 2)
    unsafe _ = xa_erase(&mapping.pointee.i_pages, 3)
    unsafe folio_put_refs(new, 2)
  }

  @Test("pages of a file move to RAM with their entries, and not to a device")
  func filePages() throws {
    _ = SystemMemory.shared
    let folio = unsafe cfolio_ram_alloc_folio(0)!
    let handler = HandedFolio(unsafe folio_pfn(folio))
    let file = try MappedObject(.sharedMemory, handler)
    unsafe folio_associate(folio, file.addressSpace, 0)
    unsafe folio_get(folio)
    unsafe _ = xa_store(&file.addressSpace.pointee.i_pages, 0, folio)
    unsafe folio_put(folio)
    let (one, two) = (try MemoryMap(), try MemoryMap())
    let area = try one.map(file, pages: 1, [.read, .write], .shared)
    let second = try two.map(file, pages: 1, .read, .shared)
    try one.store(5, at: area.start)
    #expect(try two.load(second.start) == 5)
    let frame = unsafe folio_pfn(folio)
    #expect(counts(frame) == Counts(3, 2))
    let driver = try TestDriver(.deviceCoherent)
    let refused = try one.migrate(area.range, .ram) { _ in driver.handOut(0) }
    #expect(refused == 0 && counts(frame) == Counts(3, 2) && driver.freed.count == 1)
    #expect(try one.migrate(area.range, .ram, to: Self.toPlainRAM) == 1)
    let new = pte_pfn(entry(one, area.start))
    #expect(new != frame && counts(new) == Counts(3, 2))
    #expect(pte_pfn(entry(two, second.start)) == new && !pte_write(entry(two, second.start)))
    #expect(try two.load(second.start) == 5)
    try one.unmap(area.range)
    try two.unmap(second.range)
    unsafe _ = xa_erase(&file.addressSpace.pointee.i_pages, 0)
    unsafe put_page(pfn_to_page(new))
  }

  /// A destination for a page of a file.
  private static func toPlainRAM(_ source: MigrationSource) -> UInt? {
    _ = SystemMemory.shared
    let folio = unsafe cfolio_ram_alloc_folio(0)!
    unsafe folio_lock(folio)
    let frame = unsafe folio_pfn(folio)
    let value = unsafe shared_read(cfolio_frame_word(source.frame!)!)
    unsafe shared_set(cfolio_frame_word(frame)!, value)
    return frame
  }

  /// Hands the same folio over at each fault.
  private final class HandedFolio: FaultHandler {
    let frame: UInt
    init(_ frame: UInt) { self.frame = frame }
    func fault(_ fault: borrowing PageFault) -> FaultResult {
      let folio = unsafe page_folio(pfn_to_page(frame))
      unsafe folio_get(folio)
      fault.hand(over: unsafe FolioReference(adopting: folio))
      return []
    }
  }
}
