// SPDX-License-Identifier: MIT

// The event log as text for other tools: the Chrome trace format, which Perfetto opens, and one JSON
// object per line. Field names are ours, times are microseconds from the first event in the former
// and nanoseconds of the monotonic clock in the latter.

extension ReferenceTrace {
  /// A Chrome trace: each event an instant on its thread, and one counter track per page with R
  /// wherever the event knows it.
  public static func perfettoJSON(_ events: [ReferenceEvent]) -> String {
    let origin = events.map(\.time).min() ?? 0
    var lines: [String] = []
    for thread in Set(events.map(\.thread)).sorted() {
      lines.append(
        #"{"name":"thread_name","ph":"M","pid":1,"tid":\#(thread),"args":{"name":"folio \#(thread)"}}"#
      )
    }
    for event in events {
      let time = microseconds(event.time - origin)
      lines.append(
        #"{"name":"\#(event.kind.name)","cat":"refcount","ph":"i","s":"t","pid":1,"#
          + #""tid":\#(event.thread),"ts":\#(time),"args":{"frame":\#(event.frame),"#
          + #""delta":\#(event.delta),"result":\#(event.result)}}"#)
      guard let count = event.knownCount else { continue }
      lines.append(
        #"{"name":"R of frame \#(event.frame)","ph":"C","pid":1,"ts":\#(time),"#
          + #""args":{"R":\#(count)}}"#)
    }
    return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" + lines.joined(separator: ",\n")
      + "\n]}\n"
  }

  /// One JSON object per event and line.
  public static func jsonLines(_ events: [ReferenceEvent]) -> String {
    events.map { event in
      #"{"time_ns":\#(event.time),"thread":\#(event.thread),"event":"\#(event.kind.name)","#
        + #""frame":\#(event.frame),"delta":\#(event.delta),"result":\#(event.result)}"# + "\n"
    }.joined()
  }

  private static func microseconds(_ nanoseconds: Int64) -> String {
    let fraction = String(nanoseconds % 1000)
    return "\(nanoseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
  }
}

extension ReferenceEvent {
  /// R after the event, where the event says so.
  var knownCount: Int? {
    switch kind {
    case .set, .mod, .modAndReturn, .unfreeze: result
    case .modAndTest: result == 1 ? 0 : nil
    case .freeze: result == 1 ? 0 : nil
    case .modUnless: nil
    }
  }
}
