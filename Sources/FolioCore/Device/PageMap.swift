// SPDX-License-Identifier: MIT

// A device map: a range of page frames with a struct page each, made by memremap_pages() and taken
// down by memunmap_pages(). What its pages can do is in the other files of this folder and in
// Folio/. Mirrors mm/memremap.c.

public import CFolio

/// A range of page frames of a device, with their reference counts.
///
/// The map may be shared between threads. Its pages outlive it as long as they are referenced:
/// dropping the last owner of a map never blocks and never frees a page in use.
@safe
public final class PageMap: Sendable {
  /// What the pages are for (spec: core.md 5.1).
  public enum Kind: Sendable, Hashable, CaseIterable {
    /// Not reachable by the CPU. Idle at R == 0; the driver hands pages out.
    case devicePrivate
    /// Reachable, migratable. Idle at R == 0; the driver hands pages out.
    case deviceCoherent
    /// File-system DAX. Idle at R == 0 (legacy: 1); waiters are woken when a page becomes idle.
    case fsdax
    /// Device-dax. A base reference that nobody drops: idle at R == 1.
    case generic
    /// Peer-to-peer DMA memory. Idle at R == 0 (legacy: 1).
    case pciP2PDMA

    var type: memory_type {
      switch self {
      case .devicePrivate: MEMORY_DEVICE_PRIVATE
      case .deviceCoherent: MEMORY_DEVICE_COHERENT
      case .fsdax: MEMORY_DEVICE_FS_DAX
      case .generic: MEMORY_DEVICE_GENERIC
      case .pciP2PDMA: MEMORY_DEVICE_PCI_P2PDMA
      }
    }

    /// Types whose pages the driver hands out and gets back through `Options.onFree`.
    var isAllocated: Bool {
      switch self {
      case .devicePrivate, .deviceCoherent, .pciP2PDMA: true
      case .fsdax, .generic: false
      }
    }
  }

  /// Which kernel's rules the counts follow.
  public enum Rules: String, Sendable, Hashable, CaseIterable {
    /// The rules of v6.15 and later, with the hazards of shipping kernels fixed.
    case strict
    /// v6.18 as merged, hazards included.
    case kernel
    /// v6.14 and before: device pages idle at 1, mappings without references, the 2->1 hook.
    case legacy

    var value: folio_rules {
      switch self {
      case .strict: FOLIO_RULES_STRICT
      case .kernel: FOLIO_RULES_KERNEL
      case .legacy: FOLIO_RULES_LEGACY
      }
    }
  }

  /// Choices that are fixed for the life of a map.
  public struct Options: Sendable {
    public var rules: Rules = .strict
    /// Order of the folios that the map's pages form from the start; 0: single pages, at most 18.
    public var compoundOrder: Int = 0
    /// First page frame number, or nil to take the first free range.
    public var firstFrame: UInt? = nil
    /// Keep a mapping count per page of a large folio (`PAGE_MAPCOUNT`).
    public var perPageMapcount: Bool = true
    /// Keep the slots that say which address spaces map a large folio (`MM_ID`).
    public var ownerTracking: Bool = true
    /// Stop when the map is taken down while a page is in use (CI32). nil: only under strict rules.
    public var strictTeardown: Bool? = nil
    /// Types whose pages the driver hands out: called with the frame each time such a page comes
    /// home (`page_free`), in the thread of the last put. Must not block; the page may be handed
    /// out again at once.
    public var onFree: (@Sendable (_ frame: UInt) -> Void)? = nil

    /// See `onAccess`.
    public typealias AccessHandler = @Sendable (_ fault: borrowing PageFault) -> FaultResult
    /// Device-private pages: a CPU touches one, whose frame is the fault's `mappedFrame`
    /// (`migrate_to_ram`). Brings it back, by `PageFault.migrate`. nil: such accesses are bus errors.
    public var onAccess: AccessHandler? = nil

    public init(
      rules: Rules = .strict, compoundOrder: Int = 0, firstFrame: UInt? = nil,
      perPageMapcount: Bool = true, ownerTracking: Bool = true, strictTeardown: Bool? = nil,
      onFree: (@Sendable (_ frame: UInt) -> Void)? = nil, onAccess: AccessHandler? = nil
    ) {
      self.rules = rules
      self.compoundOrder = compoundOrder
      self.firstFrame = firstFrame
      self.perPageMapcount = perPageMapcount
      self.ownerTracking = ownerTracking
      self.strictTeardown = strictTeardown
      self.onFree = onFree
      self.onAccess = onAccess
    }
  }

