// SPDX-License-Identifier: MIT

// A number that threads of a test share.

import Synchronization

/// A shared counter.
public final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  public init() {}

  public var value: Int { count.load(ordering: .sequentiallyConsistent) }

  @discardableResult
  public func add(_ amount: Int = 1) -> Int {
    count.add(amount, ordering: .sequentiallyConsistent).newValue
  }
}
