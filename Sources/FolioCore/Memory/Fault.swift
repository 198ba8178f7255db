// SPDX-License-Identifier: MIT

// Faults: from an access that found no entry to one (spec: core.md 9, 10, 15). Which lock an access
// takes, and which level answers. Stores to what is mapped for reading are in WriteFault.swift, what
// has no object behind it in AnonymousFault.swift. Mirrors the kernel's fault paths in memory.c.

import CFolio

/// One fault in progress (`struct vm_fault`).
@safe
struct FaultContext {
  let pointer: UnsafeMutablePointer<vm_fault>

  init(_ pointer: UnsafeMutablePointer<vm_fault>) { unsafe self.pointer = pointer }

  var area: Area { unsafe Area(unsafe pointer.pointee.vma) }
  var space: Space { area.space }
  /// Rounded down to the page.
  var address: UInt { unsafe pointer.pointee.address }
  var flags: UInt32 { unsafe pointer.pointee.flags }
  var isWrite: Bool { flags & FAULT_FLAG_WRITE != 0 }
  /// What the entry was when the fault looked at it.
  var original: Entry {
    get { unsafe pointer.pointee.orig_pte }
    nonmutating set { unsafe pointer.pointee.orig_pte = newValue }
  }
  var page: Page? {
    get { unsafe pointer.pointee.page.map { unsafe Page($0) } }
    nonmutating set { unsafe pointer.pointee.page = unsafe newValue?.pointer }
  }
  var copy: Page? {
    get { unsafe pointer.pointee.cow_page.map { unsafe Page($0) } }
    nonmutating set { unsafe pointer.pointee.cow_page = unsafe newValue?.pointer }
  }
  func add(_ flag: UInt32) { unsafe pointer.pointee.flags |= flag }

  /// Bits of the entry that this fault makes writable.
  var writableBits: UInt { _PAGE_ACCESSED | _PAGE_DIRTY | area.writeBits }
}

enum Faults {
  /// An access by a thread: takes the area's lock, or the map's where that cannot be had, until the
  /// fault is resolved. Empty or noPage: the access may be tried again.
  static func resolve(_ space: Space, _ address: UInt, flags: UInt32) -> FaultResult {
    if let area = space.lockArea(at: address) {
      let result = handle(area, address, flags: flags | FAULT_FLAG_VMA_LOCK)
      if result.contains(.completed) { return result }
      area.unlock()
      if !result.contains(.retry) { return result }
    }
    var flags = flags
    while true {
      space.lockForReading()
      let result =
        space.area(at: address).map { handle($0, address, flags: flags) } ?? .accessViolation
      if result.contains(.completed) { return result }
      space.unlockForReading()
      if !result.contains(.retry) { return result }
      flags |= FAULT_FLAG_TRIED
    }
  }

  /// The area's rights, then `handle_mm_fault`. Context: mmap_lock or the area's lock.
  private static func handle(_ area: Area, _ address: UInt, flags: UInt32) -> FaultResult {
    let wanted = flags & FAULT_FLAG_WRITE != 0 ? VM_WRITE : VM_ACCESS_FLAGS
    guard area.flags & wanted != 0 else { return .accessViolation }
    return handleUnchecked(area, address, flags: flags)
  }

  /// `handle_mm_fault`: the area's rights are the caller's to check. Context: as above.
  static func handleUnchecked(_ area: Area, _ address: UInt, flags: UInt32) -> FaultResult {
    let start = address & ~(Space.pageSize - 1)
    var fault = unsafe vm_fault()
    unsafe fault.vma = area.pointer
    unsafe fault.address = start
    unsafe fault.pgoff = area.pageOffset(of: start)
    unsafe fault.flags = flags
    return unsafe withUnsafeMutablePointer(to: &fault) { pointer in
      let fault = unsafe FaultContext(pointer)
      for level in [Level.pud, .pmd] {
        if let result = handleLeaf(fault, level) { return result }
      }
      return handleEntry(fault)
    }
  }

