// SPDX-License-Identifier: MIT

// References, shapes, batches: planted bugs. Wrong constants, checks left out, steps swapped.

extension Mutant {
  static let referencesPlanted: [Mutant] = plantedReferences + plantedLives

  /// Counts, freezes, batches, shapes.
  private static let plantedReferences: [Mutant] = [
    Mutant(
      "P01", 401, "a put writes back an R that it read before",
      source: "planted",
      story:
        "The put reads R, stores what it read, and then decrements. What another thread did "
        + "between read and store is lost: a reference that it dropped is back, or one that it "
        + "took is gone.",
      scenarios: ["two-puts", "gup-pin", "reuse"],
      expected: ["CI1", "CI22", "CI21", "LEDGER"]),
    Mutant(
      "P02", 402, "try_get is a load and a store",
      source: "planted",
      story:
        "T1 reads R. T2 drops a reference and T1 stores its sum over that. The page keeps a "
        + "reference that nobody owns - or R goes up from 0, when T2's was the last.",
      scenarios: ["gup-pin", "reuse"],
      expected: ["CI1", "CI22", "CI38", "CI26", "CI27", "LEDGER"]),
    Mutant(
      "P03", 403, "a page with exactly one pin and nothing else does not look pinned",
      source: "planted",
      story:
        "The test is for more than 1024 instead of at least 1024. While the mapping's "
        + "reference is there it holds; once unmap and holder are gone, the pin alone is not "
        + "seen.",
      scenarios: ["pin-bias"],
      expected: ["CI58"]),
    Mutant(
      "P04", 404, "a freeze is a look and a store",
      source: "planted",
      story:
        "The freezer looks: R is what it expects. A getter takes a reference before the store "
        + "of 0, which erases it.",
      scenarios: ["freeze-get"],
      expected: ["CI39", "CI21", "CI1", "CI22", "LEDGER"]),
    Mutant(
      "P05", 405, "unfreeze sets one reference too many",
      source: "planted",
      story:
        "The folio comes back from being frozen with a reference that nobody owns. Everything "
        + "goes on as before, until the last put is not the last.",
      scenarios: ["freeze-get", "cache-split"],
      expected: ["CI1", "CI22", "LEDGER"]),
    Mutant(
      "P06", 406, "the pieces of a split come without the cache's reference",
      source: "planted",
      story:
        "Each piece inherits one reference too few. Its holder puts what it owns, and one put "
        + "more than R has is made.",
      scenarios: ["cache-split"],
      expected: ["CI21", "CI39", "CI22", "CI1", "LEDGER"]),
    Mutant(
      "P07", 407, "a split goes on after its freeze was refused",
      source: "planted",
      story:
        "A reader holds the folio, so R is not what the splitter expects and the freeze "
        + "fails. The split is made anyway: pieces are published over a folio that is in use.",
      scenarios: ["cache-split"],
      expected: ["CI39", "CI40", "CI21", "CI1", "CI22", "LEDGER"]),
    Mutant(
      "P08", 408, "try_get looks and writes without a read section",
      source: "planted, from the guards of C04",
      story:
        "T1 finds the struct page writable. T2 freezes it, waits for readers - T1 is none -, "
        + "remaps its memory read-only and unfreezes. T1 writes R.",
      scenarios: ["vmemmap-remap"],
      expected: ["CI39"]),
    Mutant(
      "P09", 409, "try_get does not ask whether the struct page may be written",
      source: "planted, from the guards of C04",
      story:
        "The struct page has been remapped read-only and only looks like a head. The getter "
        + "adds to its R, which in the kernel is a fault.",
      scenarios: ["vmemmap-remap"],
      expected: ["CI39"]),
    Mutant(
      "P10", 410, "a batch ignores the counts that come with it",
      source: "planted",
      story:
        "A batch holds a folio with two references to drop; one is dropped. The folio stays "
        + "for ever.",
      scenarios: ["batch-put"],
      expected: ["CI1", "CI22", "LEDGER"]),
    Mutant(
      "P11", 411, "a counted entry of an array is decoded by one bit too few",
      source: "planted",
      story:
        "The count beside a page is taken for twice its value. Puts that nobody owns follow: "
        + "R goes below 0, or a base reference is dropped.",
      scenarios: ["batch-put", "generic-base"],
      expected: ["CI21", "CI22", "CI25", "CI1", "LEDGER"]),
    Mutant(
      "P12", 412, "the last batch of an array is not put",
      source: "planted",
      story:
        "Pages of an encoded array are gathered in batches of 31. The rest, fewer than that, "
        + "is forgotten when the array ends.",
      scenarios: ["batch-put", "generic-base"],
      expected: ["CI1", "CI22", "LEDGER"]),
    Mutant(
      "P13", 413, "a batch is not emptied after it was put",
      source: "planted",
      story:
        "A thread puts a batch, fills it again and puts it again. The folios of the first "
        + "time lose a reference that nobody gave back.",
      scenarios: ["batch-put"],
      expected: ["CI21", "CI22", "CI1", "LEDGER"]),
    Mutant(
      "P14", 414, "a batch counts the huge zero folio",
      source: "planted",
      story:
        "The huge zero folio is mapped by everybody and counted by nobody. A batch takes a "
        + "reference off it each time that somebody unmaps it.",
      scenarios: ["batch-put"],
      expected: ["CI20", "LEDGER"]),
    Mutant(
      "P15", 415, "split_page sets R of the first page too",
      source: "planted",
      story:
        "A block of RAM is parted into single pages, each with one reference. A walker holds "
        + "the first page; setting its R to 1 erases what the walker took.",
      scenarios: ["split-page"],
      expected: ["CI21", "CI22", "CI1", "LEDGER"]),
    Mutant(
      "P16", 416, "split_page leaves page 1 out",
      source: "planted",
      story:
        "The second page of the block stays free by its R. The owner puts it all the same, "
        + "below 0.",
      scenarios: ["split-page"],
      expected: ["CI21", "CI1", "LEDGER"]),
    Mutant(
      "P17", 417, "prep leaves the last tail out",
      source: "planted",
      story:
        "The folio says it has four pages; the last one still is a page of its own. Who looks "
        + "it up gets nothing, or a second folio over the same memory.",
      scenarios: ["form-try-get"],
      expected: ["CI9"]),
    Mutant(
      "P18", 418, "a folio counts one page too few",
      source: "planted",
      story:
        "The number of pages is written one short of what the order says. Who goes over the "
        + "pages of the folio misses the last one.",
      scenarios: ["form-try-get", "form-late"],
      expected: ["CI8"]),
    Mutant(
      "P19", 419, "batches miss the hook from 2 to 1",
      source: "planted, from C42",
      story:
        "Under the rules of v6.14 the last user gives the page back through a batch. The "
        + "batch decrements without the hook and the waiter for idleness sleeps on.",
      scenarios: ["legacy-wake"],
      expected: ["DEADLOCK"]),
    Mutant(
      "P20", 420, "the hook wakes at 2",
      source: "planted, from C42",
      story:
        "The put that leaves one user wakes the waiter, who finds the page in use and sleeps "
        + "again. The put that leaves none wakes nobody.",
      scenarios: ["legacy-wake"],
      expected: ["DEADLOCK"]),
  ]

