// SPDX-License-Identifier: MIT

// Migration for Swift: which pages, and where to. What a driver does is in two closures; the rest is
// migrate_vma's (folio/migrate.h).

import CFolio

/// Which pages a migration takes (`migrate_vma_direction`).
public struct MigrationSelection: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// Pages of RAM, and places where nothing is yet.
  public static let ram = MigrationSelection(rawValue: MIGRATE_VMA_SELECT_SYSTEM.rawValue)
  /// Device-private pages of one map.
  public static let devicePrivate = MigrationSelection(
    rawValue: MIGRATE_VMA_SELECT_DEVICE_PRIVATE.rawValue)
  /// Coherent pages of one map.
  public static let deviceCoherent = MigrationSelection(
    rawValue: MIGRATE_VMA_SELECT_DEVICE_COHERENT.rawValue)
}

/// A page that is to move: locked, without entries.
public struct MigrationSource: Hashable, Sendable {
  /// nil: nothing is there yet.
  public let frame: UInt?
  /// Its entry allowed stores.
  public let isWritable: Bool

  init(_ page: MigratedPage) {
    frame = page.page?.frame
    isWritable = page.isWritable
  }
}

/// Where pages go.
public enum PageMigration {
  /// A page of RAM as a destination: locked, with one reference, holding what the frame holds; nil: no
  /// memory. nil for `frame`: 0.
  public static func pageOfRAM(holding frame: UInt?) -> UInt? {
    guard let copy = AnonymousPage.allocate() else { return nil }
    copy.page.folio.lock()
    if let frame { copy.fill(from: frame) }
    return copy.page.frame
  }

  /// Pages of one `migrate_vma`.
  private static let batch = 16

  /// Moves what is mapped in the range, which lies in the area. Context: mmap_lock.
  static func run(
    _ area: Area, _ range: Range<UInt>, _ selection: MigrationSelection,
    owner: UnsafeMutableRawPointer?, faultPage: Page?,
    to destination: (MigrationSource) -> UInt?
  ) throws(MemoryError) -> Int {
    var moved = 0
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + UInt(batch) * Space.pageSize, range.upperBound)
      var status: Int32 = 0
      unsafe withUnsafeTemporaryAllocation(of: UInt.self, capacity: 2 * batch) { words in
        unsafe words.initialize(repeating: 0)
        let (source, target) = unsafe (words.baseAddress!, words.baseAddress! + batch)
        var request = unsafe migrate_vma()
        unsafe request.vma = area.pointer
        unsafe request.src = source
        unsafe request.dst = target
        unsafe request.start = start
        unsafe request.end = end
        unsafe request.pgmap_owner = owner
        unsafe request.flags = UInt(selection.rawValue)
        unsafe request.fault_page = faultPage?.pointer
        status = unsafe migrate_vma_setup(&request)
        guard status == 0 else { return }
        for number in 0..<(unsafe Int(request.npages)) {
          let page = unsafe source[page: number]
          guard page.isMigrating, let frame = destination(MigrationSource(page)) else { continue }
          unsafe target[number] = migrate_pfn(frame)
        }
        unsafe migrate_vma_pages(&request)
        unsafe migrate_vma_finalize(&request)
        for number in 0..<(unsafe Int(request.npages))
        where unsafe source[page: number].isMigrating { moved += 1 }
      }
      try MemoryError.check(status, address: start)
      start = end
    }
    return moved
  }
}

extension MemoryMap {
  /// Moves the pages that are mapped in the range, which lies in one area (`migrate_vma_setup`, `_pages`,
  /// `_finalize`).
  ///
  /// - Parameters:
  ///   - range: bytes of whole pages.
  ///   - selection: which kinds of pages move.
  ///   - map: whose device pages are selected.
  ///   - destination: the frame of a locked page with one reference, which holds what the source holds;
  ///     nil: the page stays. Called with mmap_lock held.
  /// - Returns: how many pages moved.
  /// - Throws: `fault` without an area; `invalidArgument` for one of DAX memory or of bare frames.
  @discardableResult
  public func migrate(
    _ range: Range<UInt>, _ selection: MigrationSelection, of map: PageMap? = nil,
    to destination: (MigrationSource) -> UInt?
  ) throws(MemoryError) -> Int {
    space.lockForReading()
    defer { space.unlockForReading() }
    guard let area = space.area(at: range.lowerBound) else {
      throw MemoryError(.fault, address: range.lowerBound)
    }
    return unsafe try PageMigration.run(
      area, range, selection, owner: map?.pgmap.pointee.owner, faultPage: nil, to: destination)
  }
}

extension PageFault {
  /// Moves the device-private page that the fault is about, for `PageMap.Options.onAccess`.
  ///
  /// - Parameter destination: as for `MemoryMap.migrate`.
  public func migrate(
    to destination: (MigrationSource) -> UInt?
  ) -> FaultResult {
    do throws(MemoryError) {
      let end = address + MemoryMap.pageSize
      let owner = unsafe context.page?.folio.pageMap?.pointee.owner
      _ = unsafe try PageMigration.run(
        context.area, address..<end, .devicePrivate, owner: owner, faultPage: context.page,
        to: destination)
      return []
    } catch {
      return .busError
    }
  }
}

extension PageMap {
  /// Moves pages of a device map to RAM, however they are mapped (`migrate_device_range`).
  ///
  /// - Parameters:
  ///   - frames: of the map.
  ///   - destination: as for `MemoryMap.migrate`.
  /// - Returns: how many pages moved; the others are free, or in use by somebody else.
  @discardableResult
  public func evict(_ frames: Range<UInt>, to destination: (MigrationSource) -> UInt?) -> Int {
    precondition(
      self.frames.lowerBound <= frames.lowerBound && frames.upperBound <= self.frames.upperBound)
    var moved = 0
    for frame in frames {
      var (source, target) = (UInt(0), UInt(0))
      unsafe _ = migrate_device_range(&source, frame, 1)
      let page = MigratedPage(word: source)
      if page.isMigrating, let new = destination(MigrationSource(page)) {
        target = migrate_pfn(new)
      }
      unsafe migrate_device_pages(&source, &target, 1)
      unsafe migrate_device_finalize(&source, &target, 1)
      if MigratedPage(word: source).isMigrating { moved += 1 }
    }
    return moved
  }
}
