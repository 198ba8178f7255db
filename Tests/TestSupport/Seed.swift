// SPDX-License-Identifier: MIT

// Seeds of tests that draw their cases, and how a failed one is run again.

import Glibc

/// Names one run of a test; a failure shows how to have it again.
package struct Seed: Hashable, Sendable, CustomStringConvertible {
  package let value: UInt64

  package var description: String { "FOLIO_SEED=\(value)" }

  /// The given ones, or the one in FOLIO_SEED when a failure is replayed.
  package static func these(_ values: [UInt64]) -> [Seed] {
    guard let text = unsafe getenv("FOLIO_SEED"), let seed = unsafe UInt64(String(cString: text))
    else { return values.map { Seed(value: $0) } }
    return [Seed(value: seed)]
  }
}
