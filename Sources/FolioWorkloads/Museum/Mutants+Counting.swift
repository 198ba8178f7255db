// SPDX-License-Identifier: MIT

// Per-CPU counts, the lives of device maps, counted mappings, the XArray, rings and the ledger.

extension Mutant {
  static let counting: [Mutant] = percpu + maps + mappings + trees + watchers

  private static let percpu: [Mutant] = [
    .init(
      "C63", 163, "a lookup takes a reference that is not known to be alive",
      source: "core.md section 18, C63",
      story: """
        A map is killed while somebody holds it. The registry still names it and its count is not \
        0, so a lookup that only asks for that gets one more reference - and with enough of them \
        the map is never drained.
        """, scenarios: ["percpu-kill", "map-teardown"], expected: ["CI29"]),
    .init(
      "C67", 167, "per-CPU counts are added one at a time", source: "core.md section 18, C67",
      story: """
        The switch to atomic mode takes the bias off and adds the first CPU's share. The gets of a \
        user lie in another CPU's slot, and are not there yet when it puts: the count passes \
        through 0 and the object is released under its owner.
        """, scenarios: ["percpu-atomic"], expected: ["CI30", "CI28"]),
    .init(
      "P60", 460, "the slots are summed without a grace period", source: "planted",
      story: """
        A user reads the mode: per CPU. The switch marks the counter atomic and sums the slots at \
        once. The user's get goes into a slot that was summed already, its put into the atomic \
        count: one reference is lost.
        """, scenarios: ["percpu-atomic", "percpu-kill", "percpu-life", "map-teardown"],
      expected: ["CI28", "CI30", "USE-AFTER-FREE", "DEADLOCK"]),
    .init(
      "P61", 461, "a put releases when it reads 0 afterwards", source: "planted",
      story: """
        Two holders put. Both decrement, then both look at the count: both read 0, and the object \
        is released twice.
        """, scenarios: ["percpu-last-put"], expected: ["CI30"]),
    .init(
      "P62", 462, "resurrect takes no reference", source: "planted",
      story: """
        Killing dropped the initial reference. Coming back to life without taking it again leaves \
        the owner with a count that is one short.
        """, scenarios: ["percpu-resurrect"], expected: ["CI28", "CI30"]),
    .init(
      "P63", 463, "back to per-CPU mode with the old slots", source: "planted",
      story: """
        The slots were summed into the atomic count when it was switched. Counting goes on in them \
        without their being cleared, and the next sum has everything twice.
        """, scenarios: ["percpu-round-trip"], expected: ["CI28"]),
  ]

  private static let maps: [Mutant] = [
    .init(
      "C64", 164, "a map is looked up outside a read section", source: "core.md section 18, C64",
      story: """
        The lookup loads the map from the registry. The map is drained, erased and freed; the \
        grace period has no reader to wait for. Then the lookup takes a reference in freed memory.
        """, scenarios: ["map-teardown"], expected: ["USE-AFTER-FREE"]),
    .init(
      "C65", 165, "an erased map is freed without a grace period",
      source: "core.md section 18, C65",
      story: """
        The registry entry goes, and the map with it at once. A reader that loaded the entry just \
        before, in a read section as it should be, asks a freed map for a reference.
        """, scenarios: ["map-teardown"], expected: ["USE-AFTER-FREE"]),
    .init(
      "P70", 470, "teardown does not wait for the last reference", source: "planted",
      story: """
        A lookup holds the map. Teardown kills it, waits for readers, erases and frees it; the \
        lookup's reference counts for nothing.
        """, scenarios: ["map-teardown"], expected: ["USE-AFTER-FREE", "CI30"]),
    .init(
      "P73", 473, "the registry lock is dropped between test and store", source: "planted",
      story: """
        Two maps want overlapping frames. Both find them free, both store: frames of the first \
        lead to the second.
        """, scenarios: ["map-overlap"], expected: ["CI28"]),
    .init(
      "P74", 474, "a page has its base count before its map", source: "planted",
      story: """
        A lookup may find a map whose pages are not ready yet; they give no references, as their \
        count is 0. Here the count comes first, and whoever takes a reference holds a page of no \
        map.
        """, scenarios: ["map-window"], expected: ["CI28", "CI25"]),
  ]

