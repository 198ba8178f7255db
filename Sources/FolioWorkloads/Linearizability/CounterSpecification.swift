// SPDX-License-Identifier: MIT

// One reference counter as a sequential object (spec: core.md section 3, rows 1-17): a number, and what
// each call does with it.

/// A call on a reference counter, with its answer.
package struct CounterOperation: Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
  package enum Kind: UInt8, Sendable, BitwiseCopyable {
    /// R += amount.
    case add
    /// R -= amount; answers 1 when R became 0.
    case subAndTest
    /// The same, answers the new R.
    case subReturn
    /// R += amount unless R is `limit`; answers 1 when it did.
    case addUnless
    /// R := 0 if R is amount; answers 1 when it was.
    case freeze
    /// R := amount, of a frozen counter.
    case unfreeze
    /// Answers R.
    case read
  }

  package var kind: Kind
  package var amount: Int32
  package var limit: Int32
  package var answer: Int32

  package init(_ kind: Kind, _ amount: Int32 = 0, unless limit: Int32 = 0, answer: Int32 = 0) {
    self.kind = kind
    self.amount = amount
    self.limit = limit
    self.answer = answer
  }

  package var description: String {
    switch kind {
    case .add, .unfreeze: "\(kind)(\(amount))"
    case .subAndTest, .subReturn, .freeze: "\(kind)(\(amount)) = \(answer)"
    case .addUnless: "\(kind)(\(amount), \(limit)) = \(answer)"
    case .read: "read() = \(answer)"
    }
  }
}

package struct CounterSpecification: SequentialSpecification {
  package let initial: Int32

  package init(initial: Int32) { self.initial = initial }

  package func accepts(_ operation: CounterOperation, in count: inout Int32) -> Bool {
    let amount = operation.amount
    switch operation.kind {
    case .add:
      // From 0 only its owner may raise, and calls it unfreeze.
      guard count > 0 else { return false }
      count += amount
      return true
    case .subAndTest:
      guard count >= amount else { return false }
      count -= amount
      return operation.answer == (count == 0 ? 1 : 0)
    case .subReturn:
      guard count >= amount else { return false }
      count -= amount
      return operation.answer == count
    case .addUnless:
      guard count != operation.limit else { return operation.answer == 0 }
      count += amount
      return operation.answer == 1
    case .freeze:
      guard count == amount else { return operation.answer == 0 }
      count = 0
      return operation.answer == 1
    case .unfreeze:
      guard count == 0 else { return false }
      count = amount
      return true
    case .read:
      return operation.answer == count
    }
  }
}
