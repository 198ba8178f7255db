// SPDX-License-Identifier: MIT
// error: 'owner' used after consume
//
// There is one owner of a page: the token cannot be doubled.

import FolioCore

func split(_ map: PageMap, _ frame: UInt) throws {
  var owner = try map.claim(frame: frame, order: 2)
  #if ACCEPTED
    var other = try map.claim(frame: frame + 4, order: 2)
  #else
    var other = owner
  #endif
  try owner.split()
  try other.split()
}
