// SPDX-License-Identifier: MIT

import FolioFuzz
import FolioLab
import FolioTools
import Foundation

/// What is known of a violation, as files that lie beside each other:
///   .input   what failed, for `folio-fuzz replay`; .small.input its smallest form
///   .token   for `folio-lab replay`
///   .txt     the execution in columns; .html drawn
///   .c .swift  programs that fail in the same way
struct AlarmFiles {
  let folder: String

  /// Shrinks, writes, tells, and ends the process.
  func report(
    _ session: FuzzSession, _ input: [UInt8], _ finding: FolioLab.Finding, _ result: FuzzResult,
    to json: String?
  ) -> Never {
    var result = result
    result.violation = .init(invariant: finding.invariant, message: finding.message)
    do {
      let alarm = try FuzzAlarm(
        setup: session.setup, input: input, first: finding, mutant: session.mutant)
      let names = try write(alarm)
      result.violation?.token = alarm.witness.token
      result.violation?.preemptions = alarm.witness.finding.trace.preemptions
      if json != "-" {
        print(alarm.witness.text(), terminator: "")
        if let program = alarm.program { print("program: \(program)") }
        print("files: \(names)")
      }
      leave(.failed, writing: [result], to: json)
    } catch let error as ToolError {
      Console.writeMessage("\(Tool.name): \(error)")
      leave(error.status)
    } catch {
      Console.writeMessage("\(Tool.name): \(finding.invariant): \(finding.message); \(error)")
      leave(.failed, writing: [result], to: json)
    }
  }

  private func write(_ alarm: FuzzAlarm) throws(ToolError) -> String {
    try makeFolder(folder)
    let name = "\(folder)/\(alarm.invariant)-\(Self.hash(alarm.input))"
    func write(_ data: Data, _ ending: String) throws(ToolError) {
      try ReportFile("\(name).\(ending)").write(data)
    }
    let witness = alarm.witness
    try write(Data(alarm.input), "input")
    try write(Data(alarm.smallInput), "small.input")
    try write(Data((witness.token + "\n").utf8), "token")
    try write(Data(witness.text().utf8), "txt")
    try write(Data(witness.html().utf8), "html")
    try write(Data(witness.cReproducer().utf8), "c")
    try write(Data(witness.swiftReproducer().utf8), "swift")
    return "\(name).{input,small.input,token,txt,html,c,swift}"
  }

  private static func hash(_ input: [UInt8]) -> String {
    let hash = input.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return String(hash ^ hash >> 32, radix: 16).suffix(8).description
  }
}
