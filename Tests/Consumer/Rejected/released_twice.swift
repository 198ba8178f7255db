// SPDX-License-Identifier: MIT
// error: 'reference' consumed more than once
//
// One reference is one put.

import FolioCore

func drop(_ reference: consuming FolioReference) {
  #if ACCEPTED
    reference.clone().release()
  #else
    reference.release()
  #endif
  reference.release()
}
