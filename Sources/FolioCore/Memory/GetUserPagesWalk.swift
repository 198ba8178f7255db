// SPDX-License-Identifier: MIT

// The slow walk (spec: core.md 12.3, 12.5): areas, faults where an address leads nowhere, and how far it
// comes. Mirrors __get_user_pages(), check_vma_flags() and faultin_page().

import CFolio

/// One walk under mmap_lock.
@safe
struct UserPageWalk: ~Copyable {
  let space: Space
  let flags: UInt32
  /// Where pages go; nil: they are brought in only.
  let pages: UserPageArray?
  let stop: StopRequest
  /// A fault dropped mmap_lock; the walk is over then.
  private(set) var droppedLock = false

  init(_ space: Space, _ flags: UInt32, _ pages: UserPageArray?, _ stop: StopRequest) {
    self.space = space
    self.flags = flags
    unsafe self.pages = unsafe pages
    self.stop = stop
  }

  /// Pages from the address on, as many as go; none: -errno, or 0 when a fault wants to wait or has
  /// waited (`__get_user_pages`). Context: mmap_lock, which is dropped where `droppedLock` says so.
  mutating func run(from start: UInt, count: Int) -> Int {
    var lookup = UserPageLookup(space, flags: flags)
    var (address, done, status) = (start, 0, Int32(0))
    var area: Area?
    while done < count {
      if area.map({ address >= $0.end }) ?? true {
        area = space.area(at: address)
        status = area.map { check($0) } ?? missingArea
        if status != 0 { break }
      }
      guard let area else { break }
      if stop.isPending {
        status = MemoryError.Code.interrupted.status
        break
      }
      var step = 1
      switch lookup.follow(address, area) {
      case .found(let page, let behind):
        step += min(behind, count - done - 1)
        if step > 1, unsafe pages != nil, !lookup.takeMore(step - 1, of: page) {
          status = MemoryError.Code.fault.status
        } else {
          record(page, step, at: done)
        }
      case .missing: (status, step) = (bring(address, area, unsharing: false), 0)
      case .shared: (status, step) = (bring(address, area, unsharing: true), 0)
      case .pageless: status = unsafe pages != nil ? MemoryError.Code.exists.status : 0
      case .refused(let error): status = error
      }
      if status != 0 { break }
      address += UInt(step) * Space.pageSize
      done += step
    }
    lookup.finish()
    if done > 0 { return done }
    let isRetry =
      status == MemoryError.Code.busy.status
      || status == MemoryError.Code.tryAgain.status
    return isRetry ? 0 : Int(status)
  }

  private func record(_ page: Page, _ count: Int, at index: Int) {
    guard let pages = unsafe pages else { return }
    for number in 0..<count { unsafe pages[index + number] = page.pointer + number }
  }

  // MARK: areas

  private var missingArea: Int32 {
    flags & FOLL_MADV_POPULATE != 0
      ? MemoryError.Code.outOfMemory.status : MemoryError.Code.fault.status
  }

  private func check(_ area: Area) -> Int32 {
    guard let code = Self.refusal(of: area, flags) else { return 0 }
    return flags & FOLL_MADV_POPULATE != 0
      ? MemoryError.Code.invalidArgument.status : code.status
  }

  /// Why no page of the area may be taken; nil: it may (`check_vma_flags`). Folio has no hugetlb and no
  /// secret memory, and no architecture with rights beyond the area's: those rows never apply. Which
  /// of two reasons is given is an assumption: 12.3 has no order.
  private static func refusal(of area: Area, _ flags: UInt32) -> MemoryError.Code? {
    func asks(_ flag: UInt32) -> Bool { flags & flag != 0 }
    let isAnonymous = unsafe area.operations == nil
    if area.flags & (VM_IO | VM_PFNMAP) != 0 { return .fault }
    if asks(FOLL_ANON) && !isAnonymous { return .fault }
    if asks(FOLL_LONGTERM) && area.isFileSystemDAX && !isMutant(MUTANT_P113) {
      return .notSupported
    }
    if asks(FOLL_WRITE) {
      let isLongStore = asks(FOLL_PIN) && asks(FOLL_LONGTERM)
      if isLongStore && !isAnonymous && area.isStoreTracked { return .fault }
      if area.flags & VM_WRITE == 0 && !(asks(FOLL_FORCE) && area.copiesOnWrite) { return .fault }
    } else if area.flags & VM_READ == 0 {
      if !asks(FOLL_FORCE) || area.flags & VM_MAYREAD == 0 { return .fault }
    }
    return nil
  }

  // MARK: faults

  /// Resolves a fault there (`faultin_page`): 0: look again; else how the walk ends, with -EBUSY and
  /// -EAGAIN for one that would wait, or has.
  private mutating func bring(_ address: UInt, _ area: Area, unsharing: Bool) -> Int32 {
    guard flags & FOLL_NOFAULT == 0 else { return MemoryError.Code.fault.status }
    let result = Faults.handleUnchecked(area, address, flags: faultFlags(unsharing))
    if result.contains(.completed) {
      droppedLock = true
      return MemoryError.Code.tryAgain.status
    }
    if result.isError { return status(of: result) }
    guard result.contains(.retry) else { return 0 }
    // Handlers of Folio keep the lock: whoever asked for the fault drops it.
    if flags & (FOLL_UNLOCKABLE | FOLL_NOWAIT) == FOLL_UNLOCKABLE {
      space.unlockForReading()
      droppedLock = true
    }
    return MemoryError.Code.busy.status
  }

  private func faultFlags(_ unsharing: Bool) -> UInt32 {
    var fault: UInt32 = 0
    if flags & FOLL_WRITE != 0 && !unsharing { fault |= FAULT_FLAG_WRITE }
    if unsharing { fault |= FAULT_FLAG_UNSHARE }
    if flags & FOLL_REMOTE != 0 { fault |= FAULT_FLAG_REMOTE }
    if flags & FOLL_UNLOCKABLE != 0 {
      fault |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE
      if flags & FOLL_INTERRUPTIBLE != 0 { fault |= FAULT_FLAG_INTERRUPTIBLE }
    }
    if flags & FOLL_NOWAIT != 0 { fault |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_RETRY_NOWAIT }
    if flags & FOLL_TRIED != 0 { fault |= FAULT_FLAG_TRIED }
    return fault
  }

  /// -errno of a fault's error (`vm_fault_to_errno`).
  private func status(of result: FaultResult) -> Int32 {
    let code = MemoryError(fault: result, 0).code
    return code == .poisoned && flags & FOLL_HWPOISON == 0
      ? MemoryError.Code.fault.status : code.status
  }
}