  /// A leaf of the level is there, or may come; nil: a smaller one has to do.
  private static func handleLeaf(_ fault: FaultContext, _ level: Level) -> FaultResult? {
    let (area, space) = (fault.area, fault.space)
    guard let hugeFault = unsafe area.operations?.pointee.huge_fault else { return nil }
    let order = space.order(level)
    let place: Place
    do throws(Space.NoPlace) {
      place = try space.walkAllocating(fault.address, level)
    } catch {
      return error == .outOfMemory ? .outOfMemory : []
    }
    let entry = place.current
    if entry.isNone {
      let result = FaultResult(rawValue: unsafe hugeFault(fault.pointer, order))
      return result.contains(.fallback) ? nil : result
    }
    guard entry.isLeaf else { return nil }
    fault.original = entry
    if fault.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE) != 0 && !entry.isWritable {
      // A private page comes from the level of pages, and so does what has to be told of stores.
      if area.isShared {
        let result = FaultResult(rawValue: unsafe hugeFault(fault.pointer, order))
        if !result.contains(.fallback) { return result }
      }
      guard let place = space.walkLocking(fault.address, level) else { return nil }
      defer { place.unlock() }
      if place.value.isLeaf { LeafSplit.split(place, level, area) }
      return nil
    }
    place.lock()
    defer { place.unlock() }
    if place.value.pte == entry.pte {
      place.add(_PAGE_ACCESSED | (fault.isWrite ? _PAGE_DIRTY : 0))
    }
    return []
  }

  /// One page (`handle_pte_fault`).
  private static func handleEntry(_ fault: FaultContext) -> FaultResult {
    let space = fault.space
    guard let place = space.walk(fault.address, .pte) else { return handleMissing(fault) }
    let entry = place.current
    fault.original = entry
    if entry.isNone { return handleMissing(fault) }
    guard entry.isPresent else { return SoftLeafFault.handle(fault, entry) }
    // The table may be gone by now, and in its place a leaf.
    guard let place = space.walkLocking(fault.address, .pte) else { return [] }
    guard place.value.pte == entry.pte else {
      place.unlock()
      return []
    }
    if pte_protnone(entry) && fault.area.flags & VM_ACCESS_FLAGS != 0 {
      // The area allows the access: the entry is from before (assumption: Folio has no NUMA hints).
      place.store(entry.removing(_PAGE_PROTNONE).adding(fault.area.protection))
    } else if fault.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE) != 0 && !entry.isWritable {
      return WriteFault.handle(fault, place)
    } else {
      place.add(_PAGE_ACCESSED | (fault.isWrite ? _PAGE_DIRTY : 0))
    }
    place.unlock()
    return []
  }

  /// Nothing is there (`do_pte_missing`).
  private static func handleMissing(_ fault: FaultContext) -> FaultResult {
    guard let operations = unsafe fault.area.operations else { return AnonymousFault.handle(fault) }
    guard let handler = unsafe operations.pointee.fault else { return .busError }
    if !fault.isWrite { return unsafe handleRead(fault, handler) }
    return unsafe fault.area.isShared
      ? handleSharedStore(fault, handler) : handlePrivateStore(fault, handler)
  }

  private typealias Handler = @convention(c) (UnsafeMutablePointer<vm_fault>) -> UInt32

  /// The handler's answer; nil: it handed a page over.
  private static func ask(
    _ handler: Handler, _ fault: FaultContext
  ) -> (done: FaultResult?, result: FaultResult) {
    let result = FaultResult(rawValue: unsafe handler(fault.pointer))
    return (result.endsFault ? result : nil, result)
  }

  /// `do_read_fault`.
  private static func handleRead(_ fault: FaultContext, _ handler: Handler) -> FaultResult {
    let (done, asked) = unsafe ask(handler, fault)
    if let done { return done }
    guard let page = fault.page else { return .busError }
    let finished = finish(fault)
    if asked.contains(.locked) { page.folio.unlock() }
    if finished.isError || finished.contains(.noPage) { page.folio.put() }
    return asked.subtracting(.locked).union(finished)
  }

  /// `do_shared_fault`.
  private static func handleSharedStore(
    _ fault: FaultContext, _ handler: Handler
  ) -> FaultResult {
    let (done, asked) = unsafe ask(handler, fault)
    if let done { return done }
    guard let page = fault.page else { return .busError }
    if unsafe fault.area.operations?.pointee.page_mkwrite != nil {
      if asked.contains(.locked) { page.folio.unlock() }
      let made = WriteFault.makePageWritable(fault, page)
      if made.endsFault {
        page.folio.put()
        return made
      }
    } else if !asked.contains(.locked) {
      page.folio.lock()
    }
    let finished = finish(fault)
    if !finished.isError && !finished.contains(.noPage) { page.folio.markDirty() }
    page.folio.unlock()
    if finished.isError || finished.contains(.noPage) { page.folio.put() }
    return asked.subtracting(.locked).union(finished)
  }

  /// `do_cow_fault`.
  private static func handlePrivateStore(
    _ fault: FaultContext, _ handler: Handler
  ) -> FaultResult {
    guard let copy = AnonymousPage.allocate() else { return .outOfMemory }
    guard fault.area.noteAnonymousPages() else {
      copy.page.folio.put()
      return .outOfMemory
    }
    fault.copy = copy.page
    let (done, asked) = unsafe ask(handler, fault)
    if let done {
      // A handler that mapped the copy itself (`finish`) took it; what it says of that is no proof.
      fault.copy?.folio.put()
      return done
    }
    guard let page = fault.page else {
      fault.copy?.folio.put()
      return .busError
    }
    var finished = FaultResult()
    if fault.copy != nil {
      copy.fill(from: page.frame)
      finished = finish(fault)
    }
    if asked.contains(.locked) { page.folio.unlock() }
    page.folio.put()
    fault.copy?.folio.put()
    return asked.subtracting(.locked).union(finished)
  }

  /// Maps the page that the handler handed over, or the private copy; the entry takes the reference
  /// over (`finish_fault`). noPage: somebody was faster, the caller has it still.
  static func finish(_ fault: FaultContext) -> FaultResult {
    let (area, space) = (fault.area, fault.space)
    let isCopy = fault.isWrite && !area.isShared
    guard let page = isCopy ? fault.copy : fault.page else { return .busError }
    do throws(Space.NoPlace) {
      let place = try space.walkAllocating(fault.address, .pte)
      place.lock()
      defer { place.unlock() }
      guard place.value.isNone else { return .noPage }
      let folio = page.folio
      let bits = fault.isWrite ? fault.writableBits : _PAGE_ACCESSED
      if isCopy {
        fault.copy = nil
        AnonymousPage(page: page).map(at: fault.address, area)
      } else {
        unsafe folio_add_file_rmap_pte(folio.pointer, page.pointer, space.id)
        space.count(1, of: folio.counter)
      }
      place.store(pfn_pte(page.frame, area.protection | bits))
      return []
    } catch {
      return error == .outOfMemory ? .outOfMemory : .noPage
    }
  }
}
