// SPDX-License-Identifier: MIT

// What can be seen in the middle of a removal, as an expectation: a translation in use holds its flush
// up.

import FolioCore
import TestSupport
import Testing

/// Expects what findingWhileTranslated() looks for.
func whileTranslated(
  _ space: MemoryMap, _ address: UInt, isWaiting: Bool = true,
  _ change: @escaping @Sendable () throws -> Void, meanwhile: () -> Bool,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let finding = findingWhileTranslated(
    space, address, isWaiting: isWaiting, change, meanwhile: meanwhile)
  #expect(finding == nil, sourceLocation: sourceLocation)
}
