// SPDX-License-Identifier: MIT

// Looking at pages without a reference: an RCU read section as a closure, and views that cannot
// leave it. The compiler rejects an escaping or stored view and an await inside the scope
// (Tests/Consumer holds the proofs).

public import CFolio

/// An RCU read section that is open. Cannot be copied, stored or moved to another thread.
@frozen
@safe
public struct ReadScope: ~Copyable, ~Escapable {
  @inlinable
  @_lifetime(immortal)
  init() {}

  /// The folio of a frame as it is now, or nil when no live map covers the frame. Lock-free.
  @inlinable
  @_lifetime(borrow self)
  public borrowing func folio(at frame: UInt) -> FolioView? {
    guard unsafe cfolio_pgmap_lookup_live(frame) != nil else { return nil }
    return unsafe _overrideLifetime(
      FolioView(page: pfn_to_page(frame)), borrowing: self)
  }
}

/// A page seen without a reference: every answer is a snapshot that may already be stale.
@frozen
@safe
public struct FolioView: ~Escapable {
  @usableFromInline let page: UnsafeMutablePointer<page>

  @inlinable
  @_lifetime(immortal)
  init(page: UnsafeMutablePointer<page>) {
    unsafe self.page = page
  }

  /// R of the page's folio (`page_count`). RLX.
  @inlinable
  public var referenceCount: Int { Int(unsafe page_count(page)) }
  /// Frame of the folio's head page (`page_folio`). RLX.
  @inlinable
  public var headFrame: UInt { unsafe folio_pfn(page_folio(page)) }
  /// log2 of the folio's pages (`folio_order`). RLX.
  @inlinable
  public var order: Int { Int(unsafe folio_order(page_folio(page))) }
  /// Mappings of the folio (`folio_mapcount`). RLX.
  public var mappingCount: Int { Int(unsafe folio_mapcount(page_folio(page))) }

  /// A reference to the folio, if it has one to follow (`try_get_folio`). FULL when it succeeds.
  @inlinable
  public func tryGet() -> FolioReference? {
    guard let folio = unsafe try_get_folio(page, 1) else { return nil }
    return unsafe FolioReference(adopting: folio)
  }
}

/// Runs `body` in an RCU read section: no page of a map that it finds can go away meanwhile.
///
/// Nests. `body` must not block: waiting for a grace period inside stops the process.
@inlinable
@inline(__always)
public func withReadScope<Result: ~Copyable, Failure: Error>(
  _ body: (borrowing ReadScope) throws(Failure) -> Result
) throws(Failure) -> Result {
  rcu_read_lock()
  defer { rcu_read_unlock() }
  return try body(ReadScope())
}

/// Waits until every read section that is open now has ended (`synchronize_rcu`). Blocks; stops
/// when called inside a read scope, where it would wait for itself.
public func waitForReaders() {
  synchronize_rcu()
}
