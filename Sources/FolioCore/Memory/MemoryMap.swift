// SPDX-License-Identifier: MIT

// An address space: what a process has. Its operations, for Swift; what they do is in the files of this
// folder, the C names are in MemoryExports.swift. Mirrors mm_struct and the system calls on it.

public import CFolio

/// An address space (`struct mm_struct`): areas that map files, devices or memory of its own, found and
/// locked one by one, so that accesses in different areas share no lock of it.
///
/// Threads share it. Addresses are bytes; ranges begin and end at multiples of `MemoryMap.pageSize`.
/// When it goes all its areas go, and with them their references.
@safe
public final class MemoryMap: Sendable {
  /// Bytes of a page.
  public static let pageSize = UInt(1) << UInt(PAGE_SHIFT)

  /// Choices that are fixed for the life of an address space. The switches are those that the
  /// spec names (core.md 9.3, 9.5, 10.3).
  public struct Options: Sendable, Hashable {
    /// log2 of the entries of a table, 1 to 9: x86-64 and arm64 have 9. A leaf above the pages maps
    /// 2^tableShift pages, one above that 2^(2 * tableShift).
    public var tableShift = 9
    /// A huge leaf of a file keeps a table, as some architectures need.
    public var depositsTables = false
    /// Huge leaves of counted folios are special all the same, as in v6.15 and v6.16 (C56). That is
    /// a defect, kept to be shown: where an area holds frames as well (`.mixed`), a fork copies
    /// such a leaf as one that counts nothing, and both ends give back what one owns.
    public var specialLeaves = false
    /// A store's fault on an entry that is there marks it dirty.
    public var upgradeDirties: Bool
    /// A store's fault leaves alone what is there but not present.
    public var upgradeChecksPresent: Bool
    /// A split leaf's pages leave the counter after the put of its folio (C50, CVE-2026-53189).
    public var countsAfterPut: Bool

    /// - Parameter rules: strict: hazards fixed; kernel and legacy: as v6.18.
    public init(rules: PageMap.Rules = .strict) {
      upgradeDirties = rules == .strict
      upgradeChecksPresent = rules == .strict
      countsAfterPut = rules == .kernel
    }

    var value: mm_options {
      mm_options(
        table_shift: UInt32(tableShift), deposits: depositsTables, special_leaves: specialLeaves,
        upgrade_dirties: upgradeDirties, upgrade_checks_present: upgradeChecksPresent,
        counts_after_put: countsAfterPut)
    }
  }

  let space: Space

  /// An address space without areas.
  ///
  /// - Throws: `invalidArgument` for a table shift outside of 1...9; `outOfMemory`.
  public convenience init(_ options: Options = Options()) throws(MemoryError) {
    guard 1...9 ~= options.tableShift else { throw MemoryError(.invalidArgument) }
    try self.init(options.value)
  }

  init(_ options: mm_options) throws(MemoryError) {
    space = try SpaceLife.make(options)
  }

  deinit { SpaceLife.end(space) }

  /// The C structure, for as long as the object lives.
  @unsafe public var mm: UnsafeMutablePointer<mm_struct> { unsafe space.pointer }

  /// First byte behind the address space.
  public var end: UInt { space.end }

  /// Pages of a leaf above the pages, and of one above that.
  public var leafPages: (pmd: Int, pud: Int) { (Int(space.pages(.pmd)), Int(space.pages(.pud))) }

  // MARK: areas

  /// Where a new area goes.
  public enum Placement: Sendable, Hashable {
    /// Where there is room.
    case anywhere
    /// At the address if it is free there, else where there is room.
    case near(UInt)
    /// There, in the place of what there is.
    case fixed(UInt)
    /// There, or not at all.
    case fixedNoReplace(UInt)
  }

