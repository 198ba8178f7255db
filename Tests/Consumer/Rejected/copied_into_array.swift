// SPDX-License-Identifier: MIT
// error: type 'FolioReference' does not conform to protocol 'Copyable'
//
// An Array copies its elements behind one's back. An Optional does not.

import FolioCore

#if ACCEPTED
  struct Held: ~Copyable {
    var references: FolioReference?
  }
#else
  struct Held {
    var references: [FolioReference]
  }
#endif
