// SPDX-License-Identifier: MIT
// error: cannot pass function of type .* async .* to parameter expecting synchronous function type
//
// A task may go on on another thread: a read section across an await would be left by a thread that
// never entered it.

import FolioCore

func pause() async {}

func look(_ frame: UInt) async -> UInt {
  #if ACCEPTED
    await pause()
  #endif
  return withReadScope { scope in
    #if !ACCEPTED
      await pause()
    #endif
    return scope.folio(at: frame)?.headFrame ?? 0
  }
}
