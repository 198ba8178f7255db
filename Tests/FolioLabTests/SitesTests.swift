// SPDX-License-Identifier: MIT

// Places that touch shared words: each is reached by some scenario, or said to be unreachable with a reason
// that still holds.

import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests {
    @Suite("Sites")
    struct SitesTests {
      @Test("the standard suite comes to every place that nothing excuses")
      func census() throws {
        let census = try SiteCensus.take()
        #expect(census.unexplained.isEmpty, "\(census.unexplained)")
        #expect(census.wronglyExcused.isEmpty, "\(census.wronglyExcused)")
        // All places are in it, and few are only told of.
        #expect(census.reach.count > 400)
        #expect(census.sites(.byThread).count > census.reach.count / 2)
        #expect(Unreachable.all.allSatisfy { !$0.reason.isEmpty })
        #expect(Set(Unreachable.all.map(\.site)).count == Unreachable.all.count)
      }

      @Test("a place is noted when a thread comes to it, and only while somebody asks")
      func notes() throws {
        let rings = Site("src/trace.c", "cfolio_trace_emit", "atomic_long_add(1, &lost)")
        let (puts, records) = (
          try #require(Scenario.named("two-puts")), try #require(Scenario.named("trace-lost"))
        )
        let before = try SiteCensus.take(scenarios: [puts], mutants: [])
        #expect(before.reach[rings] == .never)
        #expect(before.unexplained.contains(rings))
        let after = try SiteCensus.take(scenarios: [records], mutants: [])
        #expect(after.reach[rings] == .byThread)
        let excused = Unreachable.all.map(\.site)
        #expect(excused.allSatisfy { after.reach[$0] == .never })
      }

      @Test("what only bugs come to is told apart")
      func mutants() throws {
        let site = Site(
          "include/folio/page_ref.h", "page_ref_add_unless_quiet",
          "weakened_add_unless(&page->_refcount, nr, u, memory_order_relaxed)")
        let mutant = try #require(Mutant.named("O05"))
        let scenarios = try mutant.scenarios.map { try #require(Scenario.named($0)) }
        let without = try SiteCensus.take(scenarios: scenarios, mutants: [])
        #expect(without.reach[site] == .never)
        let with = try SiteCensus.take(scenarios: scenarios, mutants: [mutant])
        #expect(with.reach[site] == .byMutant)
        #expect(!with.unexplained.contains(site))
      }
    }
  }

#endif
