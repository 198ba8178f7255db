// SPDX-License-Identifier: MIT

// A point in time of the monotonic clock.

import CFolio

/// When something has to be over.
struct Deadline {
  private let end: Int64

  init(_ seconds: Double) {
    end = cfolio_clock_ns() &+ Int64(min(seconds, 1e9) * 1e9)
  }

  /// Seconds, 0 when it has passed.
  var left: Double { max(0, Double(end - cfolio_clock_ns()) / 1e9) }
  var isOver: Bool { cfolio_clock_ns() >= end }
}
