// SPDX-License-Identifier: MIT

// Pages by virtual address, for Swift: handles that give back what they hold. Pins and plain references
// are of different types, so that neither is given back as the other (spec: core.md CI44).

import CFolio

/// What `MemoryMap.pin` and `MemoryMap.get` are asked for, beside the pages (FOLL_; core.md 12.1).
public struct UserPageOptions: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Pages that may be written through: those of private areas are copied first.
  public static let write = UserPageOptions(rawValue: FOLL_WRITE)
  /// For good, not for the time of one transfer: never pages of a file system on a DAX device, never
  /// what has to stay movable. Pins only; not with `peerToPeer`.
  public static let longTerm = UserPageOptions(rawValue: FOLL_LONGTERM)
  /// Peer-to-peer memory of devices too.
  public static let peerToPeer = UserPageOptions(rawValue: FOLL_PCI_P2PDMA)
  /// Private areas also without the right to it, as a debugger does.
  public static let force = UserPageOptions(rawValue: FOLL_FORCE)
  /// Only what is mapped: no faults.
  public static let noFaults = UserPageOptions(rawValue: FOLL_NOFAULT)
  /// Faults that would wait end it.
  public static let noWaiting = UserPageOptions(rawValue: FOLL_NOWAIT)
  /// Only areas without an object.
  public static let anonymousOnly = UserPageOptions(rawValue: FOLL_ANON)
  /// A leaf at the PMD level is split first.
  public static let splitLeaves = UserPageOptions(rawValue: FOLL_SPLIT_PMD)
  /// Refused, where there would only be zeros.
  public static let nothingUntouched = UserPageOptions(rawValue: FOLL_DUMP)
  /// A poisoned page is told from other faults.
  public static let namesPoison = UserPageOptions(rawValue: FOLL_HWPOISON)
  /// Entries that are there to be noticed go through a fault.
  public static let honorsHints = UserPageOptions(rawValue: FOLL_HONOR_NUMA_FAULT)
  /// By the fast walk alone, which takes no lock and never blocks.
  public static let lockFree = UserPageOptions(rawValue: FOLL_FAST_ONLY)
}

/// Pages of a range that a walk took, from its start on. One allocation however many they are; one page
/// needs none.
@safe
private struct UserPageList: @unchecked Sendable {
  // @unchecked: the pages are shared by design; the list is its handle's alone.
  let start: UInt
  let asked: Int
  let count: Int
  private let single: UnsafeMutablePointer<page>?
  private let many: UserPageArray?

  /// Takes pages of the range.
  ///
  /// - Throws: as `MemoryMap.pin`.
  init(
    _ space: Space, _ range: Range<UInt>, _ options: UserPageOptions, kind: UInt32,
    _ mode: WaitMode
  ) throws(MemoryError) {
    guard space.contains(range) else {
      throw MemoryError(.invalidArgument, address: range.lowerBound)
    }
    let isFastOnly = options.contains(.lockFree)
    let asked = range.count / Int(Space.pageSize)
    guard
      let flags = UserPageArguments.check(
        options.subtracting(.lockFree).rawValue, adding: kind, hasPages: true)
    else { throw MemoryError(.invalidArgument, address: range.lowerBound) }
    var (one, result) = unsafe (UnsafeMutablePointer<page>?.none, 0)
    var array: UserPageArray?
    if asked == 1 {
      result = unsafe withUnsafeMutablePointer(to: &one) { pages in
        unsafe Self.take(space, range, pages, flags, isFastOnly, StopRequest(mode))
      }
    } else {
      let size = unsafe asked * MemoryLayout<UserPageArray.Pointee>.stride
      guard let memory = unsafe cfolio_zalloc(size) else {
        throw MemoryError(.outOfMemory, address: range.lowerBound)
      }
      let pages = unsafe memory.bindMemory(to: UserPageArray.Pointee.self, capacity: asked)
      result = unsafe Self.take(space, range, pages, flags, isFastOnly, StopRequest(mode))
      if result > 0 { unsafe array = pages } else { unsafe cfolio_free(memory) }
    }
    guard result > 0 else {
      guard result < 0 else { throw MemoryError(.tryAgain, address: range.lowerBound) }
      throw MemoryError(status: Int32(result), address: range.lowerBound)
    }
    (start, self.asked, count) = (range.lowerBound, asked, result)
    unsafe (single, many) = unsafe (one, array)
  }

