// SPDX-License-Identifier: MIT
// error: global function 'withReadScope' requires that 'FolioView' conform to 'Escapable'
//
// A view may not be the result of its read section. What was read through it may.

import FolioCore

func order(of frame: UInt) -> Int? {
  #if ACCEPTED
    let view = withReadScope { scope -> Int? in
      scope.folio(at: frame)?.order
    }
  #else
    let view = withReadScope { scope -> FolioView? in
      scope.folio(at: frame)
    }
  #endif
  #if ACCEPTED
    return view
  #else
    return view?.order
  #endif
}
