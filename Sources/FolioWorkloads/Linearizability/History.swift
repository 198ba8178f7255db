// SPDX-License-Identifier: MIT

// Histories: what threads called, what came back, and which calls had returned before which others were
// made. A history is linearizable when its calls can be put in one order that keeps the order of
// those, and in which a sequential object would have given the same answers. The search is that of
// Wing, Gong and Lowe: calls that nothing unfinished comes before are tried next, and no set of
// finished calls is entered twice with one state.

/// An object that does one call at a time.
public protocol SequentialSpecification: Sendable {
  /// What the object holds.
  associatedtype State: Hashable
  /// A call with its answer.
  associatedtype Operation: Hashable, Sendable

  /// Before the first call.
  var initial: State { get }
  /// Whether the call may answer so in this state, which it changes.
  func accepts(_ operation: Operation, in state: inout State) -> Bool
}

/// A finished call.
public struct HistoryEvent<Operation: Hashable & Sendable>: Hashable, Sendable {
  /// Who called, from 0.
  public var thread: Int
  /// The call and its answer.
  public var operation: Operation
  /// Bit k: event k of the history had returned when this one was called.
  public var before: UInt64

  /// A call of that thread; `before` as in the property.
  public init(thread: Int, operation: Operation, before: UInt64) {
    self.thread = thread
    self.operation = operation
    self.before = before
  }
}

/// At most 64 calls.
public struct History<Operation: Hashable & Sendable>: Hashable, Sendable {
  /// The calls, a thread's own in the order in which it made them.
  public private(set) var events: [HistoryEvent<Operation>] = []

  /// At most 64 calls; who comes before whom is in each of them.
  public init(_ events: [HistoryEvent<Operation>] = []) {
    precondition(events.count <= 64, "a history has at most 64 calls")
    self.events = events
  }

  /// An order of the events, by their numbers, that explains all answers; nil: there is none.
  public func linearization<S: SequentialSpecification>(_ specification: S) -> [Int]?
  where S.Operation == Operation {
    var search = Linearizing(events: events, specification: specification)
    return search.goOn(from: 0, specification.initial) ? search.order : nil
  }
}

private struct Linearizing<S: SequentialSpecification> {
  let events: [HistoryEvent<S.Operation>]
  let specification: S
  var order: [Int] = []
  /// From here nothing leads to the end.
  private var dead: Set<Place> = []

  private struct Place: Hashable {
    var done: UInt64
    var state: S.State
  }

  init(events: [HistoryEvent<S.Operation>], specification: S) {
    self.events = events
    self.specification = specification
  }

  mutating func goOn(from done: UInt64, _ state: S.State) -> Bool {
    if order.count == events.count { return true }
    let place = Place(done: done, state: state)
    if dead.contains(place) { return false }
    for index in events.indices {
      let event = events[index]
      guard done & (1 << UInt64(index)) == 0, event.before & ~done == 0 else { continue }
      var next = state
      guard specification.accepts(event.operation, in: &next) else { continue }
      order.append(index)
      if goOn(from: done | 1 << UInt64(index), next) { return true }
      order.removeLast()
    }
    dead.insert(place)
    return false
  }
}

extension History: CustomStringConvertible where Operation: CustomStringConvertible {
  /// Thread by thread, in the order of its calls; those that overlap with nothing have no more to say.
  public var description: String {
    let threads = Set(events.map(\.thread)).sorted()
    return threads.map { thread in
      let calls = events.filter { $0.thread == thread }.map(\.operation.description)
      return "\(thread): " + calls.joined(separator: ", ")
    }.joined(separator: "; ")
  }
}
