// SPDX-License-Identifier: MIT

// Scenarios of waiting, percpu counters, maps, the XArray, mm ids.

extension Scenario {
  static let waiting: [Scenario] =
    KeyedWaits.scenarios + InterruptedWaits.scenarios + LockWaits.scenarios + IdleWaits.scenarios
    + PercpuCounts.scenarios + GracePeriods.scenarios + MapLives.scenarios + Trees.scenarios
    + TreeHistories.scenarios + AuditedPages.scenarios + AnonMappings.scenarios + Forks.scenarios
    + Records.scenarios
    + MappingCounts.scenarios
}
