// SPDX-License-Identifier: MIT

// Scenarios of waiting, percpu counters, maps, the XArray, mm ids.

extension Scenario {
  static let waiting: [Scenario] = []
}
