// SPDX-License-Identifier: MIT

// Folios of a file by their place in it, not by an address (spec: core.md 16, rows 102 and 119). Mirrors
// filemap_get_entry() and memfd_pin_folios().

import CFolio

extension Mapping {
  /// The folio at the page, with one more reference; nil: none (`filemap_get_entry`).
  ///
  /// What is read may go at once, so a reference is only tried for, and counts when the folio is still
  /// there behind it: then it was there with the reference held, and who takes it out sees that. A
  /// folio that has gone in between may have become another's, which is why the second look is needed.
  func folio(at index: UInt) -> Folio? {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    while true {
      guard let entry = unsafe xa_load(&pointer.pointee.i_pages, index), unsafe !isValue(entry)
      else { return nil }
      let found = unsafe Folio(unsafe entry.assumingMemoryBound(to: CFolio.folio.self))
      guard unsafe folio_try_get(found.pointer) else { continue }
      if isMutant(MUTANT_P110) { return found }
      if unsafe xa_load(&pointer.pointee.i_pages, index) == entry { return found }
      found.put()
    }
  }

  private func isValue(_ entry: UnsafeMutableRawPointer) -> Bool { unsafe xa_is_value(entry) }
}

enum FolioPins {
  typealias FolioArray = UnsafeMutablePointer<UnsafeMutablePointer<folio>?>

  /// `memfd_pin_folios`: how many folios, and where the first byte is in the first; or -errno.
  static func pin(
    _ mapping: Mapping, bytes: ClosedRange<Int>, _ folios: FolioArray, capacity: Int
  ) -> (count: Int, offset: UInt) {
    guard mapping.kind == ADDRESS_SPACE_SHMEM, capacity > 0, bytes.lowerBound >= 0 else {
      return (Int(MemoryError.Code.invalidArgument.status), 0)
    }
    let size = Int(Space.pageSize)
    let pages = (bytes.lowerBound / size)...(bytes.upperBound / size)
    while true {
      let (count, status) = unsafe pinRun(mapping, pages, folios, capacity)
      guard count > 0 else { return (Int(status), 0) }
      let checked = unsafe LongTermPins.check(folios, count: count)
      if checked == MemoryError.Code.tryAgain.status { continue }
      guard checked == 0 else { return (Int(checked), 0) }
      let first = unsafe Folio(folios[0]!)
      let page = UInt(pages.lowerBound) & (UInt(1) << UInt(first.order) - 1)
      return (count, page * UInt(size) + UInt(bytes.lowerBound % size))
    }
  }

  /// Pins the folios of the pages, as far as there are any without a hole; why none.
  private static func pinRun(
    _ mapping: Mapping, _ pages: ClosedRange<Int>, _ folios: FolioArray, _ capacity: Int
  ) -> (count: Int, status: Int32) {
    var (index, count, status) = (pages.lowerBound, 0, Int32(0))
    while index <= pages.upperBound, count < capacity {
      guard let folio = mapping.folio(at: UInt(index)) else {
        status = MemoryError.Code.fault.status
        break
      }
      status = unsafe try_grab_folio(folio.pointer, 1, FOLL_PIN | FOLL_LONGTERM)
      let next = (index | (1 << Int(folio.order) - 1)) + 1
      let counts = status == 0 && !folio.isZero
      // The pin holds it from here on.
      folio.put()
      guard status == 0 else { break }
      if counts { count_foll_pins(1, 0) }
      unsafe folios[count] = folio.pointer
      (index, count) = (next, count + 1)
    }
    return (count, status)
  }
}
