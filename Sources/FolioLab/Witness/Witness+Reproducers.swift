// SPDX-License-Identifier: MIT

// A witness as a program that fails as it did: for a bug report, or for a test until the bug is gone.

extension Witness {
  /// A main.swift for a package that depends on the product FolioLab with the trait Lab. It ends with 0
  /// when the violation is back, with 1 when the execution does not fail in that way, else with
  /// 2. A scenario of the package's own goes where `Scenario.named` is.
  public func swiftReproducer() -> String {
    var lines = comment("//")
    lines += [
      "",
      "import FolioCore",
      "import FolioLab",
      "import FolioWorkloads",
      "import Glibc",
      "",
      "guard let scenario = Scenario.named(\(scenario.literal)) else {",
      "  print(\"the scenario is not here\")",
      "  exit(2)",
      "}",
    ]
    let replay: String
    if ReplayToken(token) != nil {
      lines += [
        "guard let token = ReplayToken(\(token.literal)) else {",
        "  print(\"the token cannot be read\")",
        "  exit(2)",
        "}",
      ]
      replay = "world.replay(token)"
    } else {
      lines += choiceLines
      replay = "world.replay(choices)"
    }
    if let mutant {
      lines += [
        "guard let mutant = Mutant.named(\(mutant.id.literal)), Mutant.switch(mutant) else {",
        "  print(\"the mutant is not here\")",
        "  exit(2)",
        "}",
      ]
    }
    lines += [
      "let world = try LabWorld(scenario, rules: PageMap.Rules(rawValue: \(rules.literal)),"
        + " size: \(size))",
      "guard let finding = \(replay).finding else {",
      "  print(\"no violation\")",
      "  exit(1)",
      "}",
      "print(\"\\(finding.invariant): \\(finding.message)\")",
      "exit(finding.invariant == \(finding.invariant.literal) ? 0 : 1)",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  /// A C program that links FolioLab, built with the trait Lab; its results are those of the Swift
  /// one. The scenario is Swift and the schedule is the engine's, so it calls folio_lab_replay(): native
  /// threads that take turns could not stop inside of the library's functions.
  public func cReproducer() -> String {
    let text = comment(" *").joined(separator: "\n")
    return """
      /*
      \(text)
       */
      #include <stdio.h>
      #include <string.h>

      #include <lab/replay.h>

      int main(void)
      {
      \tstatic const char token[] =
      \t\t\(token.literalOfC);
      \tstatic const char invariant[] = \((finding.invariant + ": ").literalOfC);
      \tchar message[512];
      \tint result = folio_lab_replay(token, message, sizeof(message));

      \tprintf("%s\\n", message);
      \tif (result < 0)
      \t\treturn 2;
      \treturn result == 1 && strncmp(message, invariant, sizeof(invariant) - 1) == 0 ? 0 : 1;
      }

      """
  }

  /// What the program shows, as lines of a comment that nothing in them can end.
  private func comment(_ prefix: String) -> [String] {
    var lines = ["\(scenario): \(finding.invariant)"] + finding.message.wrapped(to: 90)
    lines += ["\(circumstances).", "0: it is back; 1: it is not; 2: it cannot be run."]
    return lines.map {
      let text = String(
        $0.map { $0.isNewline ? " " : $0 == "*" ? "+" : $0 })
      return "\(prefix) \(text)"
    }
  }

  private var choiceLines: [String] {
    let choices = finding.trace.choices
    var lines = ["let choices: [UInt8] = ["]
    for start in stride(from: 0, to: choices.count, by: 24) {
      let part = choices[start..<min(start + 24, choices.count)]
      lines.append("  " + part.map { "\($0)," }.joined(separator: " "))
    }
    return lines + ["]"]
  }
}

extension String {
  /// As a literal of Swift.
  var literal: String { quoted { "\\u{\(String($0, radix: 16))}" } }

  /// As a literal of C: bytes that are not printable ASCII in octal.
  var literalOfC: String {
    var text = "\""
    for byte in utf8 {
      switch byte {
      case 0x22, 0x5c: text += "\\" + String(UnicodeScalar(byte))
      // Two question marks would begin a trigraph.
      case 0x20..<0x7f where byte != 0x3f: text += String(UnicodeScalar(byte))
      default:
        let digits = String(byte, radix: 8)
        text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
      }
    }
    return text + "\""
  }

  private func quoted(_ escape: (UInt32) -> String) -> String {
    var text = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"", "\\": text += "\\" + String(scalar)
      case _ where scalar.value < 0x20 || scalar.value == 0x7f: text += escape(scalar.value)
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
