// SPDX-License-Identifier: MIT

// Address spaces: entries that come, go and are copied.

extension Mutant {
  static let entries: [Mutant] = [
    .init(
      "C27", 127, "the entry is stored before the page has its reference",
      source: "core.md section 18, C27",
      story: """
        A fault sets the entry, then takes the reference and the mapping for it. Whoever walks the \
        table in between finds an entry that leads to a page without references.
        """, scenarios: ["pin-fault"], expected: ["CI18"]),
    .init(
      "C28", 128, "an entry that is there is counted again", source: "core.md section 18, C28",
      story: """
        Two faults on one page. The second finds the entry of the first, but does not ask: it takes \
        a reference and a mapping, and stores the same entry. One removal gives back one of each.
        """, scenarios: ["fault-fault"], expected: ["CI54", "CI4", "CI52"]),
    .init(
      "C50", 150, "a split leaf's counter is looked up behind the put",
      source: "core.md section 18, C50 (CVE-2026-53189)",
      story: """
        A leaf is split. The reference of its entry was the last one: the put frees the folio, whose \
        owner takes it apart. Then the folio is asked which of the map's counters it is in.
        """, scenarios: ["leaf-split-reuse"], expected: ["CI61", "CI52"]),
    .init(
      "C51", 151, "the lock of the table goes before the mapping count",
      source: "core.md section 18, C51",
      story: """
        A removal has cleared the leaf and dropped the lock, not yet the mapping. The file's owner \
        removes the folio from everywhere, finds no entry, and goes on with a folio that is mapped.
        """, scenarios: ["leaf-unmap-folio"], expected: ["CI59"]),
    .init(
      "C52", 152, "a leaf gives back more references than its one",
      source: "core.md section 18, C52",
      story: """
        The removal of a leaf puts a reference for a second page of it. It is somebody else's: the \
        pin that holds the folio.
        """, scenarios: ["leaf-pin-zap", "leaf-split-unmap"],
      expected: ["CI1", "CI2", "CI21", "CI22"]),
    .init(
      "C56", 156, "a counted leaf is marked special", source: "core.md section 18, C56 (v6.15)",
      story: """
        Special entries count nothing, so fork copies them as they are. This one's folio is counted: \
        the child's end gives back what the parent's entry owns.
        """, scenarios: ["fork-leaf"], expected: ["CI1", "CI4", "CI21", "CI22", "CI52"]),
    .init(
      "C57", 157, "fork copies an upper leaf without counting it",
      source: "core.md section 18, C57 (v6.18, unreached there)",
      story: """
        A leaf at the PUD level is copied into the child with neither reference nor mapping. Both \
        give back one.
        """, scenarios: ["fork-upper-leaf"], expected: ["CI1", "CI4", "CI21", "CI22", "CI52"]),
    .init(
      "C62", 162, "a store's fault does not compare what is mapped",
      source: "core.md section 18, C62",
      story: """
        A page is mapped for reading. Its file is given another block; a store's fault that knows the \
        new one finds the old entry and gives it the right to stores. The store goes to the old block.
        """, scenarios: ["upgrade-stale"], expected: ["CI51", "CI18"]),
    .init(
      "C77", 177, "a leaf is made for a folio of another size", source: "core.md section 18, C77",
      story: """
        The folio was taken apart between the handler's look and the insertion. A leaf maps two pages \
        by the counters of one.
        """, scenarios: ["leaf-order"], expected: ["CI1", "CI4", "CI17", "CI52"]),
    .init(
      "P101", 601, "a copy is mapped without a flush", source: "planted: wp_page_copy",
      story: """
        A store makes a private copy. Another thread still has the translation of the old page, and \
        reads it behind the store.
        """, scenarios: ["copy-load"], expected: ["CI51"]),
  ]
}
