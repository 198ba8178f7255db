// SPDX-License-Identifier: MIT

// From walks to what callers get (spec: core.md 12.2, 12.3): mmap_lock taken, dropped by faults and taken
// again, the fast walk first, long-term pins checked. Mirrors __get_user_pages_locked(),
// __gup_longterm_locked() and gup_fast_fallback().

import CFolio

enum UserPages {
  private static let nothingDone = Warning("get_user_pages took nothing, and there is no reason")

  /// `__get_user_pages_locked`.
  ///
  /// - Parameter isLocked: whether mmap_lock is held for reading. With FOLL_UNLOCKABLE it is taken
  ///   where it is not, and given back where it was taken or dropped meanwhile.
  static func takeLocked(
    _ space: Space, from start: UInt, count: Int, _ pages: UserPageArray?, _ asked: UInt32,
    _ stop: StopRequest, isLocked: inout Bool
  ) -> Int {
    guard count > 0 else { return 0 }
    var flags = asked
    if unsafe pages != nil && flags & FOLL_PIN == 0 { flags |= FOLL_GET }
    var mustUnlock = false
    if !isLocked {
      space.lockForReading()
      (isLocked, mustUnlock) = (true, true)
    }
    // In front of the first pin: a fork that sees none need not look (MMF_HAS_PINNED).
    if flags & FOLL_PIN != 0 { space.notePins() }
    var (done, retried) = (0, UInt32(0))
    var result = 0
    while done < count {
      // Behind a fault that waited the first page has another try, then the rest.
      var walk = unsafe UserPageWalk(
        space, flags | retried, pages.map { unsafe $0 + done }, stop)
      result = walk.run(
        from: start + UInt(done) * Space.pageSize, count: retried != 0 ? 1 : count - done)
      if result > 0 { done += result }
      if walk.droppedLock {
        (isLocked, mustUnlock) = (false, true)
        guard done < count else { break }
        if stop.isPending {
          result = Int(MemoryError.Code.interrupted.status)
          break
        }
        space.lockForReading()
        isLocked = true
        retried = FOLL_TRIED
      } else if retried != 0 && result > 0 {
        retried = 0
      } else {
        break
      }
    }
    if mustUnlock && isLocked {
      space.unlockForReading()
      isLocked = false
    }
    if done > 0 { return done }
    if result == 0 && flags & FOLL_NOWAIT == 0 {
      nothingDone.raise()
      return Int(MemoryError.Code.fault.status)
    }
    return result
  }

  /// `__gup_longterm_locked`: with FOLL_LONGTERM until all pages may stay where they are.
  static func take(
    _ space: Space, from start: UInt, count: Int, _ pages: UserPageArray?, _ flags: UInt32,
    _ stop: StopRequest, isLocked: inout Bool
  ) -> Int {
    while true {
      let done = unsafe takeLocked(
        space, from: start, count: count, pages, flags, stop, isLocked: &isLocked)
      guard done > 0, let pages = unsafe pages, flags & FOLL_PIN != 0 else { return done }
      if flags & FOLL_LONGTERM != 0 {
        let status = unsafe LongTermPins.check(pages, count: done)
        if status == MemoryError.Code.tryAgain.status { continue }
        guard status == 0 else { return Int(status) }
      }
      #if DEBUG || LAB
        unsafe sanity_check_pinned_pages(pages, UInt(done))
      #endif
      return done
    }
  }

  /// `gup_fast_fallback`: by the fast walk, and the rest by the slow one.
  static func takeFast(
    _ space: Space, from start: UInt, count: Int, _ pages: UserPageArray, _ flags: UInt32,
    _ stop: StopRequest = .never
  ) -> Int {
    guard UserPageArguments.areFast(flags) else {
      return Int(MemoryError.Code.invalidArgument.status)
    }
    let start = start & ~(Space.pageSize - 1)
    let (bytes, isTooLong) = UInt(bitPattern: count)
      .multipliedReportingOverflow(by: Space.pageSize)
    let (end, wraps) = start.addingReportingOverflow(bytes)
    guard !isTooLong, !wraps else { return Int(MemoryError.Code.overflow.status) }
    guard end <= space.end else { return Int(MemoryError.Code.fault.status) }
    // Which notes the pins itself.
    let done = Int(unsafe gup_fast(space.pointer, start, end, flags, pages))
    if done == count || flags & FOLL_FAST_ONLY != 0 { return done }
    var isLocked = false
    let more = unsafe take(
      space, from: start + UInt(done) * Space.pageSize, count: count - done, pages + done,
      flags | stop.flag | FOLL_TOUCH | FOLL_UNLOCKABLE, stop, isLocked: &isLocked)
    return more >= 0 ? done + more : done > 0 ? done : more
  }

  /// `faultin_page_range`: brings pages in.
  static func populate(
    _ space: Space, _ range: Range<UInt>, forWriting: Bool, isLocked: inout Bool
  ) -> Int {
    let flags =
      FOLL_TOUCH | FOLL_HWPOISON | FOLL_UNLOCKABLE | FOLL_MADV_POPULATE
      | (forWriting ? FOLL_WRITE : 0)
    return unsafe takeLocked(
      space, from: range.lowerBound,
      count: Int((range.upperBound - range.lowerBound) / Space.pageSize), nil, flags, .never,
      isLocked: &isLocked)
  }

  /// MADV_POPULATE: all of the range, in as many rounds as it takes.
  static func populate(_ space: Space, _ range: Range<UInt>, forWriting: Bool) throws(MemoryError) {
    guard space.contains(range) else {
      throw MemoryError(.invalidArgument, address: range.lowerBound)
    }
    var address = range.lowerBound
    while address < range.upperBound {
      var isLocked = false
      let done = populate(
        space, address..<range.upperBound, forWriting: forWriting, isLocked: &isLocked)
      guard done > 0 else { throw MemoryError(status: Int32(done), address: address) }
      address += UInt(done) * Space.pageSize
    }
  }
}

extension Space {
  /// The map pins, or did: forks look for pins from now on (MMF_HAS_PINNED). FULL the first time.
  func notePins() {
    if isMutant(MUTANT_P114) { return }
    if unsafe atomic_read(&pointer.pointee.has_pinned) == 0 {
      _ = unsafe atomic_xchg(&pointer.pointee.has_pinned, 1)
    }
  }
}
