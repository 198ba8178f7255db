// SPDX-License-Identifier: MIT

// References, shapes, batches.

extension Mutant {
  static let references: [Mutant] = []
}
