// SPDX-License-Identifier: MIT

// A device with memory of its own, as tests, stress and the lab drive it (spec: core.md 14.2): pages
// move there with their contents, and come back by a CPU's access or when a chunk goes. Modelled on the
// life cycle of lib/test_hmm.c.

import CFolio
public import FolioCore

/// A device with one chunk of private or coherent memory.
///
/// Private pages hold nothing themselves: each that is out has a page of RAM behind it, which stands for
/// the device's memory. Coherent pages hold their contents. Threads share the device.
public final class PrivateMemoryDevice: Sendable {
  /// Which kind of memory.
  public enum Kind: Sendable, Hashable, CaseIterable {
    /// `MEMORY_DEVICE_PRIVATE`.
    case `private`
    /// `MEMORY_DEVICE_COHERENT`.
    case coherent
  }

  public let kind: Kind
  public let map: PageMap
  private let pages: DevicePageList

  /// Makes the chunk: all its pages are free.
  ///
  /// - Throws: as `PageMap.init`.
  public init(
    _ kind: Kind, pages count: Int, rules: PageMap.Rules = .strict
  ) throws(PageMapError) {
    _ = SystemMemory.shared
    let pages = DevicePageList(isPrivate: kind == .private)
    map = try PageMap(
      kind == .private ? .devicePrivate : .deviceCoherent, pages: count,
      PageMap.Options(
        rules: rules, onFree: { pages.free($0) },
        onAccess: { fault in fault.migrate { pages.copyToRAM($0) } }))
    self.kind = kind
    self.pages = pages
    pages.begin(map.frames)
  }

  /// Pages free now.
  public var freePages: Int { pages.count }

  /// A page for a driver's own use: locked, with one reference (`dmirror_devmem_alloc_page`); nil: there
  /// is none, or no RAM to put behind it.
  public func allocate() -> UInt? { pages.allocate() }

  /// The page of RAM behind a private page that is out, or the coherent page itself.
  public func backing(of frame: UInt) -> UInt { pages.backing(of: frame) }

  /// Moves a range of one area to the device, with what it holds (`dmirror_migrate_to_device`). Pages
  /// for which there is no place stay.
  ///
  /// - Returns: how many moved.
  /// - Throws: as `MemoryMap.migrate`.
  @discardableResult
  public func migrate(_ range: Range<UInt>, of space: MemoryMap) throws(MemoryError) -> Int {
    try space.migrate(range, .ram) { pages.copyToDevice($0) }
  }

  /// Moves what the device has of a range back to RAM (`dmirror_migrate_to_system`).
  ///
  /// - Returns: how many moved.
  /// - Throws: as `MemoryMap.migrate`.
  @discardableResult
  public func bringBack(_ range: Range<UInt>, of space: MemoryMap) throws(MemoryError) -> Int {
    try space.migrate(
      range, kind == .private ? .devicePrivate : .deviceCoherent, of: map
    ) { pages.copyToRAM($0) }
  }

  /// Moves all pages back to RAM, whoever maps them (`dmirror_device_evict_chunk`).
  ///
  /// - Returns: how many moved; those that somebody works on stay.
  @discardableResult
  public func evict() -> Int { map.evict(map.frames) { pages.copyToRAM($0) } }

  /// The chunk goes (`dmirror_device_remove_chunks`): no page is handed out any more, all come back to
  /// RAM, and then the map is taken down, which waits for every page that is still out.
  ///
  /// - Throws: as `PageMap.unmap`.
  public func remove() throws(PageMapError) {
    pages.end()
    evict()
    try map.unmap()
  }
}
