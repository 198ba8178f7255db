// SPDX-License-Identifier: MIT
// error: 'reference' is borrowed and cannot be consumed
//
// Assignment does not make a second reference; clone() does, and counts it.

import FolioCore

func second(_ reference: borrowing FolioReference) -> FolioReference {
  #if ACCEPTED
    return reference.clone()
  #else
    return reference
  #endif
}
