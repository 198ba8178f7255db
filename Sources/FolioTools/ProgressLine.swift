// SPDX-License-Identifier: MIT

// What long work says of itself while it runs, on standard error: a line that is written over on a
// terminal, lines now and then where --progress asks for them, nothing else.

import ArgumentParser
import Foundation
internal import Glibc
import Synchronization

package struct ProgressOptions: ParsableArguments {
  @Flag(help: "Say how far the work is on standard error, where that is no terminal too.")
  var progress = false

  package init() {}

  /// Called first in `run()`: from here on progress is shown, and Ctrl-C ends the work in order.
  package func begin() { ProgressLine.begin(isAsked: progress) }
}

/// One line, shown again and again. Any thread.
package enum ProgressLine {
  private static let isAsked = Atomic<Bool>(false)
  private static let last = Atomic<Int64>(0)
  private static let isTerminal = Terminal.standardErrorIsTerminal

  /// - Parameter isAsked: where standard error is no terminal too.
  package static func begin(isAsked: Bool) {
    self.isAsked.store(isAsked, ordering: .relaxed)
    Tool.catchInterrupts()
  }

  /// One line; dropped when one was shown a moment ago.
  package static func show(_ text: @autoclosure () -> String) {
    guard isTerminal || isAsked.load(ordering: .relaxed) else { return }
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    guard now - last.load(ordering: .relaxed) >= (isTerminal ? 100 : 2000) else { return }
    last.store(now, ordering: .relaxed)
    Console.writeRaw(isTerminal ? "\r\u{1b}[2K\(text().prefix(columns))" : text() + "\n")
  }

  /// The line goes, so that something else can be written.
  package static func end() {
    guard isTerminal else { return }
    Console.writeRaw("\r\u{1b}[2K")
    last.store(0, ordering: .relaxed)
  }

  private static var columns: Int {
    var size = winsize()
    guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else {
      return 99
    }
    return Int(size.ws_col) - 1
  }

  /// 75 as 1:15.
  package static func clock(_ seconds: Double) -> String {
    let all = Int(max(0, seconds).rounded())
    return "\(all / 60):\(all % 60 < 10 ? "0" : "")\(all % 60)"
  }
}
