// SPDX-License-Identifier: MIT

// How a failing execution is shown: text, picture, page, sources, report. All from executions written by
// hand, so these run in every build.

import FolioLab
import FolioWorkloads
import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite("Witnesses")
struct WitnessTests {
  static let all: [Witness] = [
    HandMade.lostUpdate, HandMade.gracePeriods, HandMade.halves, HandMade.hostile,
    HandMade.atTheEnd,
    HandMade.long(12), HandMade.long(300), HandMade.long(3000, threads: 15),
  ]

  // MARK: Golden files

  /// Compares with a committed file; with FOLIO_WRITE_GOLDEN=1 in the environment it writes it.
  private func compare(_ text: String, _ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let file = folder.appendingPathComponent("Golden").appendingPathComponent(name)
    if ProcessInfo.processInfo.environment["FOLIO_WRITE_GOLDEN"] == "1" {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    let golden = try String(contentsOf: file, encoding: .utf8)
    let (new, old) = (text.split(separator: "\n"), golden.split(separator: "\n"))
    for (index, lines) in zip(new, old).enumerated() where lines.0 != lines.1 {
      Issue.record("\(name), line \(index + 1): \(lines.0)")
      return
    }
    #expect(text == golden)
  }

  @Test("the text and the picture of a lost update are the committed ones")
  func golden() throws {
    try compare(HandMade.lostUpdate.text(), "lost-update.txt")
    try compare(HandMade.lostUpdate.svg(), "lost-update.svg")
    try compare(HandMade.gracePeriods.text(), "grace-periods.txt")
    try compare(HandMade.lostUpdate.swiftReproducer(), "lost-update.swift.txt")
    try compare(HandMade.lostUpdate.cReproducer(), "lost-update.c.txt")
  }

  // MARK: Limits

  @Test("text has at most 30 lines and 100 columns", arguments: all)
  func textLimits(_ witness: Witness) {
    let lines = witness.text().split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(lines.count <= 30)
    let tooLong = lines.filter { $0.count > 100 }
    #expect(tooLong.isEmpty)
    #expect(lines.allSatisfy { $0.last != " " })
    // The step that failed is there, whatever was folded.
    #expect(witness.text().contains("\(witness.finding.trace.steps.count - 1)  "))
  }

  @Test("a terminal's text is the plain one with bold instead of asterisks", arguments: all)
  func terminal(_ witness: Witness) {
    let text = witness.text(style: .terminal)
    var bare = ""
    var isEscape = false
    for scalar in text.unicodeScalars {
      if scalar == "\u{1b}" { isEscape = true }
      if !isEscape { bare.unicodeScalars.append(scalar) }
      if isEscape && scalar == "m" { isEscape = false }
    }
    let plain = witness.text().split(separator: "\n").filter { !$0.hasPrefix("* its") }
    let other = bare.split(separator: "\n").filter { !$0.hasPrefix("bold") }
    #expect(plain.count == other.count)
    for (a, b) in zip(plain, other) {
      let marked =
        a.hasPrefix("*!")
        ? "! " + a.dropFirst(2) : a.hasPrefix("*") ? " " + a.dropFirst() : String(a)
      #expect(marked == b)
    }
    let bold = text.split(separator: "\n").count { $0.hasPrefix("\u{1b}[1m") }
    #expect(bold == plain.count { $0.hasPrefix("*") })
  }

  @Test("a picture has at most 30 KiB and is XML of its own", arguments: all)
  func picture(_ witness: Witness) throws {
    let svg = witness.svg()
    #expect(svg.utf8.count <= 30 * 1024)
    let parser = XMLParser(data: Data(svg.utf8))
    let texts = Texts()
    parser.delegate = texts
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(texts.names.first == "svg")
    for element in ["script", "image", "foreignObject", "use", "a"] {
      #expect(!texts.names.contains(element))
    }
    // Nothing from elsewhere: no address but the namespace, no import, no url but the arrow's tip.
    #expect(svg.components(separatedBy: "http").count == 2)
    #expect(!svg.contains("@import") && !svg.contains("@font-face"))
    let urls = svg.components(separatedBy: "url(").dropFirst()
    #expect(urls.allSatisfy { $0.hasPrefix("#tip)") })
    for thread in witness.threads where thread.count < 12 {
      #expect(texts.text.contains(clean(thread)))
    }
  }

  /// As XML can have it.
  private func clean(_ text: String) -> String {
    String(
      String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 ? "\u{fffd}" : $0 }))
  }

  private final class Texts: NSObject, XMLParserDelegate {
    var names: [String] = []
    var text = ""

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) { names.append(name) }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
  }

  @Test("boxes do not overlap and nothing leaves the picture", arguments: all)
  func geometry(_ witness: Witness) throws {
    struct Box { let x, y, width, height: Int }
    let svg = witness.svg()
    func number(_ line: Substring, _ name: String) -> Int? {
      line.firstRange(of: " \(name)=\"").flatMap {
        Int(line[$0.upperBound...].prefix { $0.isNumber || $0 == "-" })
      }
    }
    func boxes(_ style: String) -> [Box] {
      svg.split(separator: "\n").filter { $0.hasPrefix("<rect") && $0.contains("class=\"\(style)") }
        .compactMap { line in
          guard let x = number(line, "x"), let y = number(line, "y"),
            let width = number(line, "width"), let height = number(line, "height")
          else { return nil }
          return Box(x: x, y: y, width: width, height: height)
        }
    }
    let head = try #require(svg.split(separator: "\n").first { $0.hasPrefix("<svg") })
    let (width, height) = (
      try #require(number(head, "width")), try #require(number(head, "height"))
    )
    let steps = boxes("b").filter { $0.height >= 14 }
    #expect(steps.count >= 2)
    for (index, a) in steps.enumerated() {
      #expect(a.x >= 0 && a.x + a.width <= width && a.y >= 0 && a.y + a.height <= height)
      for b in steps[(index + 1)...] {
        let apart =
          a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y
          || b.y + b.height <= a.y
        #expect(apart)
      }
    }
  }

  // MARK: Escaping

  @Test("what names and messages hold stays text")
  func escaping() throws {
    let witness = HandMade.hostile
    let html = witness.html()
    #expect(!html.contains("<script>alert"))
    #expect(html.components(separatedBy: "<script>").count == 2)
    #expect(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
    #expect(!witness.svg().contains("<script"))
    // A comment of C ends where it should; a terminal gets no escapes.
    let c = witness.cReproducer().components(separatedBy: "*/\n")
    #expect(c.count == 2 && c[0].hasSuffix("\n "))
    #expect(c[1].contains("\"*/ \\\": \"") && c[1].contains("\"not:\\\"a\\011token\\\\\""))
    #expect(!witness.text().unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    let code = witness.swiftReproducer().split(separator: "\n").filter { !$0.hasPrefix("//") }
    #expect(!code.contains { $0.contains("\u{7}") })
    #expect(code.contains { $0.contains("\\\"") })
    #expect(code.contains { $0.contains("let choices: [UInt8]") })
  }

  @Test("a page has the picture, the token, every step and the mutant's story")
  func page() {
    let witness = HandMade.lostUpdate
    let html = witness.html()
    #expect(html.contains(witness.svg()))
    #expect(html.contains("<pre>folio-lab replay \(witness.token)</pre>"))
    #expect(html.contains(witness.mutant!.story))
    #expect(
      html.components(separatedBy: "<tr class").count == witness.finding.trace.steps.count + 1)
    #expect(!html.contains("src=") && !html.contains("<link"))
    #expect(!HandMade.gracePeriods.html().contains("<section>"))
  }

  // MARK: Colours

  @Test("both palettes colour the same things, and text can be read on them")
  func palettes() throws {
    let svg = HandMade.gracePeriods.svg()
    let sheet = try #require(
      svg.components(separatedBy: "<style>").last?.components(separatedBy: "</style>").first)
    let parts = sheet.components(separatedBy: "@media (prefers-color-scheme:dark){")
    #expect(parts.count == 2)
    func colours(_ text: String) -> [String: String] {
      var colours: [String: String] = [:]
      for line in text.split(separator: "\n") {
        guard let open = line.firstIndex(of: "{"), line.contains(":#") else { continue }
        let rule = line[open...].dropFirst().dropLast().split(separator: ":")
        colours["\(line[..<open]) \(rule[0])"] = String(rule[1])
      }
      return colours
    }
    let (light, dark) = (colours(parts[0]), colours(parts[1]))
    #expect(light.count > 20)
    #expect(Set(light.keys) == Set(dark.keys))
    func luminance(_ colour: String) throws -> Double {
      let value = try #require(Int(colour.dropFirst(), radix: 16))
      let parts = [16, 8, 0].map { shift -> Double in
        let part = Double(value >> shift & 255) / 255
        return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4)
      }
      return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    }
    for palette in [light, dark] {
      for text in ["text fill", ".q fill", ".e fill"] {
        for ground in [".bg fill", ".b fill", ".bm fill", ".bf fill", ".rs fill", ".gp fill"] {
          let pair = try [palette[text], palette[ground]].map { try luminance(#require($0)) }
          let contrast = (pair.max()! + 0.05) / (pair.min()! + 0.05)
          #expect(contrast >= 4.5, "\(text) on \(ground): \(contrast)")
        }
      }
    }
  }

  // MARK: Report

  @Test("a report survives JSON", arguments: all)
  func json(_ witness: Witness) throws {
    let report = witness.report()
    let data = try JSONEncoder().encode(report)
    #expect(try JSONDecoder().decode(Witness.Report.self, from: data) == report)
    #expect(report.steps.count == witness.finding.trace.steps.count)
    #expect(report.witness == witness)
    #expect(report.preemptions == witness.finding.trace.preemptions)
  }
}
