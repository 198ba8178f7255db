// SPDX-License-Identifier: MIT

// memremap_pages() and memunmap_pages(): the life of a device map as a state machine (spec: core.md
// 6.2-6.4, rows 51, 52). Works on a dev_pagemap that the driver filled in, from Swift or from C.
// Registry, counts and page words are C (memremap.c).

import CFolio

/// The steps of a device map's life. Stateless: the state is in the dev_pagemap.
enum Remap {
  typealias Map = UnsafeMutablePointer<dev_pagemap>

  /// `memremap_pages`: checks, then each range becomes known and its pages ready, or none does.
  ///
  /// The registry entry is visible before the pages are initialised, and the references for the
  /// ranges come last, as in the kernel. The struct pages are committed, zeroed, before the entry,
  /// and a page's base count is the last word that is written, so a lookup in that window finds
  /// pages with R == 0.
  static func remap(_ map: Map) throws(PageMapError) {
    try unsafe checkConfiguration(map)
    unsafe init_completion(&map.pointee.done)
    unsafe atomic_set(&map.pointee.dead_visible, 0)
    unsafe atomic_set(&map.pointee.releases, 0)
    guard cfolio_vmemmap_init(),
      unsafe percpu_ref_init(&map.pointee.ref, { unsafe Remap.released($0) }) == 0
    else { throw PageMapError(.outOfMemory) }

    let ranges = unsafe map.frameRanges
    for (index, frames) in ranges.enumerated() {
      do throws(PageMapError) {
        try unsafe addRange(map, frames)
      } catch {
        unsafe kill(map)
        unsafe drain(map, ranges[..<index])
        _ = unsafe removeRanges(map, ranges[..<index])
        unsafe percpu_ref_exit(&map.pointee.ref)
        throw error
      }
    }
    if unsafe map.hasPutHook { cfolio_events_enable(Int32(FOLIO_EVENT_MANAGED.rawValue)) }
  }

  private static func checkConfiguration(_ map: Map) throws(PageMapError) {
    let type = unsafe map.pointee.type
    let operations = unsafe map.pointee.ops?.pointee
    guard unsafe map.pointee.nr_range > 0 else {
      throw PageMapError(.invalidConfiguration, warning: "memremap_pages without a range")
    }
    guard unsafe map.pointee.nr_range <= Int32(FOLIO_PGMAP_RANGES_MAX) else {
      throw PageMapError(.invalidConfiguration)
    }
    guard unsafe map.pointee.vmemmap_shift <= UInt(MAX_FOLIO_ORDER) else {
      throw PageMapError(.invalidOrder, warning: "vmemmap_shift above the largest folio order")
    }
    switch type {
    case MEMORY_DEVICE_PRIVATE:
      guard unsafe operations?.migrate_to_ram != nil, unsafe operations?.page_free != nil,
        unsafe map.pointee.owner != nil
      else {
        throw PageMapError(
          .invalidConfiguration, warning: "device-private map without its operations")
      }
    case MEMORY_DEVICE_COHERENT:
      guard unsafe operations?.page_free != nil, unsafe map.pointee.owner != nil else {
        throw PageMapError(
          .invalidConfiguration, warning: "device-coherent map without its operations")
      }
    case MEMORY_DEVICE_FS_DAX, MEMORY_DEVICE_GENERIC, MEMORY_DEVICE_PCI_P2PDMA:
      break
    default:
      // The kernel only warns here; a map of no type has no free path, so Folio refuses it.
      throw PageMapError(.invalidConfiguration, warning: "device map of an unknown type")
    }
    try unsafe checkRanges(map)
  }

  /// What a C driver may have filled in wrongly; with it `frameRanges` and `units` are sound.
  private static func checkRanges(_ map: Map) throws(PageMapError) {
    let count = unsafe Int(map.pointee.nr_range)
    for index in 0..<count {
      let range = unsafe map.inclusiveRange(index)
      guard range.start <= range.end, range.end < FrameSpace.deviceFrames.upperBound else {
        throw PageMapError(.outOfRange, frame: range.start)
      }
    }
    guard unsafe map.pointee.flags & UInt32(PGMAP_ALTMAP_VALID) != 0 else { return }
    guard count == 1 else {
      throw PageMapError(.invalidConfiguration, warning: "altmap with more than one range")
    }
    let frames = unsafe map.range(0)
    let (taken, overflow) = unsafe map.pointee.altmap.reserve.addingReportingOverflow(
      map.pointee.altmap.free)
    guard !overflow, taken <= UInt(frames.count) else {
      throw PageMapError(
        .invalidConfiguration, frame: frames.lowerBound, warning: "altmap larger than its range")
    }
  }

  private static func addRange(_ map: Map, _ frames: Range<UInt>) throws(PageMapError) {
    guard frames.lowerBound >= FrameSpace.deviceFrames.lowerBound else {
      throw PageMapError(
        .systemMemory, frame: frames.lowerBound, warning: "device map over system memory")
    }
    let step = max(FrameSpace.subsection, UInt(1) << (unsafe map.pointee.vmemmap_shift))
    guard frames.lowerBound % step == 0,
      frames.upperBound % (UInt(1) << (unsafe map.pointee.vmemmap_shift)) == 0
    else { throw PageMapError(.misaligned, frame: frames.lowerBound) }

    try FrameSpace.retired.withLock { (retired) throws(PageMapError) in
      FrameSpace.sweep(&retired)
      guard !retired.contains(where: { $0.frames.overlaps(frames) }) else {
        throw PageMapError(.overlap, frame: frames.lowerBound)
      }
      try unsafe register(map, frames)
    }
    unsafe memmap_init_zone_device(map, frames.lowerBound, UInt(frames.count))
    if unsafe !map.countsPages {
      unsafe percpu_ref_get_many(&map.pointee.ref, map.units(of: frames))
    }
  }

