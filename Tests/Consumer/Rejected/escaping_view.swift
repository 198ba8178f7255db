// SPDX-License-Identifier: MIT
// error: lifetime-dependent variable 'outer' escapes its scope
//
// A view may not leave its read section through a variable outside.

import FolioCore

func headFrame(of frame: UInt) -> UInt? {
  #if ACCEPTED
    var outer: UInt?
  #else
    var outer: FolioView?
  #endif
  withReadScope { scope in
    #if ACCEPTED
      outer = scope.folio(at: frame)?.headFrame
    #else
      outer = scope.folio(at: frame)
    #endif
  }
  #if ACCEPTED
    return outer
  #else
    return outer?.headFrame
  #endif
}