  /// Maps pages of an object, or memory of its own (`mmap`).
  ///
  /// - Parameters:
  ///   - object: nil for memory that is zero at first; private then.
  ///   - firstPage: of the object.
  ///   - pages: how many.
  ///   - rights: of the area's accesses.
  ///   - sharing: whether stores are the object's or the area's own.
  ///   - placement: where.
  /// - Throws: `invalidArgument`, `overflow`, `outOfMemory`, `exists`, or what the object says. A fixed
  ///   area that the object refuses leaves a hole, as in the kernel.
  @discardableResult
  public func map(
    _ object: MappedObject? = nil, from firstPage: Int = 0, pages: Int,
    _ rights: AccessRights, _ sharing: Sharing, at placement: Placement = .anywhere
  ) throws(MemoryError) -> MemoryArea {
    guard pages > 0, firstPage >= 0, rights.isSubset(of: [.read, .write, .execute]) else {
      throw MemoryError(.invalidArgument)
    }
    var request = unsafe mmap_request()
    unsafe request.pages = UInt(pages)
    unsafe request.pgoff = UInt(firstPage)
    unsafe request.vm_flags = rights.rawValue | (sharing == .shared ? VM_SHARED | VM_MAYSHARE : 0)
    switch placement {
    case .anywhere: unsafe request.placement = MMAP_CHOOSE
    case .near(let address): unsafe (request.placement, request.address) = (MMAP_CHOOSE, address)
    case .fixed(let address): unsafe (request.placement, request.address) = (MMAP_FIXED, address)
    case .fixedNoReplace(let address):
      unsafe (request.placement, request.address) = (MMAP_FIXED_NOREPLACE, address)
    }
    if let object { unsafe object.fill(&request) }
    let start: UInt
    do throws(MemoryError) {
      start = try unsafe Areas.map(space, request)
    } catch {
      if let object { object.release() }
      throw error
    }
    return MemoryArea(
      range: start..<(start + UInt(pages) * Self.pageSize), firstPage: firstPage, rights: rights,
      sharing: sharing)
  }

  /// Removes what is mapped in the range (`munmap`); holes are no error.
  ///
  /// - Throws: `invalidArgument`, `outOfMemory`; what an object says about being cut.
  public func unmap(_ range: Range<UInt>) throws(MemoryError) {
    try Areas.unmap(space, range)
  }

  /// Changes the rights to what is mapped in the range (`mprotect`).
  ///
  /// - Throws: `invalidArgument`; `outOfMemory` where there is a hole; `accessDenied`. Nothing is
  ///   changed then.
  public func protect(_ range: Range<UInt>, _ rights: AccessRights) throws(MemoryError) {
    try Protection.protect(space, range, rights: rights.rawValue)
  }

  /// Moves or resizes what is mapped in the range, which is of one area (`mremap`).
  ///
  /// - Parameters:
  ///   - range: bytes of whole pages.
  ///   - pages: its new size.
  ///   - target: where to, in the place of what is there; nil: it stays, or moves where there is room.
  /// - Returns: where it begins now.
  /// - Throws: `invalidArgument`; `fault` (no area, or more of one of bare frames); `outOfMemory`; what
  ///   an object says about being cut. What was at the target, or is cut off, may be gone then.
  @discardableResult
  public func remap(
    _ range: Range<UInt>, pages: Int, to target: UInt? = nil
  ) throws(MemoryError) -> UInt {
    let (size, overflow) = pages.multipliedReportingOverflow(by: Int(Self.pageSize))
    guard size > 0, !overflow else {
      throw MemoryError(.invalidArgument, address: range.lowerBound)
    }
    return try Move.remap(space, range, size: UInt(size), target: target, mayMove: true)
  }

  /// Removes the entries of the range, not its areas (`MADV_DONTNEED`). Memory of its own is lost.
  ///
  /// - Throws: `invalidArgument`; `outOfMemory` where there is a hole, with the rest done.
  public func discard(_ range: Range<UInt>) throws(MemoryError) {
    try Areas.discard(space, range)
  }

  /// What fork gives the child: the same areas; private pages are shared until one of both stores.
  ///
  /// Blocks while somebody else changes areas or is in a fault, and waits for translations in use:
  /// behind the return no store of another thread goes to a page that is shared now. Not in a read
  /// scope, nor in a fault's handler of this address space.
  ///
  /// - Throws: `outOfMemory`.
  public func fork() throws(MemoryError) -> MemoryMap {
    let child = try MemoryMap(space.options)
    try Fork.copy(space, to: child.space)
    return child
  }

