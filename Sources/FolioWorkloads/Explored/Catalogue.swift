// SPDX-License-Identifier: MIT

// All scenarios, in the order in which lists show them.

extension Scenario {
  public static let all: [Scenario] = references + waiting + litmus

  /// References, shapes, batches.
  static let references: [Scenario] = [GupPin.scenario]

  public static func named(_ name: String) -> Scenario? { all.first { $0.name == name } }
}
