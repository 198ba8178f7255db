// SPDX-License-Identifier: MIT

// The pages that loops work on: a device map of Folio with every page at its idle count, the walk
// over them, and the comparison with the model when a batch is done.

import BenchmarkPeers
import CFolio
import FolioCore

/// A device map and the C pages of it.
@safe final class Device {
  let map: PageMap
  let base: UnsafeMutablePointer<page>
  let count: Int

  /// - Parameter kind: `.generic` pages idle at one reference, so that gets and puts need no
  ///   preparation; `.fsdax` pages idle at none.
  init(_ kind: PageMap.Kind, pages: Int, _ options: PageMap.Options = .init()) throws(Refusal) {
    do {
      map = try PageMap(kind, pages: pages, options)
    } catch {
      throw Refusal("no device of \(pages) pages: \(error)")
    }
    count = pages
    unsafe base = map.page(map.frames.lowerBound)
  }

  func folio(_ index: Int) -> UnsafeMutablePointer<folio> {
    unsafe folioOf(base + index)
  }

  /// Compares pages with one model.
  func verify(_ indices: some Sequence<Int>, _ model: FolioModel, _ verifier: inout Verifier) {
    for index in indices {
      unsafe model.verify(base + index, "page \(index)", &verifier)
    }
  }

  /// Compares every folio with the model, then takes the map down: that no page is in use is one
  /// more comparison.
  func close(_ model: FolioModel, _ verifier: inout Verifier) {
    verify(stride(from: 0, to: count, by: 1 << model.order), model, &verifier)
    do throws(PageMapError) {
      try map.unmap()
      verifier.expect(true, true, "unmap")
    } catch {
      verifier.expect("\(error)", "unmapped", "memunmap_pages")
    }
  }
}

/// The folio whose head page this is.
@inline(__always)
func folioOf(_ page: UnsafeMutablePointer<page>) -> UnsafeMutablePointer<folio> {
  unsafe UnsafeMutableRawPointer(page).assumingMemoryBound(to: folio.self)
}

/// Comparison of a walk: the pages that a side has touched since it was last looked at.
final class WalkCheck {
  private let device: Device
  private let isSequential: Bool
  private let mask: Int
  private let offset: Int
  private let model: FolioModel
  private var seen: [Int] = []

  /// - Parameter offset: added to the number of every iteration.
  init(
    _ device: Device, mask: Int, offset: Int = 0, isSequential: Bool = false, _ model: FolioModel
  ) {
    self.device = device
    self.mask = mask
    self.offset = offset
    self.isSequential = isSequential
    self.model = model
  }

  func verify(_ progress: IterationCounts, _ verifier: inout Verifier) {
    for (thread, end) in progress.iterations.enumerated() {
      if seen.count <= thread { seen.append(0) }
      let start = max(seen[thread], end - mask - 1)
      for iteration in start..<end {
        let index =
          isSequential
          ? (iteration + offset) & mask : Int(walk_index(iteration + offset, mask))
        unsafe model.verify(device.base + index, "page \(index)", &verifier)
      }
      seen[thread] = end
    }
  }
}

extension Configuration {
  /// Pages that a walk goes over: one when warm, twice the last-level cache when cold.
  var walkPages: Int {
    guard state == .cold else { return 1 }
    let wanted = max(Int(harness_cache_bytes()), 8 << 20) * 2 / MemoryLayout<page>.stride
    var pages = 1 << 18
    while pages < wanted && pages < 1 << 22 { pages *= 2 }
    return pages
  }
}
