// SPDX-License-Identifier: MIT

// What can be seen in the middle of a removal: a translation in use holds its flush up.

import CFolio
import FolioCore
import TestSupport
import Testing

/// Changes address spaces on another thread while this one uses a translation of the address.
///
/// - Parameters:
///   - meanwhile: looked at again and again, until it holds; from then on it has to, as long as the
///     translation is in use.
///   - isWaiting: the change does not end before the translation does.
func whileTranslated(
  _ space: MemoryMap, _ address: UInt, isWaiting: Bool = true,
  _ change: @escaping @Sendable () throws -> Void, meanwhile: () -> Bool,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  var translation = translation()
  let isMapped = unsafe mmu_begin(space.mm, address, false, &translation)
  #expect(isMapped, sourceLocation: sourceLocation)
  guard isMapped else { return }
  let isDone = Flag()
  let changer = NativeThread {
    do {
      try change()
    } catch {
      Issue.record("\(error)", sourceLocation: sourceLocation)
    }
    isDone.raise()
  }
  let wasSeen = eventually(meanwhile)
  let isOver = poll(milliseconds: 30) { isWaiting ? isDone.isRaised || !meanwhile() : false }
  unsafe mmu_end(space.mm, &translation)
  changer.join()
  #expect(wasSeen && !isOver, sourceLocation: sourceLocation)
}
