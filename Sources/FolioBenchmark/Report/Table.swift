// SPDX-License-Identifier: MIT

// The table that a person reads: one row per operation and configuration, its peers' ratios beside
// it, the gates below, and as the last line how much was done.

/// How text may be dressed up.
package struct TextStyle: Sendable {
  package var usesColor: Bool

  package init(usesColor: Bool) {
    self.usesColor = usesColor
  }

  func green(_ text: String) -> String { usesColor ? "\u{1b}[32m\(text)\u{1b}[0m" : text }
  func red(_ text: String) -> String { usesColor ? "\u{1b}[31;1m\(text)\u{1b}[0m" : text }
  func bold(_ text: String) -> String { usesColor ? "\u{1b}[1m\(text)\u{1b}[0m" : text }
  func dim(_ text: String) -> String { usesColor ? "\u{1b}[2m\(text)\u{1b}[0m" : text }
}

/// Lays out measurements.
package struct ResultTable {
  let measurements: [Measurement]
  let skipped: [String]
  let style: TextStyle

  package init(_ measurements: [Measurement], skipped: [String] = [], style: TextStyle) {
    self.measurements = measurements
    self.skipped = skipped
    self.style = style
  }

  private static let nameWidth = 32
  /// Columns of the part that shows peers.
  private static let peersWidth = 78

  /// The whole table, lines ending in newlines.
  package func render() -> String {
    var lines = [style.bold(header), style.dim(String(repeating: "-", count: header.count))]
    var last = ""
    for measurement in measurements {
      lines += rows(measurement, repeatsName: measurement.operation == last)
      last = measurement.operation
    }
    lines += failureLines
    if !skipped.isEmpty { lines += [""] + skipped.map { "skipped: \($0)" } }
    lines += gateLines
    lines += ["", summary]
    return lines.joined(separator: "\n") + "\n"
  }

  private var header: String {
    "operation".padded(Self.nameWidth) + "  T  state     pages       cost        p99  ok  "
      + "against its peers: ours / theirs"
  }

  private func rows(_ measurement: Measurement, repeatsName: Bool) -> [String] {
    let name = measurement.operation.padded(Self.nameWidth)
    let figures = [
      repeatsName ? style.dim(name) : name,
      "\(measurement.threads)".padded(2, right: true),
      " " + measurement.state.rawValue.padded(4),
      Format.pages(measurement.pages).padded(8, right: true),
      Format.cost(measurement.ours.median, measurement.unit).padded(10, right: true),
      Format.cost(measurement.ours.p99, measurement.unit).padded(10, right: true),
      measurement.verified ? style.green(" ✓") : style.red(" ✗"),
    ]
    let indent = String(repeating: " ", count: Self.nameWidth + 49)
    var lines = [figures.joined(separator: " ") + "  "]
    var room = Self.peersWidth
    for peer in measurement.peers {
      let (plain, styled) = text(of: peer, measurement)
      if plain.count > room && room < Self.peersWidth {
        lines.append(indent)
        room = Self.peersWidth
      }
      lines[lines.count - 1] += styled + "  "
      room -= plain.count + 2
    }
    return lines.map { line in
      String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  private func text(of peer: SideMeasurement, _ measurement: Measurement)
    -> (plain: String, styled: String)
  {
    if let reason = peer.refused {
      let text = "\(peer.name) refused (\(reason))"
      return (text, text)
    }
    let ratio = measurement.ratio(to: peer).map { Format.ratio($0) } ?? "-"
    return ("\(peer.name) \(ratio)", "\(peer.name) \(style.bold(ratio))")
  }

  private var failureLines: [String] {
    let failed = measurements.filter { !$0.verified }
    guard !failed.isEmpty else { return [] }
    var lines = [""]
    for measurement in failed {
      lines.append(
        style.red(
          "FAILED \(measurement.operation), \(measurement.threads)T \(measurement.state.rawValue), "
            + "\(measurement.pages) pages: \(measurement.verifier.failureCount) of "
            + "\(measurement.verifier.checks) checks"))
      lines += measurement.verifier.failures.map { "  \($0)" }
    }
    return lines
  }

  private var gateLines: [String] {
    let verdicts = Gate.all.compactMap { $0.verdict(measurements) }
    guard !verdicts.isEmpty else { return [] }
    return ["", style.bold("gates")]
      + verdicts.map { verdict in
        let mark = verdict.holds ? style.green("pass") : style.red("FAIL")
        return "  \(mark)  \(verdict.id.padded(3))  "
          + "\(Format.ratio(verdict.value).padded(7, right: true))  <= "
          + "\(Format.ratio(verdict.limit).padded(6))  \(verdict.text)"
      }
  }

  /// The last line: operations x pages x checks.
  var summary: String {
    let operations = Set(measurements.map(\.operation)).count
    let pages = measurements.map(\.pages).reduce(0, +)
    let checks = measurements.map(\.verifier.checks).reduce(0, +)
    let failed = measurements.map(\.verifier.failureCount).reduce(0, +)
    let line =
      "\(Format.grouped(operations)) operations x \(Format.grouped(pages)) pages x "
      + "\(Format.grouped(checks)) checks"
    return failed == 0
      ? style.green("\(line), all as the model says")
      : style.red("\(line), \(Format.grouped(failed)) FAILED")
  }
}

/// Figures as text.
enum Format {
  /// Three significant digits or so, never an exponent.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    let digits = abs(value) >= 100 ? 0 : abs(value) >= 10 ? 1 : 2
    return fixed(value, digits)
  }

  static func ratio(_ value: Double) -> String {
    fixed(value, value < 0.1 ? 4 : 2)
  }

  static func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = (abs(value) * Double(scale)).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    let whole = Int(scaled) / scale
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    let fraction = "\(Int(scaled) % scale)"
    return "\(sign)\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }

  /// A cost with its unit, nanoseconds scaled to be read.
  static func cost(_ value: Double, _ unit: String) -> String {
    switch unit {
    case "ns/op":
      if value >= 1_000_000 { return "\(number(value / 1_000_000)) ms" }
      if value >= 10_000 { return "\(number(value / 1000)) µs" }
      return "\(number(value)) ns"
    case "bytes/page": return "\(number(value)) B"
    case "instructions": return "\(number(value)) ins"
    default: return "\(number(value)) \(unit)"
    }
  }

  /// Powers of two from 2^10 by their exponent.
  static func pages(_ pages: Int) -> String {
    pages >= 1024 && pages & (pages - 1) == 0 ? "2^\(pages.trailingZeroBitCount)" : "\(pages)"
  }

  /// Thousands separated by commas.
  static func grouped(_ value: Int) -> String {
    var digits = Array(String(value))
    var place = digits.count - 3
    while place > 0 {
      digits.insert(",", at: place)
      place -= 3
    }
    return String(digits)
  }
}

extension String {
  /// Padded with spaces to a width; longer ones stay.
  func padded(_ width: Int, right: Bool = false) -> String {
    let fill = String(repeating: " ", count: max(0, width - count))
    return right ? fill + self : self + fill
  }
}
