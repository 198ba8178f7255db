// SPDX-License-Identifier: MIT

// Waiting, percpu counters, maps, the XArray, mm ids.

extension Mutant {
  static let waiting: [Mutant] = []
}
