// SPDX-License-Identifier: MIT
// error: 'pointer.pointee' is borrowed and cannot be consumed
//
// struct dev_pagemap is where it is: a copy would have counters that nobody counts.

import CFolio

func isFree(_ pointer: UnsafeMutablePointer<dev_pagemap>) -> Bool {
  #if ACCEPTED
    return unsafe pgmap_idle_count(pointer) == 0
  #else
    var copy = unsafe pointer.pointee
    return unsafe pgmap_idle_count(&copy) == 0
  #endif
}
