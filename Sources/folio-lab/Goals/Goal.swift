// SPDX-License-Identifier: MIT

// One goal of the lab: what was asked, what was reached, and what the difference means.

import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

struct Goal: Codable {
  enum Verdict: String, Codable {
    case reached
    /// A time or a rate that was not reached.
    case missed = "MISSED"
    /// An equality that does not hold, or something that could not be measured.
    case failed = "FAILED"
  }

  var id: String
  var asked: String
  var reached: String
  var verdict: Verdict
  /// Of a time or rate: how much is missing, 1 is just reached.
  var factor: Double?
  /// What explains a missed time or rate, measured in the same run.
  var profile: [String] = []

  /// Missed by more than a factor of 2.
  var isFar: Bool { verdict == .missed && factor ?? 1 > 2 }

  /// A thing that is so or is not.
  static func check(_ id: String, _ asked: String, _ reached: String, _ holds: Bool) -> Goal {
    Goal(id: id, asked: asked, reached: reached, verdict: holds ? .reached : .failed)
  }

  static func equal(_ id: String, _ what: String, _ asked: Int, _ reached: Int) -> Goal {
    check(id, "\(what) = \(asked.grouped)", reached.grouped, asked == reached)
  }

  /// A time in seconds.
  static func time(_ id: String, _ what: String, _ asked: Double, _ seconds: Double, _ note: String)
    -> Goal
  {
    Goal(
      id: id, asked: "\(what) <= \(asked.short) s", reached: "\(seconds.digits(3)) s\(note)",
      verdict: seconds <= asked ? .reached : .missed, factor: seconds / asked)
  }

  /// Millions per second.
  static func rate(_ id: String, _ what: String, _ asked: Double, _ rate: Double, _ note: String)
    -> Goal
  {
    Goal(
      id: id, asked: "\(what) >= \(asked.short) M/s", reached: "\(rate.digits(2)) M/s\(note)",
      verdict: rate >= asked ? .reached : .missed, factor: asked / rate)
  }

  var lines: [String] {
    var lines = [
      "\(verdict.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0))"
        + "\(id.padding(toLength: 4, withPad: " ", startingAt: 0)) \(asked): \(reached)"
    ]
    if verdict == .missed, let factor {
      lines[0] += " (\(factor.digits(2)) times what was asked)"
    }
    if verdict != .reached { lines += profile.map { "             \($0)" } }
    return lines
  }
}

/// Seconds of processor time beside those of the clock: on a machine that others use too, only the
/// first say something about the code.
struct Stopwatch {
  var processor = 0.0
  var clock = 0.0

  static func time<E: Error, Value>(_ body: () throws(E) -> Value) throws(E) -> (
    value: Value, time: Stopwatch
  ) {
    let begin = (Self.now(CLOCK_PROCESS_CPUTIME_ID), Self.now(CLOCK_MONOTONIC))
    let value = try body()
    let end = (Self.now(CLOCK_PROCESS_CPUTIME_ID), Self.now(CLOCK_MONOTONIC))
    return (value, Stopwatch(processor: end.0 - begin.0, clock: end.1 - begin.1))
  }

  private static func now(_ clock: clockid_t) -> Double {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Beside a figure of processor time.
  var note: String { " of processor time, \(clock.digits(3)) s by the clock" }
}

extension Double {
  /// 2.0 as 2, 0.25 as 0.25.
  var short: String { self == rounded() ? String(Int(self)) : String(self) }
}
