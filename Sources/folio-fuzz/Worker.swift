// SPDX-License-Identifier: MIT

// The tool as libFuzzer's own command line: what a merge runs again and again.

import FolioFuzz
import FolioLab
import FolioTools
import Foundation

enum Worker {
  /// The environment variable that says so: the header of a setup, in hexadecimal digits.
  static let variable = "FOLIO_FUZZ_SETUP"

  static func text(_ setup: FuzzSetup) -> String {
    setup.header.map { String(format: "%02x", $0) }.joined()
  }

  /// Gives the process to libFuzzer with arguments that are its own.
  static func run(_ header: String, _ arguments: [String]) -> Never {
    let digits = header.compactMap(\.hexDigitValue)
    let bytes = stride(from: 0, to: digits.count - 1, by: 2).map {
      UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
    do throws(LabError) {
      let session = try FuzzSession(FuzzCorpus.setup(of: bytes))
      session.alarm = { _, _, finding in
        Console.writeMessage("\(finding.invariant): \(finding.message)")
        leave(.failed)
      }
      session.runLibFuzzer(arguments)
      Console.writeMessage("folio-fuzz: built without libFuzzer; use `make fuzz`")
    } catch {
      Console.writeMessage("folio-fuzz: \(error)")
    }
    leave(.cannotRun)
  }
}
