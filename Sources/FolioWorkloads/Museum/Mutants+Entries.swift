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
        """, scenarios: ["leaf-split-reuse"], expected: ["CI52"]),
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
    .init(
      "C73", 173, "a device page may move with a reference too many",
      source: "core.md section 18, C73",
      story: """
        The first check allows device pages one reference more, a rest of the days when they idled at \
        1. The exact check behind it is gone, too: the page moves under somebody who holds it.
        """, scenarios: ["migrate-get"], expected: ["CI62", "CI26"]),
    .init(
      "P110", 610, "a folio that was found is not looked up again",
      source: "planted: filemap_get_entry",
      story: """
        The folio is read from its slot and stops being the file's; its next owner has a reference on \
        it, so the finder gets one too, of a stranger's folio.
        """, scenarios: ["file-lookup"], expected: ["CI37"]),
    .init(
      "P111", 611, "a pin for reading takes a shared page as it is",
      source: "planted: gup_must_unshare",
      story: """
        A child shares the page. It is pinned for reading; the parent's next store makes a copy, and \
        the pin is left with the child's page.
        """, scenarios: ["slow-pin-unshare"], expected: ["CI42"]),
    .init(
      "P113", 613, "a slow walk pins a file's pages for good", source: "planted: check_vma_flags",
      story: """
        The file system would wait for such a pin for ever before it could free the page.
        """, scenarios: ["slow-pin-longterm"], expected: ["CI43"]),
    .init(
      "P114", 614, "a slow pin does not say that the space pins", source: "planted: MMF_HAS_PINNED",
      story: """
        A fork asks whether the space ever pinned before it looks for pins. It is told no, and shares \
        a page that a device writes to.
        """, scenarios: ["slow-pin-fork"], expected: ["CI42"]),
    .init(
      "P115", 615, "the end of a device does not wait for its faults",
      source: "planted: dax_read_lock",
      story: """
        A fault has seen the device alive. The device is ended, what is mapped is removed, and then \
        the fault maps its page.
        """, scenarios: ["dax-kill"], expected: ["CI59", "CI4", "CI1"]),
    .init(
      "P116", 616, "what is mapped goes before the device is dead", source: "planted: kill_dev_dax",
      story: """
        The removal comes first, then the device is ended. A fault in between maps a page that nobody \
        removes.
        """, scenarios: ["dax-kill"], expected: ["CI59", "CI4", "CI1"]),
    .init(
      "P117", 617, "a peer-to-peer page is mapped without its map's reference",
      source: "planted: p2pmem_alloc_mmap",
      story: """
        A page gives back a reference on its map when it goes home. It never took one: the map is gone \
        one page too early.
        """, scenarios: ["peer-churn"], expected: ["CI28"]),
    .init(
      "P118", 618, "a migration does not wait for translations", source: "planted: try_to_migrate",
      story: """
        The entry is replaced and the page copied while a thread still stores through the translation \
        of before.
        """, scenarios: ["migrate-store"], expected: ["CI51"]),
    .init(
      "P119", 619, "one migration entry of several is brought back",
      source: "planted: remove_migration_ptes",
      story: """
        Parent and child share the page. The walk over its entries ends with the first; the other \
        space waits for a page that arrived long ago.
        """, scenarios: ["migrate-shared"], expected: ["CI62", "STUCK", "LIVELOCK", "DEADLOCK"]),
    .init(
      "P120", 620, "a page that is handed out is not waited for",
      source: "planted: zone_device_page_init",
      story: """
        An eviction found the page by its frame between its first reference and its lock. The driver \
        does not wait for it: both work on the page, and the first to be done unlocks it for both.
        """, scenarios: ["hand-out-lock"], expected: ["LOCK", "BUG"]),
    .init(
      "P121", 621, "a fast pin takes an empty map word for one that needs nobody's leave",
      source: "planted: gup_fast",
      story: """
        The kernel's split of a folio shows its pages without a map for a moment (C29). The walk reads \
        the word then; the page, of peer-to-peer memory, is handed out and mapped again before the \
        walk takes its reference.
        """, scenarios: ["pin-peer-split"], expected: ["CI44"]),
    .init(
      "P122", 622, "a stored page loses its mapping in front of the flush",
      source: "planted: delayed rmap, T16",
      story: """
        A thread stores through a translation. The entry goes and the page is unmapped at once; its \
        file finds it unmapped, takes what it holds for the last word, and the store comes behind that.
        """, scenarios: ["zap-dirty"], expected: ["CI51", "DATA-RACE"]),
    .init(
      "P123", 623, "a pool of peer-to-peer memory goes and leaves what is mapped",
      source: "planted: p2pdma_release",
      story: """
        An area has pages of the pool. The provider goes without taking them away: it waits for pages \
        that nobody gives back.
        """, scenarios: ["peer-remove", "peer-map-stop"],
      expected: ["CI59", "DEADLOCK", "STUCK"]),
    .init(
      "C44", 144, "a legacy walk takes no reference on the map", source: "core.md section 18, C44",
      story: """
        The map is being taken down while an entry still leads to its page. The walk does not ask for \
        the map and pins a page that is on its way out.
        """, scenarios: ["legacy-walk-dying"], expected: ["CI29"]),
    .init(
      "C59", 159, "no full fence between the clear of an entry and the question for pins",
      source: "core.md section 18, C59",
      story: """
        A page is to be shared. Its entry is cleared, but the count is read first: the pin that came \
        meanwhile found the entry as it was, and each of the two has missed the other.
        """, scenarios: ["pin-share"], expected: ["CI42"], model: .c11),
  ]
}
