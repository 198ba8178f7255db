// SPDX-License-Identifier: MIT
// error: value of type 'atomic_t' has no member 'counter'
//
// The word behind a counter cannot be reached past the functions that order its accesses.

import CFolio

func count(_ page: UnsafeMutablePointer<page>) -> Int32 {
  #if ACCEPTED
    unsafe page_ref_count(page)
  #else
    unsafe page.pointee._refcount.counter
  #endif
}
