// SPDX-License-Identifier: MIT

// Address spaces: fast walks and pins, translations and their flush, the locks of maps and areas.

extension Mutant {
  static let memory: [Mutant] = walks + pins + flushes + mapLocks + entries

  private static let walks: [Mutant] = [
    .init(
      "C12", 112, "the entry is not read again behind the grab", source: "core.md section 18, C12",
      story: """
        The walk reads the entry and stops for a moment. The page is unmapped, found idle and given \
        to somebody else, who has a reference on it. Now the walk takes one too, and nothing tells \
        it that the page is another's.
        """, scenarios: ["pin-zap", "pin-two-pages"], expected: ["CI59", "CI1"]),
    .init(
      "C13", 113, "the entry is read again before the grab", source: "core.md section 18, C13",
      story: """
        The walk makes sure that the entry still stands, then takes the reference. In between the \
        page is unmapped, looked at and given away.
        """, scenarios: ["pin-zap"], expected: ["CI59", "CI1"]),
    .init(
      "C15", 115, "the table above is not read again", source: "core.md section 18, C15",
      story: """
        A collapse takes a whole table out and looks who has the pages. The walk is in the table, \
        whose entries still stand: it takes its reference behind that look and finds the entry as \
        it was.
        """, scenarios: ["pin-collapse"], expected: ["CI59"]),
    .init(
      "C16", 116, "the walk is in no read section", source: "core.md section 18, C16",
      story: """
        The walk has read where a table is. The table is taken out and freed; no grace period has \
        a reason to wait. The walk reads an entry in freed memory.
        """, scenarios: ["pin-table-free"], expected: ["USE-AFTER-FREE"]),
  ]

  private static let pins: [Mutant] = [
    .init(
      "C14", 114, "no full fence between the grab and the second read of the entry",
      source: "core.md section 18, C14",
      story: """
        The second read of the entry is done before the reference can be seen by others. Whoever \
        unmaps meanwhile reads the old count: each of the two has missed the other.
        """, scenarios: ["pin-collapse"], expected: ["CI59", "DATA-RACE"], model: .c11),
    .init(
      "C17", 117, "a pin does not look whether a fork ran meanwhile",
      source: "core.md section 18, C17",
      story: """
        A fork looks for pins of a page, finds none, and shares it with the child. The pin is taken \
        before the entry changes, so the second read of the entry says nothing; only the sequence \
        would.
        """, scenarios: ["pin-fork-read"], expected: ["CI42"]),
    .init(
      "C18", 118, "a pin begins inside a fork's copy", source: "core.md section 18, C18",
      story: """
        The sequence is odd when the walk begins, and still is when it ends: no change, so the pin \
        stays. The fork had looked for pins before.
        """, scenarios: ["pin-fork-read"], expected: ["CI42"]),
    .init(
      "C20", 120, "a small pin counts the references that it took twice",
      source: "core.md section 18, C20",
      story: """
        A pin of a small page takes one reference to hold it, then the full weight of a pin on top. \
        The unpin gives back the weight. One reference stays for ever.
        """, scenarios: ["pin-zap"], expected: ["CI1"]),
    .init(
      "C21", 121, "the pins of a large folio go after its references",
      source: "core.md section 18, C21",
      story: """
        The unpin drops its references; the folio is idle, and is split. Then the unpin takes its \
        pins from the word that counted them, which is page 1's mapping now.
        """, scenarios: ["pin-huge"], expected: ["CI34", "CI33", "CI2"]),
    .init(
      "C22", 122, "a pin of a page that became large is counted as a small one's",
      source: "core.md section 18, C22",
      story: """
        The walk takes a small page for what it was when it looked. Meanwhile the page went and a \
        large folio was made of it: the weight of a small pin is added to its references, and what is \
        given back when the entry turns out to be gone is a large one's.
        """, scenarios: ["pin-form"], expected: ["CI1", "CI2", "CI21", "CI33"]),
    .init(
      "C23", 123, "peer-to-peer pages are pinned for everybody", source: "core.md section 18, C23",
      story: """
        A caller that knows nothing of peer-to-peer memory pins some, and hands it to a device that \
        cannot reach it.
        """, scenarios: ["pin-peer"], expected: ["CI44"]),
    .init(
      "C24", 124, "a long-term pin does not ask whether the page allows it",
      source: "core.md section 18, C24",
      story: """
        A page of a file on persistent memory is pinned for good. A truncation waits for it as long.
        """, scenarios: ["pin-longterm"], expected: ["CI43"]),
    .init(
      "C25", 125, "pins of the zero page are counted", source: "core.md section 18, C25",
      story: """
        Everybody maps the zero page and may pin it. Counted, a few million pins overflow its \
        counter.
        """, scenarios: ["pin-zero"], expected: ["CI20"]),
    .init(
      "P76", 476, "a walk marks an entry that may be gone", source: "planted",
      story: """
        The walk has its reference and marks the entry accessed, as hardware would, but without \
        comparing. The entry was removed a moment before: now it is neither none nor anything else.
        """, scenarios: ["pin-zap"], expected: ["CI18"]),
    .init(
      "P75", 475, "pins of a leaf are counted once", source: "planted",
      story: """
        Two pages of a large folio are pinned by one walk. The references are two, the pin count \
        rises by one, and falls by two when they are given back.
        """, scenarios: ["pin-huge"], expected: ["CI2", "CI33", "CI34"]),
  ]

