// SPDX-License-Identifier: MIT

// Mapping peer-to-peer memory into processes (spec: core.md 14.3): all pages when the area is made, none
// by faults. Mirrors p2pmem_alloc_mmap().

import CFolio

final class PeerMemoryFile: FaultHandler {
  private let pages: PageMap
  private let frames: FramePool
  private let liveness: Liveness

  private static let idle = Warning("a page of peer-to-peer memory has no reference")

  init(_ map: PageMap, _ frames: FramePool, _ liveness: Liveness) {
    pages = map
    self.frames = frames
    self.liveness = liveness
  }

  var answers: FaultHandlerAnswers { .maps }

  /// A page that the area lost does not come back.
  func fault(_ fault: borrowing PageFault) -> FaultResult { .busError }

  func map(_ area: borrowing NewArea) -> MemoryError.Code? {
    let shape = area.shape
    guard shape.sharing == .shared, shape.firstPage == 0 else { return .invalidArgument }
    guard let use = liveness.enter() else { return .noDevice }
    defer { liveness.leave(use) }
    guard let first = frames.take(shape.pages) else { return .outOfMemory }
    guard unsafe percpu_ref_tryget_live(&pages.pgmap.pointee.ref) else {
      frames.give(first..<(first + shape.pages))
      return .noDevice
    }
    for number in 0..<shape.pages {
      let frame = pages.frames.lowerBound + UInt(first + number)
      if let code = insert(frame, at: shape.address(ofPage: number), area) {
        // The failed page has gone its own way; those behind it were never touched.
        let isKept = leaks
        frames.give((first + number + (isKept ? 0 : 1))..<(first + shape.pages))
        if !isKept { pages.dropMapReference() }
        return code
      }
    }
    pages.dropMapReference()
    return nil
  }

  /// v6.15 to v6.18: a page that cannot be mapped keeps its reference, in the pool, and the map that of
  /// the whole attempt (C69).
  private var leaks: Bool { pages.rules == .kernel }

  /// One page: from the pool to one entry. The reference on the map that the page gives back on its way
  /// home comes first, so a page that cannot be mapped goes home by its put like any other.
  private func insert(
    _ frame: UInt, at address: UInt, _ area: borrowing NewArea
  ) -> MemoryError.Code? {
    let page = Page(frame: frame)
    if pages.rules == .kernel {
      if unsafe page_ref_count(page.pointer) == 0 { Self.idle.raise(page) }
    }
    if pages.rules == .kernel {
      unsafe set_page_count(page.pointer, 1)
    } else {
      unsafe cfolio_note_life(page.pointer)
      unsafe cfolio_hand_out_page(page.pointer)
    }
    if !leaks && !isMutant(MUTANT_P117) { unsafe percpu_ref_get(&pages.pgmap.pointee.ref) }
    let code = area.insertPage(frame, at: address)
    if leaks {
      if code != nil { return code }
      unsafe percpu_ref_get(&pages.pgmap.pointee.ref)
    }
    unsafe put_page(page.pointer)
    return code
  }
}
