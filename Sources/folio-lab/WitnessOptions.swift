// SPDX-License-Identifier: MIT

// Where a failing execution is shown: on standard output, and in the files that the user asks for.

import ArgumentParser
import FolioLab
import FolioTools
import Foundation

struct WitnessOptions: ParsableArguments {
  @Option(help: "Draw the failing execution in this SVG file.") var svg: String?
  @Option(help: "Show the failing execution in this HTML page.") var html: String?
  @Option(help: "Write a program that fails in the same way: a .c or .swift file.")
  var reproducer: String?

  func validate() throws {
    if let reproducer, !reproducer.hasSuffix(".c"), !reproducer.hasSuffix(".swift") {
      throw ValidationError("a reproducer is a .c or .swift file")
    }
  }

  /// Prints the witness, marked for a terminal if that is where it goes, and writes the files.
  func show(_ witness: Witness) throws(ToolError) {
    print(witness.text(style: isatty(STDOUT_FILENO) == 1 ? .terminal : .plain), terminator: "")
    try write(witness)
  }

  /// Writes the files only.
  func write(_ witness: Witness) throws(ToolError) {
    try write(witness.svg(), to: svg)
    try write(witness.html(), to: html)
    if let reproducer {
      let isC = reproducer.hasSuffix(".c")
      try write(isC ? witness.cReproducer() : witness.swiftReproducer(), to: reproducer)
    }
  }

  private func write(_ text: @autoclosure () -> String, to path: String?) throws(ToolError) {
    guard let path else { return }
    try ReportFile(path).write(Data(text().utf8))
  }
}
