// SPDX-License-Identifier: MIT

// A number that threads of a test share.

import Synchronization

/// A shared counter.
package final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  package init() {}

  package var value: Int { count.load(ordering: .sequentiallyConsistent) }

  @discardableResult
  package func add(_ amount: Int = 1) -> Int {
    count.add(amount, ordering: .sequentiallyConsistent).newValue
  }
}
