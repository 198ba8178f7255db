// SPDX-License-Identifier: MIT

// A witness as text: outcome first, then a column per thread.

extension Witness {
  /// How text marks what matters.
  public enum TextStyle: Sendable, Hashable, CaseIterable {
    /// With an asterisk.
    case plain
    /// In bold, for terminals.
    case terminal
  }

  /// At most so wide, and for the usual witness so long.
  static let textWidth = 100
  static let textLines = 30

  /// Outcome, token and the steps that can have led to the failure: one line each, in its thread's
  /// column, the word that it touched on the right. Lines end with a newline.
  public func text(style: TextStyle = .plain) -> String {
    printable.cleanText(style)
  }

  private func cleanText(_ style: TextStyle) -> String {
    let head = textHead(style)
    let table = TextTable(
      self, style: style, limit: max(Self.textLines - head.count - 4, 4))
    return (head + [""] + table.lines).map { $0.trimmedEnd + "\n" }.joined()
  }

  /// The same without characters that a terminal would obey.
  private var printable: Witness {
    var copy = self
    copy.scenario = scenario.printable
    copy.verdict = verdict.printable
    copy.threads = threads.map(\.printable)
    copy.token = token.printable
    copy.finding.invariant = finding.invariant.printable
    copy.finding.message = finding.message.printable
    copy.mutant?.id = mutant!.id.printable
    for index in steps.indices {
      copy.finding.trace.steps[index].function = steps[index].function.printable
      copy.finding.trace.steps[index].text = steps[index].text.printable
    }
    return copy
  }

  private func textHead(_ style: TextStyle) -> [String] {
    let word = style == .terminal ? "\u{1b}[1;31m\(verdict)\u{1b}[0m" : verdict
    var lines = ["\(word) \(scenario): \(finding.invariant)"]
    lines += finding.message.wrapped(to: Self.textWidth - 2).map { "  \($0)" }
    lines.append("  \(circumstances)")
    lines.append("  token   \(token)")
    lines.append("  replay  \(replayCommand)")
    return lines
  }
}

/// The steps of a witness.
private struct TextTable {
  let witness: Witness
  let style: Witness.TextStyle
  let causality: Causality
  let names: WordNames
  let rows: [WitnessRow]
  /// Columns of a thread; narrow ones only mark whose step it is.
  let isNarrow: Bool
  let lanes: [Int]
  let numberWidth: Int
  let column: Int
  let right: Int

  init(_ witness: Witness, style: Witness.TextStyle, limit: Int) {
    self.witness = witness
    self.style = style
    causality = Causality(witness)
    rows = WitnessRow.rows(causality, limit: limit)
    let names = WordNames(witness.steps)
    self.names = names
    numberWidth = max("\(max(witness.steps.count - 1, 0))".count, 2)
    let wanted = witness.steps.map { TextTable.value($0, names).count }.max() ?? 0
    let left = Witness.textWidth - 4 - numberWidth
    let lanes = max(witness.lanes.count, 1)
    self.lanes = witness.lanes
    // The word gives way before the columns become marks.
    let right = [min(max(wanted, 10), 28), 22, 18].first { (left - $0) / lanes >= 18 } ?? 18
    let column = (left - right) / lanes - 2
    isNarrow = column < 16
    self.column = isNarrow ? 2 : min(column, 36)
    self.right = isNarrow ? min(right, 24) : right
  }

  static func value(_ step: TraceStep, _ names: WordNames) -> String {
    guard let object = step.object, let values = step.values else { return "" }
    return "\(names[object]) \(values)"
  }

  var lines: [String] {
    [heading] + rows.map(line) + [end, legend]
  }

  private func line(gutter: String = " ", number: String, cells: [String], right: String) -> String
  {
    let front = String(repeating: " ", count: max(numberWidth - number.count, 0))
    return "\(gutter.padded(to: 2))\(front)\(number)  "
      + cells.map { $0.padded(to: column) }.joined(separator: isNarrow ? " " : "  ")
      + "  " + right
  }

  private var heading: String {
    let cells = lanes.map { isNarrow ? "\($0)" : witness.name($0) }
    return line(number: "", cells: cells, right: isNarrow ? "" : "word")
  }

  private func line(_ row: WitnessRow) -> String {
    switch row {
    case .folded(let range):
      let front = String(repeating: " ", count: numberWidth + 4)
      return (front + witness.description(ofFolded: range)).cut(to: Witness.textWidth)
    case .step(let index):
      let step = witness.steps[index]
      let isPreempting = witness.finding.trace.preempted(by: index) != nil
      let matters = causality.matters[index]
      var gutter = isPreempting ? "!" : " "
      if matters && style == .plain { gutter = isPreempting ? "*!" : "*" }
      var cells = lanes.map { _ in "" }
      cells[lanes.firstIndex(of: step.thread)!] = isNarrow ? "●" : step.label(width: column)
      var right = Self.value(step, names)
      if isNarrow {
        let room = Witness.textWidth - 6 - numberWidth - 3 * lanes.count - self.right - 2
        right = step.label(width: room).padded(to: room) + " " + right.cut(to: self.right)
      } else {
        right = right.cut(to: self.right)
      }
      let line = line(gutter: gutter, number: "\(index)", cells: cells, right: right)
      return matters && style == .terminal ? "\u{1b}[1m\(line.trimmedEnd)\u{1b}[0m" : line
    }
  }

  /// Where it failed.
  private var end: String {
    guard let failing = causality.failing else {
      return String(repeating: " ", count: numberWidth + 4)
        + "at the end: \(witness.finding.invariant)"
    }
    var cells = lanes.map { _ in "" }
    cells[lanes.firstIndex(of: witness.steps[failing].thread)!] =
      isNarrow ? "^" : "^ \(witness.finding.invariant)"
    return line(number: "", cells: cells, right: isNarrow ? witness.finding.invariant : "")
  }

  private var legend: String {
    let mark = style == .plain ? "* its order with another thread's matters" : "bold: order matters"
    guard isNarrow else { return "\(mark); ! preempts" }
    let names = lanes.map { "\($0) \(witness.name($0))" }
    return "\(mark); ! preempts; \(names.joined(separator: ", "))".cut(to: Witness.textWidth)
  }
}

extension String {
  /// Without blanks at its end.
  var trimmedEnd: String {
    var text = self[...]
    while text.last == " " { text = text.dropLast() }
    return String(text)
  }

  /// Blanks for line ends and tabs, U+FFFD for other control characters.
  var printable: String {
    func isControl(_ scalar: Unicode.Scalar) -> Bool {
      scalar.value < 0x20 || 0x7f...0x9f ~= scalar.value
    }
    guard unicodeScalars.contains(where: isControl) else { return self }
    return String(
      String.UnicodeScalarView(
        unicodeScalars.map { scalar -> Unicode.Scalar in
          isControl(scalar) ? ("\t\n\r".unicodeScalars.contains(scalar) ? " " : "\u{fffd}") : scalar
        }))
  }

  /// Lines of at most `width` characters, broken at blanks where there are any.
  func wrapped(to width: Int) -> [String] {
    var lines: [String] = []
    for word in split(whereSeparator: { $0 == " " || $0.isNewline }) {
      var word = word
      while word.count > width {
        lines.append(String(word.prefix(width)))
        word = word.dropFirst(width)
      }
      if let last = lines.last, last.count + 1 + word.count <= width {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
