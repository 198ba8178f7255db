// SPDX-License-Identifier: MIT
// error: 'reference' used after consume
//
// After release() the folio may be another one.

import FolioCore

func lastCount(_ frame: UInt) -> Int {
  guard let reference = FolioReference(tryGet: frame) else { return 0 }
  #if ACCEPTED
    let count = reference.referenceCount
    reference.release()
  #else
    reference.release()
    let count = reference.referenceCount
  #endif
  return count
}
