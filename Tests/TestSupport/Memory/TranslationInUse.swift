// SPDX-License-Identifier: MIT

// What can be seen in the middle of a removal: a translation in use holds its flush up.

import CFolio
package import FolioCore
import Synchronization

/// Changes address spaces on another thread while this one uses a translation of the address.
///
/// - Parameters:
///   - isWaiting: the change does not end before the translation does.
///   - meanwhile: looked at again and again, until it holds; from then on it has to, as long as the
///     translation is in use.
/// - Returns: nil, or what went otherwise.
package func findingWhileTranslated(
  _ space: MemoryMap, _ address: UInt, isWaiting: Bool = true,
  _ change: @escaping @Sendable () throws -> Void, meanwhile: () -> Bool
) -> String? {
  var translation = translation()
  guard unsafe mmu_begin(space.mm, address, false, &translation) else {
    return "nothing is mapped at \(address)"
  }
  let isDone = Flag()
  let failure = Mutex<String?>(nil)
  let changer = NativeThread.begun {
    do {
      try change()
    } catch {
      failure.withLock { $0 = "the change failed: \(error)" }
    }
    isDone.raise()
  }
  let wasSeen = eventually(meanwhile)
  let isOver = poll(milliseconds: 30) { isWaiting ? isDone.isRaised || !meanwhile() : false }
  unsafe mmu_end(space.mm, &translation)
  changer.join()
  if let failure = failure.withLock({ $0 }) { return failure }
  if !wasSeen { return "what was to be seen meanwhile never was" }
  return isOver ? "it did not stay so until the translation's end" : nil
}
