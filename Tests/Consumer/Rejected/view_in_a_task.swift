// SPDX-License-Identifier: MIT
// error: lifetime-dependent variable 'view' escapes its scope
//
// A task outlives the section that started it, and runs on another thread.

import FolioCore

func count(_ frame: UInt) -> Task<Int, Never>? {
  withReadScope { scope -> Task<Int, Never>? in
    guard let view = scope.folio(at: frame) else { return nil }
    #if ACCEPTED
      let count = view.referenceCount
      return Task { count }
    #else
      return Task { view.referenceCount }
    #endif
  }
}
