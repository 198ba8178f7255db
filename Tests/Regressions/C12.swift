// SPDX-License-Identifier: MIT

// C12: a fast walk without its second look at the entry.
//
//   1. T1 reads the entry: it maps page P.
//   2. T2 takes the entry away. P is idle; its next owner has a reference: R is 1.
//   3. T1 takes its reference: R is not 0, so it gets one.
//   4. Without the second look T1 has pinned a page that nobody maps there.
//
// Guard: the look at the entry behind the grab, still_there() in gup_fast.c. Step 2 runs at T1's
// first access to the struct page, which comes behind its read of the entry. A race of a pin
// against an unmap that looks for users finds other places; on weakly ordered machines it also
// needs the full fence of the grab (C14), which on x86-64 is part of the addition. Run time: 0.3 s,
// nearly all of it for the race. A failure shows a pin of the next owner's page (CI41, CI59).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C12: a page that was unmapped in front of the grab is not pinned",
    .enabled(if: FaultPoint.isSupported), arguments: [0, 2])
  func c12(order: Int) throws {
    let mapped = try LoneEntry(order: order)
    let found = try #require(mapped.pin { mapped.reuse() })
    #expect(found.isEmpty, "that page is the next owner's")
    mapped.space.unpin(found.count)
    #expect(mapped.endsIdle())
  }
  @Test("C12: the same as a race of two threads")
  func c12Race() async throws {
    await expectRace("c12Race", try PinAgainstUnmap())
  }
}

/// A: unmaps a page and looks whether it is idle; then it is A's. B: pins it by the fast walk.
@safe
private final class PinAgainstUnmap: LitmusShape, @unchecked Sendable {
  // @unchecked: each instance's words are of one thread at a time, or atomic.
  enum Outcome: String, LitmusOutcome {
    case pinned = "B pins, A finds the page in use"
    case idle = "A finds the page idle, B has no pin"
    case neither = "B gives its pin back, A found the page in use"
    case both = "A finds the page idle, B has a pin"
    case counts = "references are left over or missing"
    var verdict: LitmusVerdict {
      switch self {
      case .pinned, .idle: .required
      case .neither: .allowed
      case .both, .counts: .forbidden
      }
    }
  }

  let count = 256
  private let space: TestSpace
  private let entries: UnsafeMutablePointer<UnsafeMutablePointer<shared_t>>
  private let owned = PlainWords(256)
  private let pins = PlainWords(256)
  private let found: UnsafeMutablePointer<UnsafeMutablePointer<page>?>

  init() throws {
    let space = try TestSpace(PageMap(.fsdax, pages: 512))
    self.space = space
    unsafe entries = .allocate(capacity: 256)
    for index in 0..<256 {
      unsafe (entries + index).initialize(to: try space.entry(index))
    }
    unsafe found = .allocate(capacity: 256)
    unsafe found.initialize(repeating: nil, count: 256)
  }

  deinit {
    unsafe found.deallocate()
    unsafe entries.deallocate()
  }

  func prepare(_ index: Int) {
    (owned[index], pins[index]) = (0, 0)
    unsafe folio_ref_inc(space.folio(index))
    unsafe folio_add_file_rmap_pte(
      space.folio(index), space.page(index), space.mm.pointee.mm_id)
    unsafe set_pte_at(
      entries[index], pfn_pte(space.frame(index), _PAGE_PRESENT | _PAGE_RW))
  }

  func first(_ index: Int) {
    let folio = unsafe space.folio(index)
    unsafe _ = ptep_get_and_clear(entries[index])
    unsafe folio_remove_rmap_pte(folio, space.page(index), space.mm.pointee.mm_id)
    unsafe folio_put(folio)
    guard unsafe folio_ref_count(folio) == 0 else { return }
    unsafe folio_ref_inc(folio)
    owned[index] = 1
  }

  func second(_ index: Int) {
    let start = TestSpace.address(index)
    pins[index] = unsafe Int(
      gup_fast(
        space.mm, start, TestSpace.address(index + 1), FOLL_PIN | FOLL_WRITE, found + index))
  }

  func outcome(_ index: Int) -> Outcome {
    let folio = unsafe space.folio(index)
    let (isOwned, isPinned) = (owned[index] == 1, pins[index] == 1)
    let references = unsafe folio_ref_count(folio)
    if isPinned { unsafe unpin_user_pages(found + index, 1) }
    if isOwned { unsafe folio_put(folio) }
    guard references == (isPinned ? 1024 : 0) + (isOwned ? 1 : 0) else { return .counts }
    switch (isOwned, isPinned) {
    case (true, true): return .both
    case (true, false): return .idle
    case (false, true): return .pinned
    case (false, false): return .neither
    }
  }
}
