// SPDX-License-Identifier: MIT

// Peer-to-peer memory of a device: a pool of frames, handed out to drivers without a reference and to
// processes page by page (spec: core.md 5.4, 14.3). How it is mapped is in PeerMemoryFile.swift. Mirrors
// drivers/pci/p2pdma.c.

import CFolio

/// A pool of peer-to-peer memory (`pci_p2pdma_add_resource`).
///
/// Pages are in the pool with R at the idle count (CI27). Drivers take runs of frames and never touch
/// R; a mapped page lives by its references and returns to the pool with the last one.
public final class PeerMemoryPool: Sendable {
  public let map: PageMap
  /// What areas map: shared, from page 0 on; each gets pages of its own when it is made.
  public let object: MappedObject
  private let frames: FramePool
  private let liveness: Liveness

  /// - Parameters:
  ///   - pages: at least 1.
  ///   - rules: kernel keeps v6.18's defects: the warning of a page that is as it should be, and what
  ///     leaks when a page cannot be mapped (C69, C70).
  ///   - strictTeardown: see `PageMap.Options`.
  /// - Throws: as `PageMap.init`.
  public init(
    pages: Int, rules: PageMap.Rules = .strict, strictTeardown: Bool? = nil
  ) throws(PageMapError) {
    let frames: FramePool
    do throws(MemoryError) {
      frames = try FramePool(pages)
      liveness = try Liveness()
    } catch {
      throw PageMapError(.outOfMemory)
    }
    let first = FirstFrame()
    let map = try PageMap(
      .pciP2PDMA, pages: pages,
      PageMap.Options(
        rules: rules, strictTeardown: strictTeardown,
        onFree: { frame in
          let number = Int(frame - first.value)
          frames.give(number..<(number + 1))
        }))
    first.value = map.frames.lowerBound
    do throws(MemoryError) {
      object = try MappedObject(.peerToPeer, PeerMemoryFile(map, frames, liveness))
    } catch {
      throw PageMapError(.outOfMemory)
    }
    self.frames = frames
    self.map = map
  }

  /// Pages free now.
  public var freePages: Int { frames.free }

  /// Takes a run of frames for the driver itself (`pci_alloc_p2pmem`). The map is held until they are
  /// back.
  ///
  /// - Throws: `noDevice` when the pool is going; `outOfMemory` when no run is that long;
  ///   `invalidArgument` for no pages.
  public func allocate(pages: Int) throws(MemoryError) -> PeerMemory {
    guard pages > 0 else { throw MemoryError(.invalidArgument) }
    guard let use = liveness.enter() else { throw MemoryError(.noDevice) }
    defer { liveness.leave(use) }
    guard let first = frames.take(pages) else { throw MemoryError(.outOfMemory) }
    guard unsafe percpu_ref_tryget_live(&map.pgmap.pointee.ref) else {
      frames.give(first..<(first + pages))
      throw MemoryError(.noDevice)
    }
    let start = map.frames.lowerBound + UInt(first)
    return PeerMemory(pool: self, frames: start..<(start + UInt(pages)))
  }

  fileprivate func free(_ range: Range<UInt>) {
    let first = Int(range.lowerBound - map.frames.lowerBound)
    frames.give(first..<(first + range.count))
    unsafe percpu_ref_put(&map.pgmap.pointee.ref)
  }

  /// The provider goes: no new memory, areas lose what they map, then the map goes
  /// (`pci_p2pdma_unmap_mappings`, `memunmap_pages`). Waits for memory that is out and for references;
  /// with strict teardown refuses while a page is in use, and may be called again.
  ///
  /// Context: may block; holds no lock of an address space.
  /// - Throws: as `PageMap.unmap()`.
  public func remove() throws(PageMapError) {
    stop()
    try map.unmap()
  }

  /// What `remove()` does before the map goes: behind it nothing maps the memory, and nothing will.
  /// May be called again.
  package func stop() {
    liveness.end()
    if !isMutant(MUTANT_P123) { object.unmap() }
  }
}

/// Frames of a pool that a driver has; they return when it goes (`pci_free_p2pmem`).
@safe
public struct PeerMemory: ~Copyable, Sendable {
  private let pool: PeerMemoryPool
  public let frames: Range<UInt>

  fileprivate init(pool: PeerMemoryPool, frames: Range<UInt>) {
    self.pool = pool
    self.frames = frames
  }

  deinit { pool.free(frames) }
}

/// The map's first frame: known when the map is there, asked for when a page comes home.
private final class FirstFrame: @unchecked Sendable {
  // @unchecked: written once, before any page is out.
  var value: UInt = 0
}
