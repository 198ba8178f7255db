// SPDX-License-Identifier: MIT

// System RAM: ordinary page frames with a buddy allocator, for folios that belong to no device. The
// free path of a RAM folio ends here. Mirrors, much smaller, mm/page_alloc.c.

import CFolio

/// The page frames of system RAM. One per process; frames [0, pages).
///
/// Free pages have R == 0; an allocated block has R == 1 on its first page.
public final class SystemMemory: Sendable {
  /// RAM of this process: 64 MiB of frames, made at first use.
  public static let shared = SystemMemory(pages: 1 << 14)

  /// Number of frames.
  public let pages: Int
  private let free: Guarded<FreeLists>

  /// Free blocks by order: their first frames.
  private struct FreeLists {
    var blocks: [Set<UInt>]
    var freePages: Int
  }

  private init(pages: Int) {
    self.pages = pages
    let maxOrder = Int(PMD_ORDER)
    var lists = FreeLists(
      blocks: Array(repeating: [], count: maxOrder + 1), freePages: 0)
    if cfolio_vmemmap_init() && cfolio_vmemmap_populate(0, UInt(pages)) {
      cfolio_ram_init_pages(0, UInt(pages))
      lists.blocks[maxOrder] = Set(stride(from: 0, to: UInt(pages), by: 1 << maxOrder))
      lists.freePages = pages
    }
    free = Guarded(.systemMemory, lists)
    unsafe cfolio_ram_set_free { folio in unsafe SystemMemory.shared.release(folio) }
  }

  /// Free frames now.
  public var freePages: Int { free.withLock { $0.freePages } }

  /// A block of 2^order frames with R == 1 on its first page, made one folio when `compound`.
  ///
  /// - Parameters:
  ///   - order: 0...9.
  ///   - compound: false leaves the pages single, with R == 0 on all but the first.
  /// - Throws: `invalidOrder`; `outOfMemory`.
  public func allocate(order: Int = 0, compound: Bool = true) throws(PageMapError) -> FolioReference
  {
    guard 0...Int(PMD_ORDER) ~= order else { throw PageMapError(.invalidOrder) }
    let frame = try free.withLock { (lists) throws(PageMapError) in
      guard let found = (order..<lists.blocks.count).first(where: { !lists.blocks[$0].isEmpty })
      else { throw PageMapError(.outOfMemory) }
      let frame = lists.blocks[found].removeFirst()
      // The upper halves of a larger block stay free.
      for smaller in (order..<found).reversed() {
        lists.blocks[smaller].insert(frame + UInt(1) << UInt(smaller))
      }
      lists.freePages -= 1 << order
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
    // The order goes after the checks that need it, and with it what else the head kept.
    cfolio_ram_init_pages(frame, UInt(1) << UInt(order))
    free.withLock { lists in
      lists.freePages += 1 << order
      var (frame, order) = (frame, order)
      while order < lists.blocks.count - 1 {
        let buddy = frame ^ (UInt(1) << UInt(order))
        guard lists.blocks[order].remove(buddy) != nil else { break }
        frame = min(frame, buddy)
        order += 1
      }
      lists.blocks[order].insert(frame)
    }
  }
}
