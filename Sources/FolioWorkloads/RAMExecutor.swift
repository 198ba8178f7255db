// SPDX-License-Identifier: MIT
//
// A real block of system RAM as a subject for RAMModel: allocated from SystemMemory, words read at
// the offsets of core.md 1.1 and 1.2.

import CFolio
package import FolioCore

/// Runs operations on a block of its own. The block goes back by operations, not by deinit.
@safe
package final class RAMExecutor {
  private let base: UnsafeMutablePointer<page>
  private let pages: Int

  /// - Parameter order: 0...9.
  package init(order: Int, isCompound: Bool) throws(PageMapError) {
    let reference = try SystemMemory.shared.allocate(order: order, compound: isCompound)
    let frame = reference.frame
    _ = unsafe reference.leak()
    unsafe base = pfn_to_page(frame)
    pages = 1 << order
  }

  private func folio(_ page: Int) -> UnsafeMutablePointer<folio> {
    unsafe UnsafeMutableRawPointer(base + page).assumingMemoryBound(to: CFolio.folio.self)
  }

  private func word(_ page: Int, _ offset: Int) -> UInt {
    unsafe UInt(
      bitPattern: atomic_long_read(
        (UnsafeRawPointer(base + page) + offset).assumingMemoryBound(to: atomic_long_t.self)))
  }

  private func has(_ page: Int, _ flag: pageflags) -> Bool {
    word(page, 0) & (1 << UInt(flag.rawValue)) != 0
  }

  package func words(of page: Int) -> RAMPageWords {
    var words = RAMPageWords()
    words.refcount = unsafe Int(page_ref_count(base + page))
    words.mapcount = unsafe Int(atomic_read(&(base + page).pointee._mapcount))
    words.isHead = has(page, PG_head)
    words.isLocked = has(page, PG_locked)
    words.isDirty = has(page, PG_dirty)
    words.order = unsafe words.isHead ? Int(folio_order(folio(page))) : 0
    let mapping = word(page, 24)
    words.mapping =
      mapping == 0
      ? MappingWord.none
      : mapping == cfolio_tail_mapping() ? .tail : .value(mapping)
    words.index = word(page, 32)
    words.memoryControlGroup = word(page, 56)
    guard unsafe PageTail(base + page) else { return words }
    let head = unsafe compound_head(base + page) - base
    words.head = head
    words.index = nil
    if page == head + 1 {
      words.isLocked = false
      words.isDirty = false
      words.memoryControlGroup = nil
      words.mapping = nil
    } else if page == head + 2, unsafe folio_order(folio(head)) > 1 {
      words.mapping = nil
    }
    return words
  }

  package func perform(_ operation: RAMOperation) -> Outcome {
    switch operation {
    case .get(let page, let count): unsafe folio_ref_add(folio(page), Int32(count))
    case .put(let page, let count): unsafe folio_put_refs(folio(page), Int32(count))
    case .lock(let page): _ = unsafe folio_trylock(folio(page))
    case .unlock(let page): unsafe folio_unlock(folio(page))
    case .dirty(let page): unsafe folio_set_flag(folio(page), Int32(PG_dirty.rawValue))
    case .associate(let page, let mapping, let index):
      unsafe folio_set_mapping_word(folio(page), mapping)
      // The index is the same word as the share count.
      unsafe folio_set_share(folio(page), index)
    case .splitPage:
      unsafe split_page(base, UInt32(pages.trailingZeroBitCount))
    case .folioSplit(let page, let order, let extra):
      return .number(
        Int(unsafe folio_split(folio(page), UInt32(order), Int32(extra), nil, nil)))
    }
    return .none
  }

  /// Row 45 on every tail of the block's folio, bad words per tail: the allocator's step, so the
  /// caller frees nothing afterwards but by `endTailChecks()`.
  package func prepareTails() -> [Int] {
    (1..<pages).map { Int(unsafe free_tail_page_prepare(base, UInt($0))) }
  }

  /// After `prepareTails()`: the head becomes a small page again and every page is put.
  package func endTailChecks() {
    unsafe folio_reset_order(folio(0))
    unsafe folio_clear_flag(folio(0), Int32(PG_head.rawValue))
    unsafe split_page(base, UInt32(pages.trailingZeroBitCount))
    for page in 0..<pages { unsafe folio_put(folio(page)) }
  }

  /// Stores a mapping word behind the folio's back, for checks that must find it.
  package func spoilMapping(of page: Int) {
    unsafe folio_set_mapping_word(folio(page), 2)
  }

  /// Adds to the head's counters behind its back: entire mapcount and pins. They lie in page 1's
  /// mapping word, which `prepareTails()` clears.
  package func spoilCounters() {
    unsafe atomic_inc(&folio(0).pointee._entire_mapcount)
    unsafe atomic_inc(&folio(0).pointee._pincount)
  }
}
