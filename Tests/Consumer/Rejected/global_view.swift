// SPDX-License-Identifier: MIT
// error: lifetime-dependent value escapes its scope
//
// A view may not be kept in a global variable, marked unsafe or not.

import FolioCore

#if ACCEPTED
  nonisolated(unsafe) var last: UInt?
#else
  nonisolated(unsafe) var last: FolioView?
#endif

func remember(_ frame: UInt) {
  withReadScope { scope in
    #if ACCEPTED
      unsafe last = scope.folio(at: frame)?.headFrame
    #else
      unsafe last = scope.folio(at: frame)
    #endif
  }
}
