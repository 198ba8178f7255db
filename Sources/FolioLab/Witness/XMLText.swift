// SPDX-License-Identifier: MIT

// Text that goes into XML and HTML.

extension String {
  /// Safe between tags and in attributes with double quotes. Characters that XML does not allow
  /// become U+FFFD.
  var escaped: String {
    var result = ""
    result.reserveCapacity(utf8.count)
    for scalar in unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n", "\r": result.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20 || scalar.value == 0xfffe || scalar.value == 0xffff:
        result.unicodeScalars.append("\u{fffd}")
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// Elements of a drawing, in the order in which they are painted.
struct Drawing {
  private(set) var text = ""

  mutating func raw(_ line: String) { text += line + "\n" }

  mutating func rect(
    _ x: Int, _ y: Int, _ width: Int, _ height: Int, _ style: String, radius: Int = 0
  ) {
    let round = radius > 0 ? " rx=\"\(radius)\"" : ""
    raw(
      "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(width)\" height=\"\(height)\"\(round) class=\"\(style)\"/>"
    )
  }

  mutating func line(_ x1: Int, _ y1: Int, _ x2: Int, _ y2: Int, _ style: String) {
    path("M\(x1) \(y1)" + (x1 == x2 ? "V\(y2)" : y1 == y2 ? "H\(x2)" : "L\(x2) \(y2)"), style)
  }

  mutating func path(_ path: String, _ style: String) {
    raw("<path d=\"\(path)\" class=\"\(style)\"/>")
  }

  mutating func circle(_ x: Int, _ y: Int, _ radius: Int, _ style: String) {
    raw("<circle cx=\"\(x)\" cy=\"\(y)\" r=\"\(radius)\" class=\"\(style)\"/>")
  }

  mutating func text(_ x: Int, _ y: Int, _ text: String, _ style: String) {
    raw("<text x=\"\(x)\" y=\"\(y)\" class=\"\(style)\">\(text.escaped)</text>")
  }
}
