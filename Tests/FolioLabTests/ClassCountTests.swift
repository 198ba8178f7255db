// SPDX-License-Identifier: MIT

// Counts that are known from elsewhere: classes of the GUP-fast protocol as GenMC, Nidhugg and a prototype
// found them (RC11 and SC agree there), and all schedules as an enumerator without reduction does.

import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Classes")
    struct ClassCountTests {
      @Test(
        "gup-pin has the classes that other checkers count, each completed once",
        arguments: [(1, 7), (2, 249), (3, 54_459)])
      func gupPin(_ pinners: Int, _ classes: Int) throws {
        let result = try LabWorld(#require(Scenario.named("gup-pin")), size: pinners)
          .explore(.classes)
        #expect(result.verdict == .exhaustive)
        #expect(result.statistics.complete == classes)
        #expect(result.unreached.isEmpty)
        // Runs that sleep sets cut are wasted; goal L2 allows one in a hundred.
        #expect(result.statistics.blocked * 100 <= result.statistics.complete)
      }
    }
  }

#endif
