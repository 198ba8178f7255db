// SPDX-License-Identifier: MIT

// System RAM: ordinary page frames with a buddy allocator, for folios that belong to no device. The
// free path of a RAM folio ends here. Mirrors, much smaller, mm/page_alloc.c.

import CFolio

/// The page frames of system RAM. One per process; frames [0, pages).
///
/// Free pages have R == 0; an allocated block has R == 1 on its first page.
public final class SystemMemory: Sendable {
  /// Frames of RAM: 64 MiB.
  static let frames = 1 << 14
  /// RAM of this process, made at first use.
  public static let shared = SystemMemory(pages: frames)

  /// Number of frames.
  public let pages: Int
  private let free: Guarded<FreeLists>

  private struct FreeLists {
    /// Free blocks by order: their first frames, in order, so that a run can be repeated.
    var blocks: [FrameRuns]
    var freePages: Int
    /// Blocks of single pages that `split_page` may not have parted yet, by first frame: their order.
    var unparted: [UInt: Int] = [:]

    /// The order of what goes free with this page: of its whole block when it was never parted.
    mutating func orderFreed(with frame: UInt) -> Int {
      for order in 1..<blocks.count where !unparted.isEmpty {
        let first = frame & ~(UInt(1) << UInt(order) - 1)
        guard unparted[first] == order else { continue }
        unparted[first] = nil
        let others = (first + 1)..<(first + UInt(1) << UInt(order))
        let isWhole =
          frame == first && others.allSatisfy { unsafe page_ref_count(pfn_to_page($0)) == 0 }
        return isWhole ? order : 0
      }
      return 0
    }
  }

  private init(pages: Int) {
    self.pages = pages
    let maxOrder = Int(PMD_ORDER)
    var lists = FreeLists(
      blocks: Array(repeating: FrameRuns(), count: maxOrder + 1), freePages: 0)
    if cfolio_vmemmap_init() && cfolio_vmemmap_populate(0, UInt(pages)) {
      cfolio_ram_init_pages(0, UInt(pages))
      for frame in stride(from: 0, to: UInt(pages), by: 1 << maxOrder) {
        _ = lists.blocks[maxOrder].insert(frame..<(frame + 1 << maxOrder))
      }
      lists.freePages = pages
    }
    free = Guarded(.systemMemory, lists)
    _ = unsafe cfolio_ram_set_free { folio in unsafe SystemMemory.shared.release(folio) }
    _ = unsafe cfolio_ram_set_alloc { order in
      do throws(PageMapError) {
        return unsafe try SystemMemory.shared.allocate(order: Int(order)).leak()
      } catch {
        return nil
      }
    }
  }

  /// Free frames now.
  public var freePages: Int { free.withLock { $0.freePages } }

  /// A block of 2^order frames with R == 1 on its first page, made one folio when `compound`.
  ///
  /// - Parameters:
  ///   - order: 0...9.
  ///   - compound: false leaves the pages single, with R == 0 on all but the first, until
  ///     `split_page` parts them. The reference gives back the whole block if that never happens.
  /// - Throws: `invalidOrder`; `outOfMemory`.
  public func allocate(order: Int = 0, compound: Bool = true) throws(PageMapError) -> FolioReference
  {
    guard 0...Int(PMD_ORDER) ~= order else { throw PageMapError(.invalidOrder) }
    let frame = try free.withLock { (lists) throws(PageMapError) in
      guard let found = (order..<lists.blocks.count).first(where: { !lists.blocks[$0].isEmpty })
      else { throw PageMapError(.outOfMemory) }
      let frame = lists.blocks[found].removeFirst().lowerBound
      // The upper halves of a larger block stay free.
      for smaller in (order..<found).reversed() {
        let size = UInt(1) << UInt(smaller)
        _ = lists.blocks[smaller].insert((frame + size)..<(frame + 2 * size))
      }
      lists.freePages -= 1 << order
      if order > 0 && !compound { lists.unparted[frame] = order }
      return frame
    }
    let page = unsafe pfn_to_page(frame)
    // Shaped while R is 0: once it is 1, walkers over frame numbers may take references.
    if compound && order > 0 { unsafe prep_compound_page(page, UInt32(order)) }
    smp_wmb()
    unsafe init_page_count(page)
    return unsafe FolioReference(adopting: page_folio(page))
  }

  /// The zero winner's end: dissolves a large folio and gives its frames back.
  private func release(_ folio: UnsafeMutablePointer<folio>) {
    let head = unsafe pfn_to_page(folio_pfn(folio))
    let order = Int(unsafe folio_order(folio))
    let frame = unsafe folio_pfn(folio)
    for tail in 1..<max(UInt(1) << UInt(order), 2) where order > 0 {
      let bad = unsafe free_tail_page_prepare(head, tail)
      if bad != 0 {
        unsafe cfolio_violation_text("CI34", frame + tail, "bad words in a freed tail")
      }
    }
    free.withLock { lists in
      var (frame, order) = (frame, order > 0 ? order : lists.orderFreed(with: frame))
      // The order goes after the checks that need it, and with it what else the head kept.
      cfolio_ram_init_pages(frame, UInt(1) << UInt(order))
      lists.freePages += 1 << order
      while order < lists.blocks.count - 1 {
        let size = UInt(1) << UInt(order)
        let buddy = frame ^ size
        guard lists.blocks[order].remove(buddy..<(buddy + size)) else { break }
        frame = min(frame, buddy)
        order += 1
      }
      _ = lists.blocks[order].insert(frame..<(frame + UInt(1) << UInt(order)))
    }
  }
}
