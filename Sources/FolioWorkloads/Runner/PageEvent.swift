// SPDX-License-Identifier: MIT

// Events of pages as stress copies them out of the rings: of one page, or all of them in the order
// of their rings, unsorted. Rings and records are CFolio's (folio/trace.h).

package import FolioCore
import CFolio

/// One change of a page's count.
package struct PageEvent: Hashable, Sendable {
  /// Monotonic clock, ns.
  package let time: Int64
  package let thread: Int
  package let kind: ReferenceEvent.Kind
  package let frame: UInt
  package let delta: Int
  package let result: Int

  private init?(_ record: trace_record) {
    guard let kind = ReferenceEvent.Kind(rawValue: Int(record.event.rawValue)) else { return nil }
    time = record.time_ns
    thread = Int(record.thread)
    self.kind = kind
    frame = record.pfn
    delta = Int(record.delta)
    result = Int(record.result)
  }

  /// How many events of a page are worth reading.
  package static let limit = 16

  /// The last events of a page that were recorded at `since` or later, oldest first. Any thread.
  package static func last(of frame: UInt, since: Int64) -> [PageEvent] {
    let events = unsorted { $0.pfn == frame && $0.time_ns >= since }
    return events.enumerated().sorted {
      ($0.element.time, $0.offset) < ($1.element.time, $1.offset)
    }.suffix(limit).map(\.element)
  }

  /// What the rings hold, ring after ring, each in the order of its writer. Whole records only; any
  /// thread. A record of no kind that exists is left out.
  static func unsorted(where isWanted: (trace_record) -> Bool) -> [PageEvent] {
    let capacity = cfolio_trace_available()
    guard capacity > 0 else { return [] }
    let records = UnsafeMutablePointer<trace_record>.allocate(capacity: capacity)
    defer { unsafe records.deallocate() }
    let count = unsafe cfolio_trace_copy(records, capacity)
    var events: [PageEvent] = []
    for index in 0..<count where isWanted(unsafe records[index]) {
      if let event = PageEvent(unsafe records[index]) { events.append(event) }
    }
    return events
  }
}
