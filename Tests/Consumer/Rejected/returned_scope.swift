// SPDX-License-Identifier: MIT
// error: global function 'withReadScope' requires that 'ReadScope' conform to 'Escapable'
//
// The scope itself may not leave either.

import FolioCore

func scope(of frame: UInt) -> Bool {
  #if ACCEPTED
    let found = withReadScope { scope in
      scope.folio(at: frame) != nil
    }
  #else
    let found = withReadScope { scope -> ReadScope in
      scope
    }
  #endif
  #if ACCEPTED
    return found
  #else
    return found.folio(at: frame) != nil
  #endif
}
