// SPDX-License-Identifier: MIT

// All scenarios, in the order in which lists show them.

extension Scenario {
  /// Every scenario of Folio's own.
  public static let all: [Scenario] = references + waiting + memory + litmus

  /// Address spaces, fast walks, translations.
  static let memory =
    MapLocks.scenarios + FastPins.scenarios + PinRules.scenarios + Translations.scenarios
    + FaultRaces.scenarios + LeafRaces.scenarios + PrivatePages.scenarios + SlowPins.scenarios
    + DeviceRaces.scenarios

  /// References, shapes, batches.
  static let references: [Scenario] =
    [
      GupPin.scenario, GupPin.keyed, PinBias.scenario, TwoPuts.scenario, Reuse.scenario,
      HandOut.scenario, OwnerRaise.scenario, RaiseLate.scenario, SplitTryGet.scenario,
      FormTryGet.scenario,
      OwnerSplit.scenario, SplitReuse.scenario, HeadWord.scenario, FreezeGet.scenario,
      CacheSplit.scenario,
      RemapStructPage.scenario, BatchPut.scenario, GenericBase.scenario, SplitPage.scenario,
      LegacyWake.scenario, Retire.scenario, FormLate.scenario, RaiseKill.scenario,
    ] + CounterHistories.scenarios + Lookups.scenarios

  /// Generated programs have names, too: see GeneratedProgram.
  public static func named(_ name: String) -> Scenario? {
    all.first { $0.name == name } ?? GeneratedProgram(scenarioName: name).map { program($0) }
  }
}
