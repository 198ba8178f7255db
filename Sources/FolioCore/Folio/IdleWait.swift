// SPDX-License-Identifier: MIT

// Waiting until a page is idle, by sleeping. The form for tasks is in IdleWait+Async.swift, the
// contract between waiters and puts in folio/wait.h and folio/idle.h.

import CFolio

extension PageMap {
  /// What a wait waits for (spec: core.md section 13).
  public enum IdleCondition: Sendable, Hashable {
    /// No references but the type's base count (`R == idle`). The kernel's choice.
    case idle
    /// No references but the base count and those of mappings (`R - M == idle`). Strict's choice.
    case unpinned

    var value: folio_idle_condition {
      switch self {
      case .idle: FOLIO_IDLE
      case .unpinned: FOLIO_UNPINNED
      }
    }
  }

  /// The condition that the map's rules wait for.
  ///
  /// Under kernel rules a wait for `.idle` outlasts the last pin when a mapping came back meanwhile
  /// (hazard C41); a wait for `.unpinned` on FS_DAX pages under kernel or legacy rules is never woken
  /// by an unpin.
  public var idleCondition: IdleCondition { rules == .strict ? .unpinned : .idle }

  /// Whether the folio of a frame meets the condition now. ACQ-LD. True when the map has gone: its
  /// struct pages go when they are idle. Stops when the frame is not of this map.
  public func isIdle(frame: UInt, _ condition: IdleCondition? = nil) -> Bool {
    precondition(frames.contains(frame), "frame \(frame) is not in \(frames)")
    return withStructPages {
      unsafe folio_is_idle(folio(frame), (condition ?? idleCondition).value)
    } ?? true
  }

  /// Sleeps until the folio of a frame is idle.
  ///
  /// A condition that holds beats a cancellation. Holds the map: `unmap()` of another thread waits
  /// for the end of this. Context: not in a read scope.
  ///
  /// - Parameters:
  ///   - frame: any frame of the folio.
  ///   - condition: what to wait for; nil: what the map's rules wait for.
  ///   - timeout: how long at most; nil: for ever.
  ///   - mode: what may end the wait early.
  /// - Throws: `outOfRange`; `dead` when the map is going; `interrupted` when the token fired;
  ///   `timedOut`.
  public func waitUntilIdle(
    frame: UInt, _ condition: IdleCondition? = nil, timeout: Duration? = nil,
    mode: WaitMode = .uninterruptible
  ) throws(PageMapError) {
    guard frames.contains(frame) else { throw PageMapError(.outOfRange, frame: frame) }
    var options = unsafe mode.options
    if let timeout { unsafe options.timeout_ns = max(timeout.nanoseconds, 1) }
    try takeMapReference(frame)
    defer { dropMapReference() }
    let result = unsafe folio_wait_idle(
      folio(frame), (condition ?? idleCondition).value, &options)
    if result < 0 { throw PageMapError(.interrupted, frame: frame) }
    if timeout != nil && result == 0 { throw PageMapError(.timedOut, frame: frame) }
  }
}

extension Duration {
  /// Whole nanoseconds, saturating.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return seconds < 0 ? 0 : Int64.max / 2 }
    return min(scaled, Int64.max / 2) + attoseconds / 1_000_000_000
  }
}
