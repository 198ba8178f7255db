// SPDX-License-Identifier: MIT

// What several test bundles need: references that must exist, the seed of a run.

package import FolioCore

/// A frame that should have been referenced was not.
package struct NoReference: Error {
  package let frame: UInt
}

/// A reference to the folio of a frame; throws when it has none.
package func reference(to frame: UInt) throws(NoReference) -> FolioReference {
  guard let reference = FolioReference(tryGet: frame) else { throw NoReference(frame: frame) }
  return reference
}

/// Whether a reference can be taken (and is given back).
package func canReference(_ frame: UInt) -> Bool {
  guard let reference = FolioReference(tryGet: frame) else { return false }
  reference.release()
  return true
}
