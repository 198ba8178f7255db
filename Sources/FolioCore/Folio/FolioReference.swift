// SPDX-License-Identifier: MIT

// One counted reference to a folio. Everything on its hot path is inlined into the caller: clone and
// drop are one locked instruction each. Mirrors folio_get() and folio_put().

public import CFolio

/// One reference to a folio: taken when made, dropped when it goes.
///
/// May be moved to another thread and used from several at once (every use but the drop borrows).
/// While it exists the folio is not freed, split or re-formed.
@frozen
@safe
public struct FolioReference: ~Copyable, @unchecked Sendable {
  // @unchecked: the pointer names memory that is shared by design and counted atomically.
  @usableFromInline let pointer: UnsafeMutablePointer<folio>

  /// Takes over a reference that the caller owns.
  @inlinable
  @unsafe public init(adopting folio: UnsafeMutablePointer<folio>) {
    unsafe pointer = folio
  }

  @inlinable
  deinit {
    unsafe folio_put(pointer)
  }

  /// The folio of a frame with one more reference, if it has any (`try_get_folio` under RCU).
  ///
  /// nil: no live map covers the frame (a map that is being unmapped is not), or its folio has no
  /// reference to follow. Lock-free, any thread. FULL when it succeeds.
  public init?(tryGet frame: UInt) {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    guard unsafe cfolio_pgmap_lookup_live(frame) != nil,
      let folio = unsafe try_get_folio(pfn_to_page(frame), 1)
    else { return nil }
    unsafe pointer = folio
  }

  /// Another reference to the same folio (`folio_get`). RLX.
  @inlinable
  public borrowing func clone() -> FolioReference {
    unsafe folio_get(pointer)
    return unsafe FolioReference(adopting: pointer)
  }

  /// Drops the reference now (`folio_put`). FULL. May free the folio; never blocks.
  ///
  /// Under legacy rules `folio_put` never had the 2->1 hook: it wakes nobody who waits for the page
  /// to become idle (C42). `releasePage()` does.
  @inlinable
  public consuming func release() {}

  /// Drops the reference as `put_page` does: under legacy rules with the 2->1 hook. FULL.
  public consuming func releasePage() {
    let folio = unsafe leak()
    unsafe put_page(folio_page(folio, 0))
  }

  /// Gives the reference to the caller, uncounted: somebody must put it.
  @inlinable
  @unsafe public consuming func leak() -> UnsafeMutablePointer<folio> {
    let folio = unsafe pointer
    discard self
    return unsafe folio
  }

  /// The C structure, for as long as the reference lives.
  @inlinable
  @unsafe public var folio: UnsafeMutablePointer<folio> { unsafe pointer }

  /// Page frame number of the head page.
  public var frame: UInt { unsafe folio_pfn(pointer) }
  /// log2 of the pages in the folio.
  public var order: Int { Int(unsafe folio_order(pointer)) }
  /// R at some instant (`folio_ref_count`).
  public var referenceCount: Int { Int(unsafe folio_ref_count(pointer)) }
  /// Mappings at some instant (`folio_mapcount`).
  public var mappingCount: Int { Int(unsafe folio_mapcount(pointer)) }
  /// Whether the folio may be pinned for DMA (`folio_maybe_dma_pinned`).
  public var mayBePinned: Bool { unsafe folio_maybe_dma_pinned(pointer) }
}
