// SPDX-License-Identifier: MIT

// Weakened memory orders: each is one order less at its site. Which model shows which, and why, is the
// table of OrderTable.swift.

extension Mutant {
  static let orders: [Mutant] = [
    Mutant(
      "O01", 301, "a put's decrement is relaxed",
      source: "C07; core.md 3: folio_put_refs is FULL",
      story: "One holder writes the page and puts; the other's put is the last, and the free "
        + "path reads what has not arrived.",
      scenarios: ["litmus-last-put", "litmus-dirty"], expected: ["DATA-RACE", "LITMUS"], model: .c11
    ),
    Mutant(
      "O02", 302, "the last put does not acquire",
      source: "C07, acquire half",
      story: "The first holder's put releases, and the last put reads R without acquiring: the "
        + "free path may still see the page as it was before.",
      scenarios: ["litmus-last-put"], expected: ["DATA-RACE"], model: .c11),
    Mutant(
      "O03", 303, "a put does not release",
      source: "C07, release half",
      story: "The last put acquires, but the put before it did not release what its holder "
        + "wrote.",
      scenarios: ["litmus-last-put"], expected: ["DATA-RACE"], model: .c11),
    Mutant(
      "O04", 304, "unfreeze is relaxed",
      source: "C08",
      story: "The owner writes the frozen page and sets R; a walker takes a reference and reads "
        + "the page as it was before.",
      scenarios: ["litmus-unfreeze", "litmus-split"], expected: ["DATA-RACE", "LITMUS", "CI37"],
      model: .c11
    ),
    Mutant(
      "O05", 305, "try_get is relaxed",
      source: "C04, C02",
      story: "A walker gets a reference to a page that was just unfrozen, without acquiring what "
        + "its owner wrote.",
      scenarios: ["litmus-unfreeze"], expected: ["DATA-RACE"], model: .c11),
    Mutant(
      "O06", 306, "freeze is relaxed",
      source: "core.md 3: page_ref_freeze is FULL",
      story: "The other holder writes and puts; the owner freezes at the count that is left, "
        + "without seeing the write.",
      scenarios: ["litmus-freeze"], expected: ["DATA-RACE"], model: .c11),
    Mutant(
      "O07", 307, "rcu_assign_pointer is relaxed",
      source: "core.md 2; XArray stores",
      story: "An object is filled and published by a relaxed store: a lookup finds it empty.",
      scenarios: ["litmus-lookup"], expected: ["DATA-RACE", "LITMUS", "LIVELOCK"], model: .c11),
    Mutant(
      "O08", 308, "rcu_dereference is relaxed",
      source: "core.md 2; XArray lookups",
      story: "A lookup reads a slot without acquiring and follows it to memory that is not there "
        + "yet.",
      scenarios: ["litmus-lookup"], expected: ["DATA-RACE", "LITMUS", "LIVELOCK"], model: .c11),
    Mutant(
      "O09", 309, "a percpu reference goes live by a relaxed store",
      source: "core.md 6.1; percpu_ref_resurrect",
      story: "Somebody takes the reference by its percpu pointer and reads the object as it was "
        + "before it was readied.",
      scenarios: ["litmus-percpu"], expected: ["DATA-RACE", "LITMUS"], model: .c11),
    Mutant(
      "O10", 310, "a bit lock's unlock is relaxed",
      source: "core.md 2, 8; C53's order form",
      story: "The next holder reads the counter as it was before this one's addition.",
      scenarios: ["litmus-bit-lock"], expected: ["DATA-RACE", "LITMUS"], model: .c11),
    Mutant(
      "O11", 311, "a bit lock's lock is relaxed",
      source: "core.md 2, 8; C53's order form",
      story: "The next holder has the lock and does not acquire what the last one wrote.",
      scenarios: ["litmus-bit-lock"], expected: ["DATA-RACE", "LITMUS"], model: .c11),
    Mutant(
      "O12", 312, "a spin lock's unlock is relaxed",
      source: "core.md 2",
      story: "The next holder reads what was there before this one's critical section.",
      scenarios: ["litmus-spin-lock"], expected: ["DATA-RACE", "LITMUS"], model: .c11),
    Mutant(
      "O13", 313, "complete_all stores relaxed",
      source: "core.md 13",
      story: "Who waits for a completion finds it done and the work undone.",
      scenarios: ["litmus-completion"], expected: ["DATA-RACE", "LITMUS"], model: .c11),
    Mutant(
      "O14", 314, "completion_done reads relaxed",
      source: "core.md 13",
      story: "The completion was done before the wait: its reader does not acquire the work.",
      scenarios: ["litmus-completion"], expected: ["DATA-RACE", "LITMUS"], model: .c11),
    Mutant(
      "O15", 315, "no fence between store and wake",
      source: "C39; core.md 13: store_release_wake_up",
      story: "The waker's store waits in its buffer while it finds the queue empty; the waiter "
        + "enqueues, reads the old value, sleeps for ever.",
      scenarios: ["litmus-completion"], expected: ["DEADLOCK"], model: .tso),
    Mutant(
      "O16", 316, "no fence between enqueue and condition",
      source: "C40, order form; core.md 13: prepare_to_wait_event",
      story: "The waiter's load of the condition comes before others see it in the queue.",
      scenarios: ["litmus-completion", "litmus-waking-put"], expected: ["DEADLOCK"], model: .c11),
    Mutant(
      "O17", 317, "no fence before a wake under the condition's lock",
      source: "C39; core.md 13: wake_up_var_locked",
      story: "The condition is set under a lock and the queue found empty before anybody can see "
        + "it; a waiter that reads it without the lock sleeps for ever.",
      scenarios: ["litmus-locked-wake"], expected: ["DEADLOCK"], model: .tso),
    Mutant(
      "O18", 318, "a waking decrement is relaxed",
      source: "C39; core.md 13: atomic_dec_and_wake_up",
      story: "The count reaches 0 while the waker still reads the queue as it was: empty.",
      scenarios: ["litmus-waking-put"], expected: ["DEADLOCK"], model: .c11),
    Mutant(
      "O19", 319, "the count of unmaps is stored relaxed",
      source: "folio_extra_refs(): CI59; found here by the lab in Folio's own code",
      story: "The busy scan reads the new count of unmaps, the mapping counter from before the "
        + "unmap, and R from behind it: the pin passes for the mapping.",
      scenarios: ["rmap-scan"], expected: ["CI59"], model: .c11),
    Mutant(
      "O20", 320, "without owner slots, the count of unmaps rises relaxed",
      source: "folio_extra_refs(): CI59; found here by the lab in Folio's own code",
      story: "As O19, where counter and count change by relaxed read-modify-writes.",
      scenarios: ["rmap-scan-unslotted"], expected: ["CI59"], model: .c11),
    Mutant(
      "O21", 321, "an unmap stores the mapping counter relaxed",
      source: "folio_extra_refs(): CI59; found here by the lab in Folio's own code",
      story: "One mm takes references and maps, another unmaps and so stores the counter last. The "
        + "busy scan reads that store, and R from before the references.",
      scenarios: ["rmap-scan-rise"], expected: ["CI59"], model: .c11),
    Mutant(
      "O22", 322, "page_ref_add is relaxed",
      source: "core.md 3: as in the kernel; T10, CI37 need more of a raise from 0",
      story: "The owner splits or forms a folio and raises R; a walker by frame number takes a "
        + "reference, looks again and reads the head word of the life before.",
      scenarios: ["split-try-get", "form-try-get", "split-reuse"],
      expected: ["CI37", "CI8", "CI9", "CI11", "CI34", "CI35", "CI36"], model: .c11),
    Mutant(
      "O23", 323, "set_page_count is relaxed",
      source: "core.md 3: as in the kernel; T10, CI37 need more of a raise from 0",
      story: "As O22, with the store that begins the life of a page which nobody else can take.",
      scenarios: ["litmus-split-set"], expected: ["LITMUS"], model: .c11),
  ]
}
