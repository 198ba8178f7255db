// SPDX-License-Identifier: MIT
// error: 'reference' consumed in a loop
//
// A loop that releases needs a reference of its own for each turn.

import FolioCore

func drop(_ reference: consuming FolioReference, times: Int) {
  for _ in 0..<times {
    #if ACCEPTED
      reference.clone().release()
    #else
      reference.release()
    #endif
  }
}
