// SPDX-License-Identifier: MIT

// Which page frame numbers a new device map gets. The registry is the only record of frames in
// use, apart from ranges whose pages outlived their map and wait for their last references.

import CFolio

/// The space of page frame numbers.
enum FrameSpace {
  /// Frames that devices may have.
  static let deviceFrames = UInt(1 << 20)..<UInt(1 << 30)
  /// Frames of a subsection: the granule of struct page memory.
  static let subsection: UInt = 512

  /// Frames of a dead map whose struct pages are still referenced.
  struct Retired {
    let frames: Range<UInt>
    /// Address of the map that they were of; it lives as long.
    let owner: UInt
    /// R that their idle pages have.
    let idleCount: Int32
    /// A reader may have found them in the registry: their struct pages stay whatever they say.
    var isReadable: Bool
  }

  /// The retired ranges. Its lock also serialises choosing a range with registering it.
  static let retired = Guarded<[Retired]>(.retiredFrames, [])

  /// Frees retired ranges whose last reference has gone. Context: `retired` is locked.
  static func sweep(_ retired: inout [Retired]) {
    retired.removeAll { range in
      let frames = range.frames
      guard !range.isReadable, firstBusyFrame(in: frames, idleCount: range.idleCount) == nil,
        !cfolio_frees_in_progress(frames.lowerBound, frames.upperBound)
      else { return false }
      cfolio_vmemmap_depopulate(range.frames.lowerBound, UInt(range.frames.count))
      return true
    }
  }

  /// The first frame that is referenced beyond its idle count, mapped or pinned.
  static func firstBusyFrame(in frames: Range<UInt>, idleCount: Int32) -> UInt? {
    let frame = cfolio_first_busy_frame(idleCount, frames.lowerBound, frames.upperBound)
    return frame == UInt.max ? nil : frame
  }

  /// The first free range of `count` frames, aligned to `alignment`. Context: `retired` is locked.
  static func choose(count: UInt, alignment: UInt, avoiding retired: [Retired]) -> Range<UInt>? {
    var start = deviceFrames.lowerBound
    while count <= deviceFrames.upperBound - start {
      let candidate = start..<(start + count)
      guard let obstacle = firstObstacle(in: candidate, retired: retired) else { return candidate }
      start = (obstacle + alignment) & ~(alignment - 1)
      if start >= deviceFrames.upperBound { return nil }
    }
    return nil
  }

  /// The end of something that lies in the candidate's subsections, or nil when it is free.
  private static func firstObstacle(in candidate: Range<UInt>, retired: [Retired]) -> UInt? {
    // Struct page memory is committed by whole subsections, so those must be free.
    let end = (candidate.upperBound + subsection - 1) & ~(subsection - 1)
    if let range = retired.first(where: { $0.frames.overlaps(candidate.lowerBound..<end) }) {
      return range.frames.upperBound
    }
    var frame = candidate.lowerBound
    guard unsafe cfolio_pgmap_next(&frame, end - 1) else { return nil }
    rcu_read_lock()
    defer { rcu_read_unlock() }
    // Gone meanwhile: look again from where it was.
    guard let pgmap = unsafe cfolio_pgmap_lookup(frame) else { return frame }
    for index in 0..<Int(unsafe pgmap.pointee.nr_range) {
      let range = unsafe pgmap.range(index)
      if range.contains(frame) { return range.upperBound }
    }
    return frame
  }
}

extension UnsafeMutablePointer where Pointee == dev_pagemap {
  /// Range `index` of the map as half-open frames.
  func range(_ index: Int) -> Range<UInt> {
    let range = unsafe inclusiveRange(index)
    return range.start..<(range.end + 1)
  }

  /// Range `index` as the driver wrote it.
  func inclusiveRange(_ index: Int) -> pfn_range {
    unsafe withUnsafeBytes(of: pointee.ranges) { bytes in
      unsafe bytes.load(
        fromByteOffset: index * MemoryLayout<pfn_range>.stride, as: pfn_range.self)
    }
  }

  /// Every range of the map.
  var frameRanges: [Range<UInt>] {
    unsafe (0..<Int(pointee.nr_range)).map { unsafe range($0) }
  }

  func setRange(_ index: Int, _ frames: Range<UInt>) {
    unsafe withUnsafeMutableBytes(of: &pointee.ranges) { bytes in
      unsafe bytes.storeBytes(
        of: pfn_range(start: frames.lowerBound, end: frames.upperBound - 1),
        toByteOffset: index * MemoryLayout<pfn_range>.stride, as: pfn_range.self)
    }
  }
}
