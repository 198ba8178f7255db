// SPDX-License-Identifier: MIT

// Two reports side by side: what became slower, what faster. Ratios to a peer of the same run are
// compared where both reports have them, because they do not depend on the machine's mood; times
// only where they have not.

package import FolioTools
import Foundation

/// The comparison of two reports.
package struct Comparison: Sendable {
  /// What two results must have in common.
  struct Key: Hashable, Sendable {
    let name: String
    let threads: Int
    let pages: Int
    let state: CacheState
    let peer: String?

    init(_ result: BenchmarkResult) {
      name = result.name
      threads = result.threads
      pages = result.pages
      state = result.state
      peer = result.peer
    }
  }

  /// One result in both reports.
  package struct Row: Sendable {
    package let name: String
    package let threads: Int
    package let pages: Int
    package let state: CacheState
    package let peer: String?
    /// Compared by ratio; otherwise by median.
    package let usesRatio: Bool
    package let old: Double
    package let new: Double
    package let unit: String
    package let verified: Bool

    /// Growth in percent: positive is slower.
    package var change: Double { old > 0 ? (new / old - 1) * 100 : new > 0 ? .infinity : 0 }
  }

  package let rows: [Row]
  package let onlyOld: [String]
  package let onlyNew: [String]

  /// - Throws: `dataError` when the reports have no result in common.
  package init(old: BenchmarkReport, new: BenchmarkReport) throws(ToolError) {
    let before = Dictionary(
      old.results.map { (Key($0), $0) }, uniquingKeysWith: { first, _ in first })
    let after = Set(new.results.map(Key.init))
    rows = new.results.compactMap { result in
      before[Key(result)].map { Self.row($0, result) }
    }
    onlyOld = old.results.filter { !after.contains(Key($0)) }.map(Self.title)
    onlyNew = new.results.filter { before[Key($0)] == nil }.map(Self.title)
    guard !rows.isEmpty else {
      throw ToolError(.dataError, "the two reports have no result in common")
    }
  }

  private static func row(_ old: BenchmarkResult, _ new: BenchmarkResult) -> Row {
    var usesRatio = false
    var values = (old.median, new.median)
    if new.peer != nil, let before = old.ratio, let now = new.ratio {
      usesRatio = true
      values = (before, now)
    }
    return Row(
      name: new.name, threads: new.threads, pages: new.pages, state: new.state, peer: new.peer,
      usesRatio: usesRatio, old: values.0, new: values.1, unit: new.unit, verified: new.verified)
  }

  private static func title(_ result: BenchmarkResult) -> String {
    "\(result.name) \(result.threads)T \(result.state.rawValue) \(Format.pages(result.pages)) pages"
      + (result.peer.map { " / \($0)" } ?? "")
  }

  /// Rows that are worse than allowed: slower by more than the percentage, or no longer verified.
  package func failures(over percent: Double?) -> [Row] {
    rows.filter { row in
      !row.verified || percent.map { row.change > $0 } ?? false
    }
  }

  /// The table, worst change first, and a last line that sums up.
  package func render(failOver percent: Double?, style: TextStyle) -> String {
    let failed = failures(over: percent)
    var lines = [
      style.bold(
        "operation".padded(34) + " T  state    pages  "
          + "peer".padded(32) + "       old        new    change")
    ]
    for row in rows.sorted(by: { $0.change > $1.change }) {
      lines.append(line(row, failOver: percent, style))
    }
    lines += onlyOld.map {
      percent == nil ? "only in the old report: \($0)" : style.red("lost: \($0)")
    }
    lines += onlyNew.map { "only in the new report: \($0)" }
    let limit = percent.map { " by more than \(Format.number($0)) %" } ?? ""
    lines.append("")
    lines.append(
      "\(rows.count) results compared, "
        + "\(rows.filter { $0.change > 0 }.count) slower, "
        + "\(rows.filter { $0.change < 0 }.count) faster, "
        + "\(failed.count) failed\(limit)"
        + (onlyOld.isEmpty ? "" : ", \(onlyOld.count) lost"))
    return lines.joined(separator: "\n") + "\n"
  }

  private func line(_ row: Row, failOver percent: Double?, _ style: TextStyle) -> String {
    func value(_ value: Double) -> String {
      let text = row.usesRatio ? "x" + Format.ratio(value) : Format.cost(value, row.unit)
      return text.padded(10, right: true)
    }
    let sign = row.change > 0 ? "+" : ""
    var change = "\(sign)\(Format.fixed(row.change, 1)) %".padded(9, right: true)
    if !row.verified || percent.map({ row.change > $0 }) ?? false {
      change = style.red(change) + (row.verified ? "  worse" : "  not verified")
    } else if row.change < 0 {
      change = style.green(change)
    }
    return row.name.padded(34) + "\(row.threads)".padded(2, right: true) + "  "
      + row.state.rawValue + "  " + Format.pages(row.pages).padded(7, right: true) + "  "
      + (row.peer ?? "-").padded(32) + value(row.old) + " " + value(row.new) + " " + change
  }

  /// Reads two files, prints the comparison, and says how to exit.
  package static func run(
    oldPath: String, newPath: String, failOver percent: Double?, style: TextStyle,
    print output: (String) -> Void
  ) throws(ToolError) -> ToolStatus {
    if let percent, !(percent >= 0 && percent.isFinite) {
      throw ToolError(.usage, "--fail-over takes a percentage of 0 or more")
    }
    let comparison = try Comparison(
      old: BenchmarkReport(contentsOf: oldPath), new: BenchmarkReport(contentsOf: newPath))
    output(comparison.render(failOver: percent, style: style))
    // What is no longer measured may have become as slow as it likes.
    let isComplete = percent == nil || comparison.onlyOld.isEmpty
    return comparison.failures(over: percent).isEmpty && isComplete ? .pass : .failed
  }
}
