// SPDX-License-Identifier: MIT
// error: 'owner' used after consume
//
// There is one owner of a page: the token cannot be doubled.

import FolioCore

func split(_ map: PageMap, _ frame: UInt) throws {
  let owner = try map.claim(frame: frame, order: 2)
  #if ACCEPTED
    let other = try map.claim(frame: frame + 4, order: 2)
  #else
    let other = owner
  #endif
  try owner.split()
  try other.split()
}