  private static let mappings: [Mutant] = [
    .init(
      "C53", 153, "mappings are counted without the bit lock", source: "core.md section 18, C53",
      story: """
        L and the owner slots are read, changed and stored. Two address spaces do so at once: one \
        mapping, or one slot, is lost.
        """, scenarios: ["rmap-owners", "rmap-entire"], expected: ["CI12", "CI15"]),
    .init(
      "C54", 154, "pages are uncounted before L falls", source: "core.md section 18, C54",
      story: """
        The only mapping of a large folio goes: first from its page, then from L. Who looks in \
        between sees a mapped folio of which no page is mapped.
        """, scenarios: ["rmap-owners", "rmap-unslotted"], expected: ["CI12"]),
    .init(
      "C55", 155, "every entire mapping is marked as the first", source: "core.md section 18, C55",
      story: """
        The mark for "mapped entirely" is a large number in the count of mapped pages. A second \
        address space adds it again; enough of them, and the count overflows.
        """, scenarios: ["rmap-entire"], expected: ["CI13"]),
    .init(
      "P80", 480, "the bit lock is dropped before the slots are written", source: "planted",
      story: """
        L is changed under the lock, the slots behind it. Another address space finds the same \
        slot free and both write it.
        """, scenarios: ["rmap-owners"], expected: ["CI12", "CI15"]),
  ]

  private static let trees: [Mutant] = [
    .init(
      "P85", 485, "a node is freed when it leaves the tree", source: "planted",
      story: """
        A lookup is on its way through a node that the last erasure empties. The node is freed at \
        once instead of after a grace period, and the lookup reads a slot of freed memory.
        """, scenarios: ["xarray-erase", "xarray-shrink", "xarray-iterate"],
      expected: ["USE-AFTER-FREE"]),
    .init(
      "P86", 486, "a lookup returns the retry entry", source: "planted",
      story: """
        Slots of a node that has left the tree say: walk again. A lookup that takes the word for \
        an entry hands an internal number to its caller.
        """, scenarios: ["xarray-erase", "xarray-shrink"], expected: ["XArray"]),
    .init(
      "P87", 487, "erasing a wide entry does not change the generation", source: "planted",
      story: """
        A slot says: see slot 4, where the entry of four indices is. It is erased, and slot 4 gets \
        an entry for itself. The lookup follows the old word and returns another index's entry.
        """, scenarios: ["xarray-siblings"], expected: ["XArray"]),
    .init(
      "P88", 488, "a new top node is published empty", source: "planted",
      story: """
        The tree grows by a level. Readers are let into the new top before the old one hangs below \
        it, and do not find what was there all the time.
        """, scenarios: ["xarray-grow"], expected: ["XArray"]),
    .init(
      "P89", 489, "xa_insert drops the lock between test and store", source: "planted",
      story: """
        Two insertions at one index both find it free. Both store, both say that they won.
        """, scenarios: ["xarray-insert"], expected: ["XArray"]),
    .init(
      "P91", 491, "a paused iteration begins again at the same index", source: "planted",
      story: """
        A scan lets go of the tree behind an entry and goes on at that entry's last index instead \
        of the one behind it: it meets the entry again, and again.
        """, scenarios: ["xarray-iterate"], expected: ["XArray"]),
  ]

  private static let watchers: [Mutant] = [
    .init(
      "P93", 493, "a ring is claimed by a look and a store", source: "planted",
      story: """
        Two threads record their first event. Both see the ring that an ended thread left behind, \
        both take it, and write over each other's records.
        """, scenarios: ["trace-rings"], expected: ["TRACE"]),
    .init(
      "P94", 494, "a ledger is freed while it may be written", source: "planted",
      story: """
        Auditing ends while a put is counting itself in the ledger. The memory goes at once, and \
        the put counts in it.
        """, scenarios: ["ledger-stop"], expected: ["USE-AFTER-FREE"]),
  ]
}
