// SPDX-License-Identifier: MIT

// The owner token: who may raise a page from 0, form a folio or split it (spec: core.md 7.3, 15,
// CI33). The steps themselves are C (compound.c).

import CFolio

/// Exclusive ownership of an aligned run of 2^order pages: the right to shape them and to raise
/// their first reference. Stands for the entry lock or the driver's allocator.
///
/// One owner at a time for each page. References may still be taken by others once a page is live.
/// Threads may share an owner to raise from; shaping is exclusive, which the compiler sees to. An
/// owner may outlive the map: everything but dropping it is then refused.
@safe
public struct PageOwner: ~Copyable, Sendable {
  /// First frame of the run.
  public let frame: UInt
  /// log2 of the pages of the run.
  public let order: Int
  let map: PageMap

  deinit {
    let claim = frame..<(frame + UInt(1) << UInt(order))
    let wasClaimed = map.state.withLock { $0.claims.remove(claim) }
    precondition(wasClaimed, "\(claim) has no owner")
  }

  private var folio: UnsafeMutablePointer<folio> {
    unsafe UnsafeMutableRawPointer(map.page(frame)).assumingMemoryBound(to: CFolio.folio.self)
  }

  /// Makes the run one folio (`prep_compound_page`). R is not touched. Waits for puts that brought
  /// a page of the run to 0 and have not returned; not in a read scope.
  ///
  /// - Throws: `invalidOrder` for order 0; `busy` when a page is referenced, mapped or already part
  ///   of a folio; `dead` when the map is going.
  public mutating func form() throws(PageMapError) {
    guard order > 0 else { throw PageMapError(.invalidOrder, frame: frame) }
    try map.withMapReference(frame) { () throws(PageMapError) in
      for tail in frame..<(frame + UInt(1) << UInt(order)) {
        let page = unsafe map.page(tail)
        guard unsafe page_ref_count(page) == 0, unsafe !PageHead(page), unsafe !PageTail(page),
          unsafe folio_mapcount(page_folio(page)) == 0
        else { throw PageMapError(.busy, frame: tail) }
      }
      unsafe prep_compound_page(map.page(frame), UInt32(order))
    }
  }

  /// Takes the folio apart again. Every page gets its map back, no mapping, share 0.
  ///
  /// - Throws: `invalidOrder` when the run is not one folio of its order; `busy` when it is
  ///   referenced, mapped or pinned; `dead` when the map is going.
  public mutating func split() throws(PageMapError) {
    try map.withMapReference(frame) { () throws(PageMapError) in
      guard order > 0, unsafe folio_order(folio) == UInt32(order) else {
        throw PageMapError(.invalidOrder, frame: frame)
      }
      guard isMutant(MUTANT_C34) || (unsafe folio_ref_count(folio) == 0),
        unsafe folio_mapcount(folio) == 0, unsafe !folio_maybe_dma_pinned(folio)
      else { throw PageMapError(.busy, frame: frame) }
      unsafe folio_split_to_order_0(folio)
    }
  }

  /// One more reference to the owned folio, from 0 if need be (`folio_ref_inc` under the owner's
  /// lock, or `zone_device_page_init` for types whose pages the driver hands out). FULL.
  ///
  /// The test for life and the step are in one read section, and a teardown waits for it to end
  /// before it asks whether pages are idle.
  ///
  /// - Throws: `dead` when the map is going; `unowned` when the first page of the run is a tail;
  ///   `busy` when a page that is to be handed out is out, or still on its way home.
  public func raise() throws(PageMapError) -> FolioReference {
    if map.kind.isAllocated { return try handOut() }
    rcu_read_lock()
    defer { rcu_read_unlock() }
    guard isMutant(MUTANT_P33) || (unsafe !percpu_ref_is_dying(&map.pgmap.pointee.ref)) else {
      throw PageMapError(.dead, frame: frame)
    }
    guard unsafe !PageTail(map.page(frame)) else { throw PageMapError(.unowned, frame: frame) }
    if map.kind == .fsdax && map.rules != .legacy {
      unsafe folio_raise(folio)
    } else {
      unsafe _ = folio_ref_inc_return(folio)
    }
    return unsafe FolioReference(adopting: folio)
  }

  /// The reference on the map comes first: a page that is out holds its map up.
  private func handOut() throws(PageMapError) -> FolioReference {
    try map.takeMapReference(frame)
    do throws(PageMapError) {
      // Under the lock: of two threads that raise from one owner one finds the page out.
      try map.state.withLock { (_) throws(PageMapError) in
        guard unsafe !PageTail(map.page(frame)) else { throw PageMapError(.unowned, frame: frame) }
        let isHome = unsafe cfolio_page_is_home(map.page(frame), pgmap_idle_count(map.pgmap))
        guard isHome || isMutant(MUTANT_P31) else { throw PageMapError(.busy, frame: frame) }
        unsafe cfolio_note_life(map.page(frame))
        unsafe cfolio_hand_out_page(map.page(frame))
      }
    } catch {
      if !isMutant(MUTANT_P32) { map.dropMapReference() }
      throw error
    }
    return unsafe FolioReference(adopting: folio)
  }

  /// Associations of a shared extent, plain storage (`folio->share`). Written by the owner only; 0
  /// once the map is gone, where writing does nothing.
  public var shareCount: UInt {
    get { map.withStructPages { unsafe folio_share(folio) } ?? 0 }
    set { _ = map.withStructPages { unsafe folio_set_share(folio, newValue) } }
  }
}

extension PageMap {
  /// Claims 2^order pages from `frame`.
  ///
  /// - Throws: `invalidOrder`, `misaligned`, `outOfRange`, `dead`, or `busy` when somebody owns a
  ///   page of the run.
  public func claim(frame: UInt, order: Int = 0) throws(PageMapError) -> PageOwner {
    guard 0...Int(MAX_FOLIO_ORDER) ~= order else {
      throw PageMapError(.invalidOrder, frame: frame)
    }
    let count = UInt(1) << UInt(order)
    guard frame % count == 0 else { throw PageMapError(.misaligned, frame: frame) }
    let (end, overflow) = frame.addingReportingOverflow(count)
    guard !overflow, frame >= frames.lowerBound, end <= frames.upperBound else {
      throw PageMapError(.outOfRange, frame: frame)
    }
    try state.withLock { (state) throws(PageMapError) in
      guard state.isLive else { throw PageMapError(.dead, frame: frame) }
      guard state.claims.insert(frame..<end) else { throw PageMapError(.busy, frame: frame) }
    }
    return PageOwner(frame: frame, order: order, map: self)
  }
}
