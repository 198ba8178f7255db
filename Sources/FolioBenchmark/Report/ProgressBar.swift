// SPDX-License-Identifier: MIT

// The bar on standard error while a run goes on. Only on a terminal; otherwise nothing is drawn.

internal import BenchmarkPeers
import FolioTools

/// Writes to standard error, and draws one line over and over when it is a terminal.
final class ProgressBar {
  private let isDrawn: Bool
  private let style: TextStyle
  private let start = harness_clock_ns()

  init(isDrawn: Bool, style: TextStyle) {
    self.isDrawn = isDrawn
    self.style = style
  }

  /// Shows how far the run is: `done` of `total` units of work, and what comes now.
  func show(done: Double, total: Double, _ what: String) {
    guard isDrawn else { return }
    let width = 28
    let share = min(max(done / max(total, 1), 0), 1)
    let filled = Int((share * Double(width)).rounded(.down))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    let percent = "\(Int(share * 100))%".padded(4, right: true)
    let line = "\(style.green(bar)) \(percent)  ETA \(remaining(share))  \(what.prefix(44))"
    write("\r\u{1b}[2K\(line)")
  }

  private func remaining(_ share: Double) -> String {
    guard share > 0.02 else { return "--:--" }
    let elapsed = Double(harness_clock_ns() - start) / 1e9
    let seconds = Int((elapsed / share * (1 - share)).rounded(.up))
    let rest = "\(seconds % 60)"
    return "\(seconds / 60)".padded(2, right: true) + ":" + (rest.count < 2 ? "0" + rest : rest)
  }

  /// Removes the bar.
  func clear() {
    if isDrawn { write("\r\u{1b}[2K") }
  }

  /// A line of its own.
  func message(_ text: String) {
    clear()
    write(text + "\n")
  }

  private func write(_ text: String) {
    Console.writeRaw(text)
  }
}
