// SPDX-License-Identifier: MIT

// How the tool ends: exit codes, and the error that carries one.

/// Exit codes.
package enum ToolStatus: Int32, Sendable {
  case pass = 0
  /// A check failed, or `compare` found something slower than allowed.
  case failed = 1
  /// sysexits: EX_USAGE.
  case usage = 64
  /// sysexits: EX_DATAERR.
  case dataError = 65
  /// sysexits: EX_NOINPUT.
  case noInput = 66
  /// sysexits: EX_OSERR. The system refused threads or memory.
  case refused = 71
  /// sysexits: EX_CANTCREAT.
  case cannotCreate = 73
  /// sysexits: EX_IOERR. Results were made and could not be written.
  case inputOutput = 74
  /// Something that the run needs is missing on this machine.
  case cannotRun = 77
  /// Ended by a signal; what was measured until then was printed.
  case interrupted = 130
}

/// Why the tool stops early.
package struct ToolError: Error, Sendable, CustomStringConvertible {
  package let status: ToolStatus
  package let description: String

  package init(_ status: ToolStatus, _ description: String) {
    self.status = status
    self.description = description
  }
}
