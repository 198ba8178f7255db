// SPDX-License-Identifier: MIT

// C72: the lost base reference of a device-dax page.
//
//   1. A device-dax page has a base reference that nobody owns: R is 1 when idle.
//   2. T1 puts once too often: R is 0.
//   3. The free path sets R back to 1. The mistake is hidden, and the next one too.
//
// Guards: strict rules stop the process; kernel rules keep the reset and name it in an audited map.
// Run time: the start of a process. A failure is a double put that nobody hears of (CI25).

import CFolio
import FolioCore
import Glibc
import Testing

extension Regressions {
  @Test("C72: strict: dropping the base reference stops the process")
  func c72() async {
    await #expect(processExitsWith: .signal(SIGABRT)) {
      let map = try PageMap(.generic, pages: 512)
      unsafe folio_put(map.folio(map.frames.lowerBound))
    }
  }

  @Test("C72: kernel: the page is reset to 1 and the audit names the hazard")
  func c72Kernel() throws {
    let map = try PageMap(.generic, pages: 512, .init(rules: .kernel))
    try map.startAuditing()
    let folio = unsafe map.folio(map.frames.lowerBound + 3)
    unsafe folio_put(folio)
    #expect(unsafe folio_ref_count(folio) == 1)
    let found = Violation.takeRecorded(in: map.frames)
    #expect(found.map(\.invariant) == ["C72"])
    #expect(found.map(\.frame) == [map.frames.lowerBound + 3])
  }
}
