// SPDX-License-Identifier: MIT

// What several test bundles need: references that must exist, the seed of a run.

public import FolioCore

/// A frame that should have been referenced was not.
public struct NoReference: Error {
  public let frame: UInt
}

/// A reference to the folio of a frame; throws when it has none.
public func reference(to frame: UInt) throws(NoReference) -> FolioReference {
  guard let reference = FolioReference(tryGet: frame) else { throw NoReference(frame: frame) }
  return reference
}

/// Whether a reference can be taken (and is given back).
public func canReference(_ frame: UInt) -> Bool {
  guard let reference = FolioReference(tryGet: frame) else { return false }
  reference.release()
  return true
}
