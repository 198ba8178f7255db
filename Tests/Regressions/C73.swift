// SPDX-License-Identifier: MIT

// C73: a device page that moves while somebody holds it.
//
//   1. T1 migrates a driver's page back to RAM. It unmaps the page; nobody else has a reference.
//   2. T2 takes one.
//   3. T1 copies the page and drops it. T2 writes to a page that is free.
//
// Guards: the count of references in isUnused() of MigrateUnmap.swift, which under strict rules
// allows none, and the exact one in MigrateMapping.move(). T2 comes before the first, then between
// both. Run time: none to speak of. A failure shows a page that moved (CI62).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C73: a page with a reference too many stays, wherever it came in", arguments: [true, false])
  func c73(isEarly: Bool) throws {
    let driver = try TestDriver(.devicePrivate)
    let space = try MemoryMap()
    let area = try space.map(pages: 1, [.read, .write], .private)
    try space.store(5, at: area.start)
    let moved = try space.migrate(area.range, .ram) { _ in driver.handOut(0, holding: 5) }
    try #require(moved == 1)
    let frame = driver.frame(0)
    let steps = MigrationSteps(space, area.range, .devicePrivate, of: driver.map)
    if isEarly { unsafe get_page(pfn_to_page(frame)) }
    #expect(steps.setUp() == 0)
    #expect(steps.collected == (isEarly ? 0 : 1))
    if !isEarly { unsafe get_page(pfn_to_page(frame)) }
    if let target = PageMigration.pageOfRAM(holding: frame), steps.collected == 1 {
      steps.setTarget(0, target)
    }
    steps.move()
    #expect(!steps.page(0).isMigrating, "somebody holds that page")
    steps.finish()
    #expect(counts(frame) == Counts(2, 1) && driver.freed.isEmpty)
    #expect(softleaf_type(entry(space, area.start)) == SOFTLEAF_DEVICE_PRIVATE_WRITE)
    unsafe put_page(pfn_to_page(frame))
    try space.unmap(area.range)
    #expect(driver.freed == [frame])
  }
}