  /// The end of a life: wakes, notes, maps, owners.
  private static let plantedLives: [Mutant] = [
    Mutant(
      "P21", 421, "a life is begun without a note",
      source: "planted, from the guards of folio_raise",
      story:
        "The last put has brought R to 0 and still is in its free path. A teardown sees an "
        + "idle page and no note of a free path: the struct page goes, and the free path reads "
        + "it.",
      scenarios: ["retire", "form-late"],
      expected: ["USE-AFTER-FREE", "CI32", "CI8"]),
    Mutant(
      "P22", 422, "the free path takes its note back first",
      source: "planted, from the guards of end_life",
      story:
        "The note says that the free path may touch the page; it goes before the path has "
        + "read flags and mapping. A teardown in between gives the struct page back.",
      scenarios: ["retire"],
      expected: ["USE-AFTER-FREE"]),
    Mutant(
      "P23", 423, "the end of one life takes back the notes of all",
      source: "planted, from the guards of end_life",
      story:
        "Two lives overlap: the owner has raised the page again while the free path of the "
        + "first still runs. One end stores 0, the other life's note with it, and the struct "
        + "page goes too early.",
      scenarios: ["retire"],
      expected: ["USE-AFTER-FREE"]),
    Mutant(
      "P24", 424, "a raise of a live page leaves a note behind",
      source: "planted, from the guards of folio_raise",
      story:
        "Raising a page that has references continues its life, which has its note already. "
        + "The second note is never taken back: the page looks as if a free path ran for ever, "
        + "and its map cannot go.",
      scenarios: ["retire"],
      expected: ["CI32"]),
    Mutant(
      "P25", 425, "prep does not wait for free paths",
      source: "planted, from LateFree",
      story:
        "A put has brought page 1 to 0 and not taken its note back. The owner forms a folio: "
        + "the word is its number of pages now. The put takes one off.",
      scenarios: ["form-late"],
      expected: ["CI8"]),
    Mutant(
      "P26", 426, "who waits for the end of a free path is not woken",
      source: "planted, from LateFree",
      story:
        "The owner begins to wait after the free path looked for waiters and before it took "
        + "its note back. Without a second look at the event word nobody wakes the owner.",
      scenarios: ["form-late"],
      expected: ["DEADLOCK"]),
    Mutant(
      "P27", 427, "a private page that comes home keeps its reference on the map",
      source: "planted",
      story:
        "Each page that is out holds the map up. The free path forgets to give that reference "
        + "back; the map can never be unmapped.",
      scenarios: ["hand-out"],
      expected: ["CI28"]),
    Mutant(
      "P28", 428, "a page is handed out without a reference on the map",
      source: "planted",
      story:
        "The driver hands the page out and the map does not know. When the page comes home "
        + "the free path drops a reference that is somebody else's.",
      scenarios: ["hand-out", "reuse"],
      expected: ["CI28"]),
    Mutant(
      "P29", 429, "the free path clears the mapping after the page is home",
      source: "planted",
      story:
        "page_free() has the page, and another thread hands it out at once and gives it a "
        + "mapping. The first free path goes on and clears it: a word of a page in use is "
        + "written by its former owner.",
      scenarios: ["hand-out", "reuse"],
      expected: ["CI61"]),
    Mutant(
      "P30", 430, "the free path drops the map reference of a P2PDMA page",
      source: "planted",
      story:
        "The pool of a peer-to-peer map drops that reference itself. Dropped twice, the map's "
        + "count falls below what its frames hold.",
      scenarios: ["reuse"],
      expected: ["CI28"]),
    Mutant(
      "P31", 431, "an owner hands out a page that is out",
      source: "planted, PageOwner.raise",
      story:
        "Two threads share an owner and raise. The second one does not ask whether the page "
        + "is home: one page has two users that each believe it theirs.",
      scenarios: ["owner-raise"],
      expected: ["CI26"]),
    Mutant(
      "P32", 432, "a refused raise keeps its reference on the map",
      source: "planted, PageOwner.raise",
      story:
        "The reference on the map is taken before the page is asked for. The page is out, the "
        + "raise fails, and the reference stays: the map can never be unmapped.",
      scenarios: ["owner-raise"],
      expected: ["CI28"]),
    Mutant(
      "P33", 433, "an owner raises a page of a dead map",
      source: "planted, PageOwner.raise",
      story:
        "The map was killed, a grace period has passed, its pages are found idle, and their "
        + "memory may go. The owner raises one without asking whether the map is alive.",
      scenarios: ["raise-kill"],
      expected: ["CI32"]),
    Mutant(
      "P34", 434, "a split leaves words of the head's list in pages 1 and 2",
      source: "planted, from C32",
      story:
        "Counters and a list of the folio lie where small pages keep their driver's data. A "
        + "driver that gets the page finds a pointer there that it never stored.",
      scenarios: ["split-reuse"],
      expected: ["CI34"]),
    Mutant(
      "P36", 436, "an owner takes R for the whole answer to whether a page is home",
      source: "found by the lab in PageOwner.raise",
      story:
        "The last put has brought R to 0; its free path has yet to look at R, clear the "
        + "mapping and tell the driver. The owner sees R at 0 and hands the page out: the free "
        + "path stops over a page in use, or clears the new user's mapping.",
      scenarios: ["raise-late"],
      expected: ["CI26", "CI27", "CI61"]),
    Mutant(
      "P35", 435, "a put frees at 1",
      source: "planted, the class of bugs that idle at 0 ends",
      story:
        "The put that leaves one reference runs the free path. The other holder goes on with "
        + "a page that is free, and frees it again.",
      scenarios: ["two-puts", "gup-pin", "pin-bias"],
      expected: ["CI22"]),
  ]
}
