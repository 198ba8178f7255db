// SPDX-License-Identifier: MIT

// References, shapes, batches: bugs that kernels had or nearly had (core.md section 18).

extension Mutant {
  static let references: [Mutant] = referencesOfKernels + referencesPlanted

  private static let referencesOfKernels: [Mutant] = [
    Mutant(
      "C01", 101, "a reference by page is kept without a second look at the head",
      source: "core.md 18",
      story:
        "T1 reads the head of a page. T2 drops the folio, splits it and uses the former head "
        + "again, small. T1's add succeeds on that stranger, and without the second look T1 "
        + "returns a folio that the page has left.",
      scenarios: ["split-try-get"],
      expected: ["CI37"]),
    Mutant(
      "C02", 102, "try_get adds whatever R is",
      source: "core.md 18",
      story:
        "T1 has found a page and is about to take a reference. T2's put brings R to 0 and "
        + "frees. T1 adds to the 0: the page is alive again behind the back of its free path, "
        + "and T1's put frees it once more.",
      scenarios: ["reuse", "freeze-get", "split-try-get"],
      expected: ["CI22", "CI38", "CI39", "CI26", "CI27", "CI37", "CI1"]),
    Mutant(
      "C03", 103, "the undo of try_get_folio gives back one reference of several",
      source: "core.md 18",
      story:
        "T1 takes three references on a folio that the page has left meanwhile. The second "
        + "look notices, but only one reference goes back: the stranger keeps two that nobody "
        + "will ever put.",
      scenarios: ["split-try-get"],
      expected: ["CI1", "LEDGER"]),
    Mutant(
      "C06", 106, "a putter looks at R again to see whether it was the last",
      source: "core.md 18",
      story:
        "Two putters share the last two references. The first decrements to 1; the second to "
        + "0, and frees. Then the first reads R, finds 0 and frees as well.",
      scenarios: ["two-puts", "pin-bias"],
      expected: ["CI22"]),
    Mutant(
      "C09", 109, "a split unfreezes the original folio before the cache names the pieces",
      source: "core.md 18, stated by the kernel's split",
      story:
        "The splitter has made the original folio small and unfreezes it while the slot of "
        + "index 1 still names it. A reader looks index 1 up, takes a reference, looks again: "
        + "the slot has not changed. It reads page 0 for index 1.",
      scenarios: ["cache-split"],
      expected: ["CI40"]),
    Mutant(
      "C10", 110, "a freeze takes R to 0 whatever it was",
      source: "core.md 18",
      story:
        "The freezer expects its own reference only. Somebody has just taken another; the "
        + "freeze stores 0 all the same and that reference is gone. Its put goes below 0, or "
        + "meets a folio that is being rewritten.",
      scenarios: ["freeze-get"],
      expected: ["CI39", "CI21", "CI1", "CI22", "LEDGER"]),
    Mutant(
      "C29", 129, "a split clears the head word of a page before it stores the map",
      source: "core.md 18, the order of v6.18",
      story:
        "A reader without a reference asks what kind of page this is. Between the two stores "
        + "of the split it reads a word that is neither a head nor a map, and the kernel would "
        + "follow it.",
      scenarios: ["head-word"],
      expected: ["CI11", "C29"]),
    Mutant(
      "C30", 130, "a split does not give the tails their map back",
      source: "core.md 18",
      story:
        "The folio is split to single pages, but only the head gets its map word. The next "
        + "user of a tail asks for its type and finds no map.",
      scenarios: ["split-reuse"],
      expected: ["CI11"]),
    Mutant(
      "C32", 132, "a split leaves the share word of the tails",
      source: "core.md 18",
      story:
        "Page 1 held the per-mm counters of the folio where a small page counts its sharers. "
        + "The split leaves them there: an idle page looks shared by millions and is never "
        + "given up.",
      scenarios: ["split-reuse"],
      expected: ["CI36"]),
    Mutant(
      "C33", 133, "a split leaves the number of pages of the folio",
      source: "core.md 18, fixed in K19",
      story:
        "The count of pages lies in page 1's word for memory cgroup charges. It stays behind, "
        + "and page 1, small again, looks charged when its last reference goes.",
      scenarios: ["split-reuse"],
      expected: ["CI34"]),
    Mutant(
      "C34", 134, "an owner splits a folio that others hold",
      source: "core.md 18",
      story:
        "The owner has dropped its own reference and does not ask whether it was the last. A "
        + "getter that reached the folio through a tail still holds it; its page is in another "
        + "folio now.",
      scenarios: ["owner-split"],
      expected: ["CI33"]),
    Mutant(
      "C35", 135, "a folio's head is filled in before its tails",
      source: "core.md 18",
      story:
        "The counters of the head lie in the words of pages 1 and 2. Making tails of those "
        + "pages afterwards writes marks over them: the pin count is garbage and the folio "
        + "looks pinned for ever.",
      scenarios: ["form-try-get"],
      expected: ["CI35"]),
    Mutant(
      "C37", 137, "a page comes back small with the head flag of its former life",
      source: "core.md 18, fixed in K19",
      story:
        "The split resets the order and forgets the flag. The next user of the head page gets "
        + "a small page that says it is a large folio of no pages.",
      scenarios: ["split-reuse", "head-word"],
      expected: ["CI8"]),
    Mutant(
      "C42", 142, "put_page misses the hook from 2 to 1",
      source: "core.md 18, rules of v6.14",
      story:
        "A waiter sleeps until the DAX page is idle, which those rules count as 1. The last "
        + "user's put_page decrements without the hook: R is 1, and nobody wakes the waiter.",
      scenarios: ["legacy-wake"],
      expected: ["DEADLOCK"]),
  ]
}
