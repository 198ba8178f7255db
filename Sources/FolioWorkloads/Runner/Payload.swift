// SPDX-License-Identifier: MIT

// What stands for the contents of a page in scenarios. Not shared by the seam on purpose: see
// below.

/// A word array that the scenario owns, outside of the struct pages: plain memory, so that a
/// broken protocol is a data race that ThreadSanitizer sees and, with luck, a torn pair that the
/// check sees.
@safe
package final class Payload: @unchecked Sendable {
  // @unchecked: written only by the owner of a page, read only by holders of a reference: the very
  // protocol under test.
  private let words: UnsafeMutablePointer<UInt>
  package let count: Int

  package init(count: Int) {
    self.count = count
    unsafe words = .allocate(capacity: count * 2)
    for index in 0..<count {
      unsafe words[index * 2] = 0
      unsafe words[index * 2 + 1] = ~0
    }
  }

  deinit { unsafe words.deallocate() }

  /// Context: exclusive owner of the page.
  package func write(_ index: Int, _ value: UInt) {
    unsafe words[index * 2] = value
    unsafe words[index * 2 + 1] = ~value
  }

  /// The value, or nil when it is torn. Context: a reference to the page.
  package func read(_ index: Int) -> UInt? {
    let value = unsafe words[index * 2]
    return unsafe words[index * 2 + 1] == ~value ? value : nil
  }
}
