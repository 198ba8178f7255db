// SPDX-License-Identifier: MIT

// Weakened memory orders.

extension Mutant {
  static let orders: [Mutant] = []
}
