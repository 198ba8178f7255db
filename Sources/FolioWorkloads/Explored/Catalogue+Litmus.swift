// SPDX-License-Identifier: MIT

// Litmus shapes (spec: core.md 15.2).

extension Scenario {
  static let litmus: [Scenario] = []
}
