// SPDX-License-Identifier: MIT

// From a page to the entries that may map it: the areas of its file, or for anonymous pages those of
// folio/anon_vma.h. Mirrors rmap_walk() and the two walks that migration needs.

import CFolio

enum ReverseMap {
  /// Calls `body` with each area that may map a single page, and where; false ends the walk. Context:
  /// the folio lock; an anonymous page needs `anon`, a file's page its mapping.
  static func forEachPlace(
    of folio: Folio, _ anon: UnsafeMutablePointer<anon_vma>?, _ body: (Area, UInt) -> Bool
  ) {
    let index = unsafe folio_index(folio.pointer)
    if let anon = unsafe anon {
      unsafe down_read(&anon.pointee.rwsem)
      defer { unsafe up_read(&anon.pointee.rwsem) }
      var next = unsafe anon.pointee.first
      while let pointer = unsafe next {
        let area = unsafe Area(pointer)
        if let address = area.address(ofPage: index), !body(area, address) { return }
        unsafe next = pointer.pointee.anon_next
      }
    } else if !folio.isAnonymous, let mapping = folio.mapping {
      mapping.lockForReading()
      defer { mapping.unlockForReading() }
      var next = mapping.nextArea(after: nil, mapping: index...index)
      while let area = next {
        if let address = area.address(ofPage: index), !body(area, address) { return }
        next = mapping.nextArea(after: area, mapping: index...index)
      }
    }
  }
}

extension Folio {
  /// The file that it is a page of; nil: none, or it is anonymous (`folio_mapping`).
  var mapping: Mapping? {
    guard !isAnonymous,
      let mapping = unsafe UnsafeMutablePointer<address_space>(
        bitPattern: folio_mapping_word(pointer))
    else { return nil }
    return unsafe Mapping(mapping)
  }
}

extension Area {
  /// Where the page of the object, or of anonymous memory, would be mapped; nil: not here.
  func address(ofPage page: UInt) -> UInt? {
    guard page >= pageOffset, page - pageOffset < (end - start) / Space.pageSize else { return nil }
    return start + (page - pageOffset) * Space.pageSize
  }
}
