// SPDX-License-Identifier: MIT

// C28: a fault that counts an entry which another fault has made.
//
//   1. T1 stores to a page that is not mapped. Its fault asks the device.
//   2. T2 loads from it: its fault asks as well, maps the page and ends.
//   3. T1 takes a reference and a mapping, finds the entry, and stores it once more.
//   4. The one removal gives back one of each.
//
// Guard: PageInsertion.insert() of InsertPage.swift looks at the entry under the table's lock
// before it counts. Step 2 runs in T1's handler. Run time: none to speak of. A failure shows two
// references and two mappings for one entry (CI54, CI4, CI52).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C28: two faults for one page make one entry that is counted once")
  func c28() throws {
    let map = try PageMap(.generic, pages: 512)
    let idle = Counts(map, 0)
    let space = try MemoryMap()
    let asked = Counter()
    let file = AnsweringFile { fault in
      if asked.add() == 1 {
        loadElsewhere(space, fault.address)
      }
      return fault.insertPage(map.frame(0))
    }
    let object = try MappedObject(.deviceDAX, contents: .mixed, file)
    let area = try space.map(object, pages: 1, [.read, .write], .shared)
    try space.store(7, at: area.start)
    #expect(asked.value == 2)
    let once = Counts(idle.references + 1, idle.mappings + 1)
    #expect(Counts(map, 0) == once && space.counters.filePages == 1)
    #expect(try space.load(area.start) == 7)
    try space.unmap(area.range)
    #expect(Counts(map, 0) == idle && space.counters.filePages == 0)
  }
}