  /// Context: flags that `UserPageArguments.check` gave.
  private static func take(
    _ space: Space, _ range: Range<UInt>, _ pages: UserPageArray, _ flags: UInt32,
    _ isFastOnly: Bool, _ stop: StopRequest
  ) -> Int {
    let (start, count) = (range.lowerBound, range.count / Int(Space.pageSize))
    if isFastOnly || flags & ~UserPageArguments.fastFlags == 0 {
      let flags = flags | (isFastOnly ? FOLL_FAST_ONLY : 0)
      return unsafe UserPages.takeFast(space, from: start, count: count, pages, flags, stop)
    }
    var isLocked = false
    return unsafe UserPages.take(
      space, from: start, count: count, pages, flags | stop.flag | FOLL_TOUCH | FOLL_UNLOCKABLE,
      stop, isLocked: &isLocked)
  }

  /// Bytes of `asked` pages from the start, or of those from `first` on.
  func range(from first: Int = 0, to last: Int) -> Range<UInt> {
    let size = Space.pageSize
    return (start + UInt(first) * size)..<(start + UInt(last) * size)
  }

  func frame(_ index: Int) -> UInt {
    precondition(0..<count ~= index, "no such page in the range")
    return unsafe page_to_pfn(many?[index] ?? single!)
  }

  /// The pages, as C takes them.
  func withPages(_ body: (UserPageArray) -> Void) {
    if let many = unsafe many { return unsafe body(many) }
    var page = unsafe single
    unsafe withUnsafeMutablePointer(to: &page) { unsafe body($0) }
  }

  /// Context: the handle goes; its pages are given back.
  func free() { unsafe cfolio_free(many) }
}

/// Pins of the pages of a range (FOLL_PIN): given back when it goes.
///
/// While it exists the pages stay what they are: not freed, not replaced by a copy in a fork, not moved.
/// May be moved to another thread, and outlives the address space.
public struct PinnedPages: ~Copyable, Sendable {
  private let list: UserPageList

  init(
    _ space: Space, _ range: Range<UInt>, _ options: UserPageOptions, _ mode: WaitMode
  ) throws(MemoryError) {
    list = try UserPageList(space, range, options, kind: FOLL_PIN, mode)
  }

  deinit {
    unsafe list.withPages { unsafe unpin_user_pages($0, UInt(list.count)) }
    list.free()
  }

  /// Pages that are pinned; at least 1.
  public var count: Int { list.count }
  /// Their addresses: the range that was asked for, or its beginning.
  public var range: Range<UInt> { list.range(to: list.count) }
  /// What is not pinned: empty when all is. A pin that begins there says why.
  public var rest: Range<UInt> { list.range(from: list.count, to: list.asked) }
  /// The frame of a page, counted from the start of the range.
  public subscript(index: Int) -> UInt { list.frame(index) }
  /// All frames, in order of address.
  public var frames: [UInt] { (0..<count).map { list.frame($0) } }

  /// Gives the pins back now (`unpin_user_pages`): one put for a run of one folio. FULL. May free
  /// folios; never blocks.
  public consuming func release() {}

  /// Marks the folios dirty, each under its lock, and gives the pins back
  /// (`unpin_user_pages_dirty_lock`). May block.
  public consuming func releaseDirty() {
    unsafe list.withPages { pages in
      let count = list.count
      unsafe pages.withMemoryRebound(to: UnsafeMutablePointer<page>.self, capacity: count) {
        unsafe unpin_user_pages_dirty_lock($0, UInt(count), true)
      }
    }
    list.free()
    discard self
  }
}

