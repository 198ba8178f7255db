// SPDX-License-Identifier: MIT

// Results of a stress run as a table and as JSON. No Foundation: JSON is
// written by hand.

import FolioCore

/// Renders the results of one `folio-bench stress`.
package struct StressReport: Sendable {
  package let results: [StressResult]
  package let version: String

  package init(_ results: [StressResult], version: String) {
    self.results = results
    self.version = version
  }

  /// Whether every scenario passed.
  package var passed: Bool { results.allSatisfy(\.passed) }

  /// Columns for a person, one line per scenario, then the sum.
  package var table: String {
    var rows = [
      ["scenario", "rules", "threads", "seconds", "operations", "rounds", "faults", "result"]
    ]
    for result in results {
      let verdict =
        result.violationCount > 0
        ? "\(result.violationCount) violations"
        : result.failure != nil
          ? "did not run" : result.hazardCount > 0 ? "ok, \(hazards(result))" : "ok"
      rows.append([
        result.scenario, result.options.rules.rawValue, "\(result.options.threads)",
        Self.seconds(result.seconds), "\(result.totalOperations)",
        "\(result.rounds) (\(result.auditedRounds) audited)", "\(result.faults)", verdict,
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      row.enumerated().map { column, text in
        let space = String(repeating: " ", count: widths[column] - text.count)
        return (2...4).contains(column) || column == 6 ? space + text : text + space
      }.joined(separator: "  ")
    }
    let operations = results.reduce(0) { $0 + $1.totalOperations }
    let violations = results.reduce(0) { $0 + $1.violationCount }
    let last =
      "\(operations) operations in \(results.count) scenarios, \(violations) violations"
    return (lines + [last]).map { $0 + "\n" }.joined()
  }

  private func hazards(_ result: StressResult) -> String {
    let names = result.findings.filter(\.isKnownHazard).map(\.violation.invariant)
    return "\(result.hazardCount) times hazard \(names.joined(separator: ", "))"
  }

  /// The JSON object; `host` is one that the tool makes.
  package func json(host: String) -> String {
    let list = results.map(Self.json).joined(separator: ",\n    ")
    return """
      {
        "schema": 1, "tool": "folio-bench stress", "version": \(Self.quoted(version)),
        "host": \(host),
        "results": [
          \(list)
        ]
      }

      """
  }

  private static func json(_ result: StressResult) -> String {
    let violations = result.findings.map { finding in
      let page = finding.violation.frame.map(String.init) ?? "null"
      return #"{"invariant": \#(quoted(finding.violation.invariant)), "page": \#(page), "#
        + #""message": \#(quoted(finding.violation.message)), "#
        + #""events": [\#(finding.events.map(json).joined(separator: ", "))], "#
        + #""events_from": \#(quoted(name(finding.eventSource))), "#
        + #""replay": \#(quoted(finding.replay)), "hazard": \#(finding.isKnownHazard)}"#
    }.joined(separator: ", ")
    let coverage = result.coverage.map { "\(quoted($0.item.name)): \($0.count)" }
      .joined(separator: ", ")
    let perThread = result.operations.map(String.init).joined(separator: ", ")
    return
      #"{"scenario": \#(quoted(result.scenario)), "#
      + #""rules": \#(quoted(result.options.rules.rawValue)), "#
      + #""threads": \#(result.options.threads), "seed": \#(result.options.seed), "#
      + #""operations": \#(result.totalOperations), "seconds": \#(seconds(result.seconds)), "#
      + #""violations": [\#(violations)], "counters": {"violations": \#(result.violationCount), "#
      + #""hazards": \#(result.hazardCount), "rounds": \#(result.rounds), "#
      + #""audited_rounds": \#(result.auditedRounds), "faults": \#(result.faults), "#
      + #""fault_rate": \#(result.options.faultRate), "interrupted": \#(result.isInterrupted), "#
      + #""coverage": {\#(coverage)}, "#
      + #""operations_per_thread": [\#(perThread)]}}"#
  }

  private static func json(_ event: PageEvent) -> String {
    #"{"time_ns": \#(event.time), "thread": \#(event.thread), "#
      + #""event": \#(quoted(event.kind.name)), "frame": \#(event.frame), "#
      + #""delta": \#(event.delta), "result": \#(event.result)}"#
  }

  private static func name(_ source: StressFinding.EventSource) -> String {
    switch source {
    case .noPage: "no page"
    case .round: "round"
    case .repetition: "traced repetition"
    case .unknown: "untraced round"
    }
  }

  private static func seconds(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  }

  /// A JSON string.
  package static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