  /// The page frame numbers of the map.
  public let frames: Range<UInt>
  public let kind: Kind
  public let rules: Rules
  /// The C structure. Valid as long as the map object, or a page of it that is in use.
  @unsafe public nonisolated(unsafe) let pgmap: UnsafeMutablePointer<dev_pagemap>

  let state = Guarded<State>(.pageMap, State())

  /// What the owner knows of the map's life; under its lock.
  struct State {
    var isLive = true
    /// What `unmap` left; nil until it has returned.
    var remains: Teardown.Remains?
    /// Claimed runs by their first frame, see `PageOwner`.
    var claims = FrameRuns()
  }

  /// Makes a map of `pages` frames (`memremap_pages`).
  ///
  /// - Parameters:
  ///   - kind: what the pages are for.
  ///   - pages: at least 1; with `compoundOrder`, a multiple of 2^order.
  ///   - options: rules, place and shape.
  /// - Throws: `invalidConfiguration`, `invalidOrder`, `misaligned`, `outOfRange`, `overlap`,
  ///   `systemMemory`, `outOfMemory`. Nothing is left behind.
  public init(_ kind: Kind, pages: Int, _ options: Options = Options()) throws(PageMapError) {
    guard pages > 0, UInt(pages) <= UInt(FrameSpace.deviceFrames.count) else {
      throw PageMapError(.outOfRange)
    }
    guard 0...Int(MAX_FOLIO_ORDER) ~= options.compoundOrder else {
      throw PageMapError(.invalidOrder)
    }
    guard cfolio_vmemmap_init(),
      let map = unsafe cfolio_zalloc(MemoryLayout<dev_pagemap>.size)?
        .bindMemory(to: dev_pagemap.self, capacity: 1)
    else { throw PageMapError(.outOfMemory) }

    unsafe Self.configure(map, kind, options)
    do throws(PageMapError) {
      frames = try unsafe Self.remapFrames(map, pages: UInt(pages), options)
    } catch {
      unsafe Driver.detach(map)
      unsafe cfolio_free(map)
      throw error
    }
    self.kind = kind
    rules = options.rules
    unsafe pgmap = map
  }

  deinit {
    let remains = state.withLock { $0.remains }
    unsafe Teardown.dispose(pgmap, remains: remains)
  }

  private static func configure(
    _ map: UnsafeMutablePointer<dev_pagemap>, _ kind: Kind, _ options: Options
  ) {
    unsafe map.pointee.type = kind.type
    unsafe map.pointee.rules = options.rules.value
    unsafe map.pointee.vmemmap_shift = UInt(options.compoundOrder)
    unsafe map.pointee.rmap_mode = folio_rmap_mode(
      page_mapcount: options.perPageMapcount, mm_id: options.ownerTracking)
    unsafe map.pointee.strict_teardown = options.strictTeardown ?? (options.rules == .strict)
    unsafe map.pointee.strict_generic = options.rules == .strict
    unsafe map.pointee.nr_range = 1
    if kind.isAllocated { unsafe Driver.attach(map, options) }
  }

  private static func remapFrames(
    _ map: UnsafeMutablePointer<dev_pagemap>, pages: UInt, _ options: Options
  ) throws(PageMapError) -> Range<UInt> {
    if let first = options.firstFrame {
      let (end, overflow) = first.addingReportingOverflow(pages)
      guard !overflow else { throw PageMapError(.outOfRange, frame: first) }
      unsafe map.setRange(0, first..<end)
      try unsafe Remap.remap(map)
      return first..<end
    }
    let wanted = pages >= UInt(1) << UInt(PUD_ORDER) ? UInt(PUD_ORDER) : UInt(PMD_ORDER)
    let alignment = UInt(1) << max(wanted, UInt(options.compoundOrder))
    // Another map may take the chosen range first; then there is a next one.
    while true {
      let choice = FrameSpace.retired.withLock { retired in
        FrameSpace.sweep(&retired)
        return FrameSpace.choose(count: pages, alignment: alignment, avoiding: retired)
      }
      guard let choice else { throw PageMapError(.outOfMemory) }
      unsafe map.setRange(0, choice)
      do throws(PageMapError) {
        try unsafe Remap.remap(map)
        return choice
      } catch {
        guard error.code == .overlap else { throw error }
      }
    }
  }