/// Plain references to the pages of a range (FOLL_GET): given back when it goes.
///
/// They keep the pages from being freed, no more: a store may replace a private page, a fork copies none
/// of them. What a device writes to needs pins.
public struct HeldPages: ~Copyable, Sendable {
  private let list: UserPageList

  init(
    _ space: Space, _ range: Range<UInt>, _ options: UserPageOptions, _ mode: WaitMode
  ) throws(MemoryError) {
    list = try UserPageList(space, range, options, kind: FOLL_GET, mode)
  }

  deinit {
    unsafe list.withPages { pages in
      let count = list.count
      unsafe pages.withMemoryRebound(to: UnsafeMutablePointer<page>.self, capacity: count) {
        unsafe cfolio_put_user_pages($0, UInt(count))
      }
    }
    list.free()
  }

  /// Pages that are held; at least 1.
  public var count: Int { list.count }
  /// Their addresses: the range that was asked for, or its beginning.
  public var range: Range<UInt> { list.range(to: list.count) }
  /// What is not held: empty when all is. Asking for it says why.
  public var rest: Range<UInt> { list.range(from: list.count, to: list.asked) }
  /// The frame of a page, counted from the start of the range.
  public subscript(index: Int) -> UInt { list.frame(index) }
  /// All frames, in order of address.
  public var frames: [UInt] { (0..<count).map { list.frame($0) } }

  /// Gives the references back now, under legacy rules as `put_page` does. FULL. May free folios; never
  /// blocks.
  public consuming func release() {}
}

extension MemoryMap {
  /// Pins the pages of a range: by the fast walk as far as it goes, then with faults
  /// (`pin_user_pages_fast`, or `pin_user_pages_unlocked` for what that does not take).
  ///
  /// What cannot be had all is had in part: the handle's `rest` is what it has not. May block.
  ///
  /// - Parameters:
  ///   - range: bytes: whole pages, inside the address space.
  ///   - options: what is pinned and how.
  ///   - mode: how it may be ended early, between pages.
  /// - Throws: when no page is pinned. `invalidArgument`: a range that is empty, not of whole pages or
  ///   outside, or options that do not go together; `fault`, `notSupported`, `exists`, `outOfMemory`,
  ///   `busy`, `remoteIO`, `poisoned`, `interrupted` as folio/get_user_pages.h says; `tryAgain` where
  ///   the fast walk alone, or one that must not wait, found nothing.
  public func pin(
    _ range: Range<UInt>, _ options: UserPageOptions = [], ending mode: WaitMode = .uninterruptible
  ) throws(MemoryError) -> PinnedPages {
    try PinnedPages(space, range, options, mode)
  }

  /// Takes a plain reference on each page of a range (`get_user_pages_fast`, `_unlocked`).
  ///
  /// - Throws: as `pin`; `longTerm` is for pins.
  public func get(
    _ range: Range<UInt>, _ options: UserPageOptions = [], ending mode: WaitMode = .uninterruptible
  ) throws(MemoryError) -> HeldPages {
    try HeldPages(space, range, options, mode)
  }

  /// Brings all pages of a range in, for stores where asked (MADV_POPULATE_READ, _WRITE). May block.
  ///
  /// - Throws: `invalidArgument` for a range as in `pin`, or an area without the right; `outOfMemory`
  ///   where there is no area; what a fault says. Pages in front of the address are in.
  public func populate(_ range: Range<UInt>, forWriting: Bool = false) throws(MemoryError) {
    try UserPages.populate(space, range, forWriting: forWriting)
  }
}

/// Pages pinned and given back since the process began (FOLL_PIN statistics; spec: core.md CI45).
public struct PinStatistics: Sendable, Hashable {
  public var acquired: Int
  public var released: Int

  public init(acquired: Int, released: Int) {
    (self.acquired, self.released) = (acquired, released)
  }

  /// Those of now. Exact when nobody pins; equal when no pin is open.
  public static var current: PinStatistics {
    let statistics = foll_pin_statistics()
    return PinStatistics(acquired: statistics.acquired, released: statistics.released)
  }
}
