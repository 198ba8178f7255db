// SPDX-License-Identifier: MIT

// The Swift side of folio/mutant.h.

import CFolio

/// MUTANT(id) of folio/mutant.h: true while the lab has switched this bug on; false, and nothing is
/// left of it, in a normal build.
@inline(__always)
func isMutant(_ mutant: folio_mutant) -> Bool {
  cfolio_mutant_is(Int32(bitPattern: mutant.rawValue))
}
