// SPDX-License-Identifier: MIT

// Changes of reference counts as values: the seven kinds of the kernel's page_ref tracepoints (spec:
// core.md section 3, row 120). Recorded by C into one ring per thread (trace.c).

import CFolio

/// One change of a page's reference count.
public struct ReferenceEvent: Hashable, Sendable {
  /// The tracepoint that the kernel would have hit.
  public enum Kind: Int, Sendable, CaseIterable {
    case set = 0
    case mod = 1
    case modAndTest = 2
    case modAndReturn = 3
    case modUnless = 4
    case freeze = 5
    case unfreeze = 6

    /// The kernel's name of the event.
    public var name: String {
      switch self {
      case .set: "page_ref_set"
      case .mod: "page_ref_mod"
      case .modAndTest: "page_ref_mod_and_test"
      case .modAndReturn: "page_ref_mod_and_return"
      case .modUnless: "page_ref_mod_unless"
      case .freeze: "page_ref_freeze"
      case .unfreeze: "page_ref_unfreeze"
      }
    }
  }

  /// Monotonic clock, nanoseconds.
  public let time: Int64
  /// Number of the thread in order of first use, from 1.
  public let thread: Int
  public let kind: Kind
  /// Page frame number.
  public let frame: UInt
  /// The change that was asked for; for set, freeze and unfreeze the value.
  public let delta: Int
  /// R afterwards (set, mod, modAndReturn, unfreeze), or 1 for success (the others).
  public let result: Int
}

/// The event log of the process.
public enum ReferenceTrace {
  /// Records while `body` runs; calls nest, threads share the log.
  public static func record<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    cfolio_trace_enable(true)
    defer { cfolio_trace_enable(false) }
    return try body()
  }

  /// Switches recording on or off; calls nest.
  public static func setEnabled(_ enabled: Bool) { cfolio_trace_enable(enabled) }

  /// Forgets what was recorded. Context: no traced operation is in progress.
  public static func clear() { cfolio_trace_clear() }

  /// Events that were overwritten or found no memory since the last `clear()`.
  public static var lost: Int { cfolio_trace_lost() }

  /// What the rings hold now, oldest first. Whole records only; any thread.
  public static func events() -> [ReferenceEvent] {
    let capacity = cfolio_trace_available()
    guard capacity > 0 else { return [] }
    let records = UnsafeMutablePointer<trace_record>.allocate(capacity: capacity)
    defer { unsafe records.deallocate() }
    let count = unsafe cfolio_trace_copy(records, capacity)
    var events: [ReferenceEvent] = []
    events.reserveCapacity(count)
    for index in 0..<count {
      let record = unsafe records[index]
      guard let kind = ReferenceEvent.Kind(rawValue: Int(record.event.rawValue)) else { continue }
      events.append(
        ReferenceEvent(
          time: record.time_ns, thread: Int(record.thread), kind: kind, frame: record.pfn,
          delta: Int(record.delta), result: Int(record.result)))
    }
    // Within a thread the ring's order is the order of events.
    return events.enumerated().sorted {
      ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
    }.map(\.element)
  }

  /// The last events of one page, oldest first.
  public static func lastEvents(of frame: UInt, limit: Int = 16) -> [ReferenceEvent] {
    events().filter { $0.frame == frame }.suffix(limit)
  }
}
