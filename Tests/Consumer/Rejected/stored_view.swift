// SPDX-License-Identifier: MIT
// error: (stored property 'view' of 'Escapable'-conforming struct 'Cache' has non-Escapable type 'FolioView'|the 'get' accessor cannot return a ~Escapable result)
//
// A view may not be kept in a structure that outlives the section. What was read through it may.

import FolioCore

struct Cache {
  #if ACCEPTED
    let view: UInt
  #else
    let view: FolioView
  #endif
}
