// SPDX-License-Identifier: MIT

// More pages at once than pins of one page fit a counter (core.md 12.4: only an errno is no number).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Very many pins")
struct ManyPinsTests {
  @Test(
    "arrays longer than a counter of pins are given back all the same", arguments: [false, true])
  func longArrays(folios: Bool) throws {
    // Whose making names the zero page.
    let space = try MemoryMap()
    defer { withExtendedLifetime(space) {} }
    let map = try PageMap(.generic, pages: 2)
    let count = Int(Int32.max) / 1024 + 2
    for page in 0..<2 {
      #expect(unsafe try_grab_folio(map.folio(map.frame(page)), 1, FOLL_PIN) == 0)
    }
    count_foll_pins(2, 0)
    if folios {
      let zero = unsafe cfolio_zero_page_now()!
      let array = UnsafeMutablePointer<UnsafeMutablePointer<folio>>.allocate(capacity: count)
      unsafe array.initialize(repeating: page_folio(zero), count: count)
      unsafe array[0] = unsafe map.folio(map.frame(0))
      unsafe array[count - 1] = unsafe map.folio(map.frame(1))
      unsafe unpin_folios(array, UInt(count))
      unsafe array.deallocate()
    } else {
      let array = UnsafeMutablePointer<UnsafeMutablePointer<page>?>.allocate(capacity: count)
      unsafe array.initialize(repeating: nil, count: count)
      unsafe array[0] = unsafe map.page(map.frame(0))
      unsafe array[count - 1] = unsafe map.page(map.frame(1))
      unsafe unpin_user_pages(array, UInt(count))
      unsafe array.deallocate()
    }
    #expect(map.references(0) == 1 && map.references(1) == 1)
  }
}