  private static let flushes: [Mutant] = [
    .init(
      "C48", 148, "a zap puts before it flushes translations", source: "core.md section 18, C48",
      story: """
        The entry is cleared and the reference dropped; the page is idle and goes to somebody else. \
        A thread that looked the address up before still stores through what it found.
        """, scenarios: ["flush-translation"], expected: ["CI51"]),
    .init(
      "P98", 498, "the second of two gathers does not flush for the first", source: "planted",
      story: """
        Two threads unmap one page. The first has cleared the entry and not flushed yet; the second \
        finds it empty and ends at once, as if nobody could store there any more.
        """, scenarios: ["flush-gathers"], expected: ["DATA-RACE"], model: .c11),
    .init(
      "P72", 472, "a table is put in its place without a look under the lock", source: "planted",
      story: """
        Two faults find that a table is missing, and each makes one. The second replaces the first, \
        with all that was put into it.
        """, scenarios: ["table-populate"], expected: ["CI50", "CI53"]),
  ]

  private static let mapLocks: [Mutant] = [
    .init(
      "P69", 469, "the end of a folio lock wakes nobody", source: "planted",
      story: """
        A thread sleeps for the lock of a folio. Its holder clears the bit and goes on.
        """, scenarios: ["folio-lock"], expected: ["DEADLOCK"]),
    .init(
      "P71", 471, "who goes on as a reader wakes nobody", source: "planted",
      story: """
        A writer becomes a reader. Readers that slept for it could come in now, and are not told.
        """, scenarios: ["rwsem-downgrade"], expected: ["DEADLOCK"]),
    .init(
      "P95", 495, "a grace period of SRCU does not wait for late readers", source: "planted",
      story: """
        A reader has read where to count itself and stops. A grace period passes and turns the \
        index over. Now the reader counts itself in the old place, where the next grace period \
        does not look before it turns the index again.
        """, scenarios: ["srcu"], expected: ["USE-AFTER-FREE", "RCU"]),
    .init(
      "P96", 496, "the last reader of SRCU wakes nobody", source: "planted",
      story: """
        A grace period sleeps until the readers are gone. The last one ends its section without a \
        look.
        """, scenarios: ["srcu"], expected: ["DEADLOCK"]),
    .init(
      "P97", 497, "the last fault in an area wakes nobody", source: "planted",
      story: """
        Whoever takes an area away waits for the faults in it. The last one lets the area go and \
        does not look whether somebody waits.
        """, scenarios: ["area-lock"], expected: ["DEADLOCK"]),
    .init(
      "P99", 499, "the last reader of a semaphore wakes nobody", source: "planted",
      story: """
        A writer sleeps until the readers are gone. The last one leaves and does not look.
        """, scenarios: ["rwsem"], expected: ["DEADLOCK"]),
  ]
}
