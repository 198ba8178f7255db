// SPDX-License-Identifier: MIT

// Wrong answers: planted bugs that break no counter and no tree. Each state is one that a correct run has;
// only what callers are told does not fit together.

extension Mutant {
  static let answers: [Mutant] = [
    Mutant(
      "P64", 464, "try_get gives up when R moves under it",
      source: "planted",
      story:
        "T1 reads R, and its compare-exchange fails because T2 takes or drops another "
        + "reference. T1 says that the page is free, although R was never 0.",
      scenarios: ["counter-try-get"],
      expected: ["LINEARIZABILITY"]),
    Mutant(
      "P65", 465, "a freeze takes somebody else's freeze for its own",
      source: "planted",
      story:
        "T1 has frozen the page. T2's freeze finds R at 0, which is what it would have made of "
        + "it, and succeeds. Both own the page alone.",
      scenarios: ["counter-freeze"],
      expected: ["LINEARIZABILITY"]),
    Mutant(
      "P66", 466, "xa_store says what it replaced without having looked under the lock",
      source: "planted",
      story:
        "Two threads store at one index. Both looked before they took the lock, and both are "
        + "told that they replaced the first entry: it is freed twice, another one never.",
      scenarios: ["xarray-writers"],
      expected: ["LINEARIZABILITY"]),
    Mutant(
      "P67", 467, "xa_cmpxchg compares under one lock and stores under the next",
      source: "planted",
      story:
        "The exchange finds the entry that it expects. Before it stores, another store "
        + "replaces that entry; the exchange wipes it out and says it was not there.",
      scenarios: ["xarray-writers"],
      expected: ["LINEARIZABILITY"]),
    Mutant(
      "P68", 468, "xa_set_mark sets the mark when it has left the lock",
      source: "planted",
      story:
        "Two threads mark two entries of one node. Each reads the node's marks, adds its own "
        + "and writes them back: one of the marks is gone.",
      scenarios: ["xarray-marks"],
      expected: ["LINEARIZABILITY", "XArray"]),
  ]
}