  /// The areas, in order of address.
  public var areas: [MemoryArea] {
    space.lockForReading()
    defer { space.unlockForReading() }
    let index = Index(space)
    return (0..<index.count).map { MemoryArea(index[$0]) }
  }

  // MARK: accesses

  /// Loads what the page at the address holds, as a CPU does: by an entry, or a fault that makes one.
  ///
  /// With an entry it takes no lock and does not block. A fault takes the area's lock or mmap_lock,
  /// calls the object's handler, and may block: not in a read scope, nor in such a handler. The
  /// word is loaded relaxed: it orders nothing but accesses to this page.
  ///
  /// - Throws: `fault` where there is no area or no right; `outOfMemory`; `poisoned`.
  public func load(_ address: UInt) throws(MemoryError) -> UInt {
    var value: UInt = 0
    unsafe try Access.perform(space, address, isWrite: false) { unsafe value = shared_read($1) }
    return value
  }

  /// Stores to it, relaxed. A page holds one word (folio/tlb.h). Blocks as `load(_:)` does. Who removes
  /// or write-protects the entry waits for the store: behind that it is over, or goes elsewhere.
  ///
  /// - Throws: as `load(_:)`.
  public func store(_ value: UInt, at address: UInt) throws(MemoryError) {
    unsafe try Access.perform(space, address, isWrite: true) { unsafe shared_set($1, value) }
  }

  /// An access that sees where it leads: `body` gets the frame and its word while the translation is in
  /// use. It must not block or take a lock.
  ///
  /// - Throws: as `load(_:)`.
  package func access(
    _ address: UInt, isWrite: Bool, _ body: (_ frame: UInt, UnsafeMutablePointer<shared_t>) -> Void
  ) throws(MemoryError) {
    unsafe try Access.perform(space, address, isWrite: isWrite, body)
  }

  /// An access that gives up behind so many faults, each of which may find the page on its way: how many
  /// there were; nil: it gave up, and `body` did not run.
  ///
  /// - Throws: as `load(_:)`.
  package func access(
    _ address: UInt, isWrite: Bool, faults: Int,
    _ body: (_ frame: UInt, UnsafeMutablePointer<shared_t>) -> Void
  ) throws(MemoryError) -> Int? {
    unsafe try Access.perform(space, address, isWrite: isWrite, faults: faults, body)
  }

  // MARK: counters

  /// Pages that entries map, by kind (`get_mm_counter`), and page tables. Exact when nothing changes.
  public var counters: Counters {
    Counters(
      filePages: space.pages(of: MM_FILEPAGES), anonymousPages: space.pages(of: MM_ANONPAGES),
      sharedMemoryPages: space.pages(of: MM_SHMEMPAGES), tables: space.tables)
  }

  /// What an address space has.
  public struct Counters: Sendable, Hashable {
    public var filePages: Int
    public var anonymousPages: Int
    public var sharedMemoryPages: Int
    /// Page tables, those kept for huge leaves included.
    public var tables: Int
  }
}

/// The beginning and the end of an address space, also of one that C owns.
enum SpaceLife {
  private static let identities = Guarded<Identities>(.spaceIdentities, Identities())

  /// Numbers of address spaces: each once at a time.
  private struct Identities {
    var next: mm_id_t = 1
    var free: [mm_id_t] = []
  }

  static func make(_ options: mm_options) throws(MemoryError) -> Space {
    _ = SystemMemory.shared
    ZeroPages.prepare()
    let id = identities.withLock { state in
      if let id = state.free.popLast() { return id }
      state.next += 1
      return state.next - 1
    }
    var options = options
    guard let mm = unsafe mm_alloc(&options, id) else {
      identities.withLock { $0.free.append(id) }
      throw MemoryError(.outOfMemory)
    }
    return unsafe Space(unsafe mm)
  }

  static func end(_ space: Space) {
    let id = space.id
    Areas.removeAll(space)
    unsafe mm_free(space.pointer)
    identities.withLock { $0.free.append(id) }
  }
}
