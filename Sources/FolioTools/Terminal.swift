// SPDX-License-Identifier: MIT

// Who reads what a tool prints: a person at a terminal, or something else.

import Foundation
internal import Glibc

/// What standard output and standard error are.
package enum Terminal {
  package static var standardErrorIsTerminal: Bool { isatty(2) == 1 }
  package static var standardOutputIsTerminal: Bool { isatty(1) == 1 }
  /// https://no-color.org: set and not empty means no.
  package static var allowsColor: Bool {
    (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
  }
}
