// SPDX-License-Identifier: MIT

// Moving a noncopyable value into a closure that is called once, and leaving the process: what the
// language has no word for yet.

import FolioCore
import Glibc
import Synchronization

/// Holds one reference until somebody takes it.
final class OneShot: Sendable {
  private let value: Mutex<FolioReference?>

  init(_ reference: consuming sending FolioReference) {
    value = Mutex(consume reference)
  }

  func take() -> FolioReference? {
    value.withLock { $0.take() }
  }
}

/// Ends the process with the status that shell scripts look at.
func exit(failure: Bool) -> Never {
  exit(failure ? EXIT_FAILURE : EXIT_SUCCESS)
}
