// SPDX-License-Identifier: MIT
// error: cannot assign value of type 'UInt' to type 'shared_t'
//
// No plain store to a shared word.

import CFolio

func share(_ folio: UnsafeMutablePointer<folio>, _ value: UInt) {
  #if ACCEPTED
    unsafe folio_set_share(folio, value)
  #else
    unsafe folio.pointee.share = value
  #endif
}