  /// Context: `FrameSpace.retired` is locked.
  private static func register(_ map: Map, _ frames: Range<UInt>) throws(PageMapError) {
    let range = pfn_range(start: frames.lowerBound, end: frames.upperBound - 1)
    var taken = frames.lowerBound
    // A neighbour may not share the last subsection either: its struct pages are one commitment.
    let end = (range.end | (FrameSpace.subsection - 1))
    guard unsafe !cfolio_pgmap_next(&taken, end) else {
      throw PageMapError(.overlap, frame: taken, warning: "device maps overlap")
    }
    guard cfolio_vmemmap_populate(frames.lowerBound, UInt(frames.count)) else {
      throw PageMapError(.outOfMemory, frame: frames.lowerBound)
    }
    guard unsafe cfolio_pgmap_register(map, range) == 0 else {
      cfolio_vmemmap_depopulate(frames.lowerBound, UInt(frames.count))
      throw PageMapError(.outOfMemory, frame: frames.lowerBound)
    }
  }

  /// Release callback of the map's reference: runs once, at 0 (CI30).
  private static func released(_ ref: UnsafeMutablePointer<percpu_ref>) {
    let map = unsafe Map(containing: ref)
    if unsafe atomic_add_return(1, &map.pointee.releases) != 1 {
      unsafe cfolio_violation_text("CI30", UInt.max, "release of a device map ran twice")
    }
    unsafe complete_all(&map.pointee.done)
  }

  /// Step 1 of `memunmap_pages`: when it returns, no lookup can succeed and nobody is left who
  /// found the map alive. Blocks for a grace period.
  static func kill(_ map: Map) {
    unsafe percpu_ref_kill(&map.pointee.ref)
    synchronize_rcu()
  }

  /// Steps 2 and 3: gives the ranges' references back and waits for the last one. Blocks,
  /// uninterruptibly.
  static func drain(_ map: Map, _ ranges: ArraySlice<Range<UInt>>) {
    if unsafe !map.countsPages {
      for frames in ranges {
        unsafe percpu_ref_put_many(&map.pointee.ref, map.units(of: frames))
      }
    }
    if !isMutant(MUTANT_P70) { unsafe wait_for_completion(&map.pointee.done) }
  }

  /// Step 4: each range is erased from the registry, a grace period passes, its struct pages go -
  /// unless one of them is still referenced: those ranges are retired until they are idle.
  ///
  /// The grace period passes outside the lock: readers may wait for the lock.
  ///
  /// - Returns: whether a range is left.
  static func removeRanges(_ map: Map, _ ranges: ArraySlice<Range<UInt>>) -> Bool {
    let idleCount = unsafe pgmap_idle_count(map)
    let owner = UInt(bitPattern: map)
    FrameSpace.retired.withLock { retired in
      for frames in ranges {
        cfolio_pgmap_unregister(pfn_range(start: frames.lowerBound, end: frames.upperBound - 1))
        retired.append(
          .init(frames: frames, owner: owner, idleCount: idleCount, isReadable: true))
      }
    }
    if !isMutant(MUTANT_C65) { synchronize_rcu() }
    return FrameSpace.retired.withLock { retired in
      for index in retired.indices where ranges.contains(retired[index].frames) {
        retired[index].isReadable = false
      }
      FrameSpace.sweep(&retired)
      return retired.contains { ranges.contains($0.frames) }
    }
  }

  /// True while some range of the map is retired: its pages still name this dev_pagemap.
  static func hasRetiredRange(_ map: Map) -> Bool {
    let ranges = unsafe map.frameRanges
    return FrameSpace.retired.withLock { retired in
      FrameSpace.sweep(&retired)
      return retired.contains { ranges.contains($0.frames) }
    }
  }
}

extension UnsafeMutablePointer where Pointee == dev_pagemap {
  init(containing ref: UnsafeMutablePointer<percpu_ref>) {
    unsafe self = pgmap_of_ref(ref)
  }

  /// Puts on the map's pages may run the 2->1 hook (the kernel's devmap_managed_key is then on).
  var hasPutHook: Bool {
    let (type, rules) = unsafe (pointee.type, pointee.rules)
    return type == MEMORY_DEVICE_FS_DAX && rules == FOLIO_RULES_LEGACY
  }

  /// PRIVATE and COHERENT maps hold one reference per allocated page instead of one per range unit.
  var countsPages: Bool {
    let type = unsafe pointee.type
    return type == MEMORY_DEVICE_PRIVATE || type == MEMORY_DEVICE_COHERENT
  }

  /// References that a range costs: its frames in compound pages (`pfn_len`).
  func units(of frames: Range<UInt>) -> UInt {
    let reserve =
      unsafe pointee.flags & UInt32(PGMAP_ALTMAP_VALID) != 0
      ? unsafe pointee.altmap.reserve + pointee.altmap.free : 0
    return (UInt(frames.count) - reserve) >> (unsafe pointee.vmemmap_shift)
  }
}
