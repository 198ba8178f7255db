// SPDX-License-Identifier: MIT

// Taking the pages of a file or device out of every area that maps them (spec: core.md 10.4).

import CFolio

enum MappingRemoval {
  /// Removes the entries that map the pages, in all areas (`unmap_mapping_pages`). New ones are kept
  /// away by the caller, or come. Behind the return no folio counts a mapping by an entry that was
  /// there before, and no translation leads to one: also where somebody else took the entry away,
  /// whom the kernel waits for only when it removes a single folio.
  static func unmap(
    _ mapping: Mapping, pages: ClosedRange<UInt>, takesCopies: Bool, only folio: Folio? = nil
  ) {
    mapping.lockForReading()
    defer { mapping.unlockForReading() }
    var area = mapping.nextArea(after: nil, mapping: pages)
    while let found = area {
      let first = max(pages.lowerBound, found.pageOffset)
      let last = min(pages.upperBound, found.pageOffset(of: found.end) - 1)
      let start = found.start + (first - found.pageOffset) * Space.pageSize
      let end = found.start + (last - found.pageOffset + 1) * Space.pageSize
      var removal = Removal(
        found.space, takesCopies: takesCopies, only: folio, waitsForLeaves: true)
      removal.zap(start..<end, of: found)
      removal.finish()
      area = mapping.nextArea(after: found, mapping: pages)
    }
  }

  /// Pages from `start` on; 0 of them, or more than there can be: to the end.
  static func pages(from start: UInt, count: UInt) -> ClosedRange<UInt> {
    let (end, overflow) = start.addingReportingOverflow(count)
    return start...(count == 0 || overflow ? UInt.max : end - 1)
  }

  /// The pages that bytes of the mapping are in. Partial pages are theirs, as in the kernel.
  static func pages(ofBytes begin: UInt, count: UInt) -> ClosedRange<UInt> {
    let size = Space.pageSize
    let (end, overflow) = begin.addingReportingOverflow(count)
    guard count > 0, !overflow else { return (begin / size)...UInt.max }
    return (begin / size)...((end - 1) / size)
  }

  /// The entries of one folio (`unmap_mapping_folio`).
  static func unmap(_ folio: Folio) {
    require(
      unsafe folio_test_flag(folio.pointer, Int32(PG_locked.rawValue)), "VMA", nil,
      "the entries of a folio are removed without its lock")
    // An anonymous folio's word names areas of another kind.
    guard let mapping = folio.mapping else { return }
    let first = unsafe folio_index(folio.pointer)
    let last = first + (UInt(1) << UInt(folio.order)) - 1
    unmap(mapping, pages: first...last, takesCopies: false, only: folio)
  }
}
