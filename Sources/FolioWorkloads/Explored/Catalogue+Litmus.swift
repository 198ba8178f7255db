// SPDX-License-Identifier: MIT

// Litmus shapes (spec: core.md 15.2), of the shipped functions, with payload that order must protect.

extension Scenario {
  static let litmus: [Scenario] = [
    LitmusLastPut.scenario, LitmusUnfreeze.scenario, LitmusCompletion.scenario,
    LitmusLockedWake.scenario, LitmusWakingPut.scenario, LitmusTwoPutters.scenario,
    LitmusTryGet.scenario, LitmusFreeze.scenario, LitmusSplit.scenario, LitmusSplit.setting,
    LitmusPercpu.scenario,
    LitmusLookup.scenario, LitmusBitLock.scenario, LitmusSpinLock.scenario, LitmusDirty.scenario,
  ]
}
