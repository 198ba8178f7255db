// SPDX-License-Identifier: MIT
// error: 'pointer.pointee' is borrowed and cannot be consumed
//
// struct page is where it is: a copy would have counters that nobody counts.

import CFolio

func isFree(_ pointer: UnsafeMutablePointer<page>) -> Bool {
  #if ACCEPTED
    return unsafe page_ref_count(pointer) == 0
  #else
    var copy = unsafe pointer.pointee
    return unsafe page_ref_count(&copy) == 0
  #endif
}