  /// Number of frames.
  public var pages: Int { frames.count }

  /// True until `unmap()`.
  public var isLive: Bool { state.withLock { $0.isLive } }

  /// Takes the map down (`memunmap_pages`). Blocks until every reference on the map is gone, and
  /// cannot be interrupted; who waits for one of its pages, or shapes one, holds the map so long.
  /// Page references do not hold it up: as in the kernel, whoever tears down idles the pages first.
  ///
  /// Lookups and claims of other threads fail from the call on, also when it throws `busy`. Not in a
  /// read scope.
  ///
  /// - Throws: `dead` the second time; `busy`, with strict teardown, when a page is in use - then
  ///   the map lives on, unchanged.
  public func unmap() throws(PageMapError) {
    try state.withLock { (state) throws(PageMapError) in
      guard state.isLive else { throw PageMapError(.dead) }
      state.isLive = false
    }
    let remains: Teardown.Remains
    if unsafe pgmap.pointee.strict_teardown {
      // Asked first because the answer costs nothing; what decides is the one after the kill.
      var busy = firstBusyFrame
      var left = Teardown.Remains.nothing
      if busy == nil { (busy, left) = unsafe Teardown.unmapIfIdle(pgmap) }
      if let busy {
        state.withLock { $0.isLive = true }
        throw PageMapError(.busy, frame: busy)
      }
      remains = left
    } else {
      remains = unsafe Teardown.unmap(pgmap)
    }
    state.withLock { $0.remains = remains }
  }

  /// The first frame whose page is referenced beyond its idle count, mapped or pinned; nil when
  /// there is none, also after the map has gone: struct pages go when they are idle.
  public var firstBusyFrame: UInt? {
    withStructPages {
      FrameSpace.firstBusyFrame(in: frames, idleCount: unsafe pgmap_idle_count(pgmap))
    } ?? nil
  }

  /// References on the map itself (spec: core.md 6.2), exact when nothing changes meanwhile; 0 after
  /// `unmap()`.
  public var mapReferenceCount: Int {
    state.withLock { $0.remains == nil ? unsafe percpu_ref_value(&pgmap.pointee.ref) : 0 }
  }

  /// Runs `body`, which must not block, while the map's struct pages cannot go. nil: they are gone.
  func withStructPages<Result>(_ body: () -> Result) -> Result? {
    rcu_read_lock()
    if unsafe cfolio_pgmap_lookup(frames.lowerBound) == pgmap {
      defer { rcu_read_unlock() }
      return body()
    }
    rcu_read_unlock()
    let owner = unsafe UInt(bitPattern: pgmap)
    return FrameSpace.retired.withLock { retired in
      retired.contains { $0.frames == frames && $0.owner == owner } ? body() : nil
    }
  }

  /// Runs `body`, which may block, with a reference on the map: `unmap()` waits for its end.
  ///
  /// - Throws: `dead` when the map is going.
  func withMapReference<Result: ~Copyable>(
    _ frame: UInt, _ body: () throws(PageMapError) -> Result
  ) throws(PageMapError) -> Result {
    try takeMapReference(frame)
    defer { dropMapReference() }
    return try body()
  }

  /// - Throws: `dead` when the map is going.
  func takeMapReference(_ frame: UInt) throws(PageMapError) {
    guard unsafe percpu_ref_tryget_live(&pgmap.pointee.ref) else {
      throw PageMapError(.dead, frame: frame)
    }
  }

  func dropMapReference() {
    unsafe percpu_ref_put(&pgmap.pointee.ref)
  }

  /// The struct page of a frame. Stops when the frame is not of this map.
  @unsafe public func page(_ frame: UInt) -> UnsafeMutablePointer<page> {
    precondition(frames.contains(frame), "frame \(frame) is not in \(frames)")
    return unsafe pfn_to_page(frame)
  }

  /// The folio that a frame belongs to now; stale unless it is referenced.
  @unsafe public func folio(_ frame: UInt) -> UnsafeMutablePointer<folio> {
    unsafe page_folio(page(frame))
  }
}
