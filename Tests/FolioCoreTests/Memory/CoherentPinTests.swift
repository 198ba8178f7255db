// SPDX-License-Identifier: MIT

// Pins for good of coherent device memory: it goes to RAM first (core.md 12.3, rows 106 and 117).

import CFolio
import FolioCore
import Testing

@Suite("Long-term pins of coherent memory")
struct CoherentPinTests {
  @Test("a coherent page moves to RAM and is pinned there; one in use elsewhere stays")
  func movedAway() throws {
    let driver = try TestDriver(.deviceCoherent)
    let space = try MemoryMap()
    let area = try space.map(pages: 2, [.read, .write], .private)
    for page in 0..<2 { try space.store(UInt(5 + page), at: area.address(ofPage: page)) }
    let held = unsafe page_folio(pfn_to_page(driver.frame(1)))
    var next = 0
    let moved = try space.migrate(area.range, .ram) { source in
      let frame = driver.handOut(
        next, holding: unsafe shared_read(cfolio_frame_word(source.frame!)!))
      next += 1
      return frame
    }
    #expect(moved == 2)
    unsafe folio_get(held)
    #expect(throws: MemoryError(.busy, address: area.start)) {
      try space.pin(area.range, .longTerm).release()
    }
    unsafe folio_put(held)
    let pins = try space.pin(area.range, [.longTerm, .write])
    let (count, frames) = (pins.count, pins.frames)
    #expect(count == 2 && frames.allSatisfy { !driver.map.frames.contains($0) })
    pins.release()
    #expect(Set(driver.freed) == [driver.frame(0), driver.frame(1)])
    for page in 0..<2 {
      #expect(try space.load(area.address(ofPage: page)) == UInt(5 + page))
    }
    #expect(space.audit().isEmpty)
  }
}
