// SPDX-License-Identifier: MIT

// The XArray as a sequential object: calls on single indices, against XArrayModel. An iteration is one
// question per index, each answered at some moment of the iteration: so an entry that is there all
// the time is met, and one that is never there is not.

/// A call on an XArray, with its answer. Values are 63-bit integers, nil is no entry.
package struct XArrayOperation: Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
  package enum Kind: UInt8, Sendable, BitwiseCopyable {
    /// Answers the entry.
    case load
    /// Stores `value`, answers the entry before.
    case store
    /// Stores `value` unless there is an entry; answers 1 when it did.
    case insert
    /// Stores `value` if the entry is `expected`; answers the entry before.
    case exchange
    case setMark
    case clearMark
    /// Answers 1 when the entry is there and marked.
    case getMark
    /// A store that was refused for want of memory: it changes nothing.
    case refused
  }

  package var kind: Kind
  package var index: UInt
  package var value: UInt?
  package var expected: UInt?
  package var answer: UInt?

  package init(
    _ kind: Kind, _ index: UInt, _ value: UInt? = nil, expected: UInt? = nil, answer: UInt? = nil
  ) {
    self.kind = kind
    self.index = index
    self.value = value
    self.expected = expected
    self.answer = answer
  }

  package var description: String {
    func text(_ value: UInt?) -> String { value.map(String.init) ?? "-" }
    switch kind {
    case .load, .getMark: return "\(kind)(\(index)) = \(text(answer))"
    case .store, .insert: return "\(kind)(\(index), \(text(value))) = \(text(answer))"
    case .exchange:
      return "exchange(\(index), \(text(expected)) by \(text(value))) = \(text(answer))"
    case .setMark, .clearMark, .refused: return "\(kind)(\(index))"
    }
  }
}

package struct XArraySpecification: SequentialSpecification {
  package let initial: XArrayModel

  /// - Parameter initial: what is stored before the first call.
  package init(initial: [(index: UInt, value: UInt)]) {
    var model = XArrayModel()
    for entry in initial { _ = model.store(entry.index, order: 0, entry.value) }
    self.initial = model
  }

  package func accepts(_ operation: XArrayOperation, in array: inout XArrayModel) -> Bool {
    let index = operation.index
    let entry = array.entry(at: index)
    switch operation.kind {
    case .load:
      return operation.answer == entry?.value
    case .store:
      _ = array.store(index, order: 0, operation.value)
      return operation.answer == entry?.value
    case .insert:
      guard entry == nil else { return operation.answer == 0 }
      _ = array.store(index, order: 0, operation.value)
      return operation.answer == 1
    case .exchange:
      if entry?.value == operation.expected { _ = array.store(index, order: 0, operation.value) }
      return operation.answer == entry?.value
    case .setMark, .clearMark:
      array.setMark(index, 0, to: operation.kind == .setMark)
      return true
    case .getMark:
      return operation.answer == ((entry?.marks ?? 0) & 1 == 1 ? 1 : 0)
    case .refused:
      return true
    }
  }
}
