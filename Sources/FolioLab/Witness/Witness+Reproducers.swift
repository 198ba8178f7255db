// SPDX-License-Identifier: MIT

// A witness as a program that fails as it did: for a bug report, or for a test until the bug is gone.

extension Witness {
  /// A main.swift for a package that depends on the product FolioLab with the trait Lab. It ends with 1
  /// when the execution fails as it did, with 2 when it fails otherwise, with 0 when it does not
  /// fail, and with 77 when it cannot be run. A scenario that is not in the library is given to
  /// `LabReplay` as its second argument.
  public func swiftReproducer() -> String {
    let run = ReplayToken(token) == nil ? choiceLines : tokenLines
    return
      (comment("//") + [""] + run + [
        "  guard let finding = found else { exit(0) }",
        "  exit(finding.invariant == \(finding.invariant.literal) ? 1 : 2)",
        "} catch {",
        "  print(error)",
        "  exit(77)",
        "}",
      ]).joined(separator: "\n") + "\n"
  }

  private var tokenLines: [String] {
    [
      "import FolioLab",
      "import Glibc",
      "",
      "do {",
      "  let replay = try LabReplay(token: \(token.literal))",
      "  print(replay.message)",
      "  let found = replay.finding",
    ]
  }

  /// For a token of another kind: the threads of the steps.
  private var choiceLines: [String] {
    let choices = finding.trace.choices
    let lines = stride(from: 0, to: choices.count, by: 24).map { start in
      "  " + choices[start..<min(start + 24, choices.count)].map { "\($0)," }.joined(separator: " ")
    }
    let mutant = mutant.map { "Mutant.named(\($0.id.literal))" } ?? "nil"
    return [
      "import FolioCore",
      "import FolioLab",
      "import FolioWorkloads",
      "import Glibc",
      "",
      "let choices: [UInt8] = [",
    ] + lines + [
      "]",
      "let mutant: Mutant? = \(mutant)",
      "guard let scenario = Scenario.named(\(scenario.literal)), Mutant.switch(mutant) else {",
      "  print(\"the scenario is not here, or this is no build with the trait Lab\")",
      "  exit(77)",
      "}",
      "do {",
      "  let world = try LabWorld(",
      "    scenario, rules: PageMap.Rules(rawValue: \(rules.literal)), size: \(size))",
      "  let found = world.replay(choices).finding",
      "  print(found.map { \"\\($0.invariant): \\($0.message)\" } ?? \"no violation\")",
    ]
  }

  /// A C program that links FolioLab, built with the trait Lab; it ends as the Swift one does. The
  /// scenario is Swift and the schedule is the engine's, so it calls folio_lab_replay(): native
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
      \t\treturn 77;
      \tif (result == 0)
      \t\treturn 0;
      \treturn strncmp(message, invariant, sizeof(invariant) - 1) == 0 ? 1 : 2;
      }

      """
  }

  /// What the program shows, as lines of a comment that nothing in them can end.
  private func comment(_ prefix: String) -> [String] {
    var lines = ["\(scenario): \(finding.invariant)"] + finding.message.wrapped(to: 90)
    lines += [
      "\(circumstances).", "Ends with 1: it fails so; 2: otherwise; 0: not; 77: cannot run.",
    ]
    return lines.map {
      let text = String(
        $0.map { $0.isNewline ? " " : $0 == "*" ? "+" : $0 })
      return "\(prefix) \(text)"
    }
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
