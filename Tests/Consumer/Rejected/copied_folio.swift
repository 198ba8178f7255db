// SPDX-License-Identifier: MIT
// error: 'pointer.pointee' is borrowed and cannot be consumed
//
// struct folio is where it is: a copy would have counters that nobody counts.

import CFolio

func isFree(_ pointer: UnsafeMutablePointer<folio>) -> Bool {
  #if ACCEPTED
    return unsafe folio_ref_count(pointer) == 0
  #else
    var copy = unsafe pointer.pointee
    return unsafe folio_ref_count(&copy) == 0
  #endif
}
