// SPDX-License-Identifier: MIT

// Class counts that are known from elsewhere: of the GUP-fast protocol as GenMC, Nidhugg and a prototype
// found them (RC11 and SC agree there), with the vmemmap key on as the enumerator of Tests/Enumerator
// does; and the table of recorded counts.

import ClassOracle
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Classes")
    struct ClassCountTests {
      @Test(
        "gup-pin has the classes that other checkers count, each completed once",
        arguments: [
          ("gup-pin", 1, 7), ("gup-pin", 2, 249), ("gup-pin", 3, 54_459), ("gup-pin-key", 1, 8),
          ("gup-pin-key", 2, 420), ("gup-pin-key", 3, 172_168),
        ])
      func gupPin(_ name: String, _ pinners: Int, _ classes: Int) throws {
        let result = try LabWorld(#require(Scenario.named(name)), size: pinners).explore(.classes)
        #expect(result.verdict == .exhaustive)
        #expect(result.statistics.complete == classes)
        #expect(result.unreached.isEmpty)
        // Runs that sleep sets cut are wasted; goal L2 allows one in a hundred.
        #expect(result.statistics.blocked * 100 <= result.statistics.complete)
      }

      @Test(
        "equivalent beginnings can be merged: the enumerator's two ways count the same",
        arguments: ["gup-pin", "freeze-get", "wait-count", "rcu-synchronize", "raise-late"])
      func beginnings(_ name: String) throws {
        let scenario = try #require(Scenario.named(name))
        let answers = try [ClassOracle.Kind.all, .merged].map { kind in
          try ClassOracle.enumerate(scenario, kind: kind, limit: 50_000)
        }
        guard case .counted(let all, let schedules) = answers[0],
          case .counted(let merged, let runs) = answers[1]
        else {
          Issue.record("\(answers)")
          return
        }
        #expect(all == merged)
        #expect(runs < schedules)
      }

      @Test("the recorded counts are of scenarios that there are, and agree with each other")
      func record() throws {
        for count in ClassCount.recorded {
          let scenario = try #require(Scenario.named(count.scenario), "\(count.line)")
          #expect(scenario.sizes.contains(count.size), "\(count.line)")
          #expect(scenario.rules.contains(count.rules), "\(count.line)")
          #expect(ClassCount(line: Substring(count.line)) == count)
          #expect(
            ClassCount.recorded.allSatisfy {
              ($0.scenario, $0.size, $0.rules) != (count.scenario, count.size, count.rules)
                || $0.classes == count.classes
            }, "\(count.line)")
        }
        #expect(Set(ClassCount.recorded.map(\.scenario)).count >= 25)
      }

      /// All that a debug build counts in a few seconds; `folio-lab goals` takes the rest (L3).
      @Test("the lab's counts are the recorded ones")
      func recorded() throws {
        for count in ClassCount.recorded where count.classes <= 200 {
          let scenario = try #require(Scenario.named(count.scenario))
          let result = try LabWorld(scenario, rules: count.rules, size: count.size)
            .explore(.classes)
          #expect(result.verdict == .exhaustive, "\(count.line)")
          #expect(result.statistics.complete == count.classes, "\(count.line)")
        }
      }
    }
  }

#endif
