// SPDX-License-Identifier: MIT

// The museum as a whole: the specification's races and where they are, visits, and how likely walks are
// to fail. That each mutant has its number and its line is MutantTableTests' subject.

import FolioCore
import FolioLab
import FolioWorkloads
import Testing

#if LAB

  extension LabTests { @Suite("Museum") struct MuseumTests {} }

  extension LabTests.MuseumTests {
    @Test(
      "every race of the specification is a mutant or says why not, and no kernel bug is missing")
    func races() {
      #expect(KnownRace.all.count == 61)
      #expect(Set(KnownRace.all.map(\.id)).count == KnownRace.all.count)
      #expect(KnownRace.leftOut.map(\.id) == [])
      let named = Set(
        KnownRace.all.flatMap { race in
          if case .expressed(let mutants) = race.standing { mutants } else { [String]() }
        })
      for mutant in Mutant.all where mutant.id.hasPrefix("C") {
        #expect(named.contains(mutant.id), "\(mutant.id) is in no row")
      }
    }

    @Test("a scenario says why it does not run under rules, and only then")
    func rules() {
      for scenario in Scenario.all {
        for rules in PageMap.Rules.allCases {
          let reason = scenario.reason(against: rules)
          #expect((reason == nil) == scenario.rules.contains(rules), "\(scenario.name) \(rules)")
          #expect(reason != "its author names no reason", "\(scenario.name) \(rules)")
        }
      }
      let partial = Scenario.all.filter { $0.rules.count < PageMap.Rules.allCases.count }
      #expect(Scenario.namesWithReasons == Set(partial.map(\.name)))
    }

    @Test("a visit says who caught what, and the token of the witness leads there again")
    func visit() throws {
      let mutant = try #require(Mutant.named("C06"))
      for search in [nil, Search.classes] {
        let result = try Museum.visit(mutant, search: search, seconds: 10)
        #expect(result.isCaught && result.finding?.invariant == "CI22")
        #expect(result.replays)
        #expect(search == nil || result.by == search)
        #expect((result.preemptions ?? 9) <= 2)
        #expect(result.witness?.token == result.token)
      }
    }

    @Test("nothing is caught when the mutant's violation is not what is expected of it")
    func wrongExpectation() throws {
      let known = try #require(Mutant.named("C06"))
      let wrong = Mutant(
        known.id, known.number, known.title, source: known.source, story: known.story,
        scenarios: ["two-puts"], expected: ["CI59"])
      #expect(try !Museum.visit(wrong, seconds: 2).isCaught)
    }

    @Test(
      "odds are those of the scenario and model where the bug was caught",
      arguments: ["C06", "O04"])
    func odds(_ id: String) throws {
      let result = try Museum.visit(#require(Mutant.named(id)), seconds: 20)
      try #require(result.isCaught)
      let report = try Museum.odds(of: result, executions: 1000, seconds: 5)
      #expect(report.random.hits > 0)
      #expect(report.random.executions == 1000)
      #expect(report.depth != nil && report.keepsPromise)
      #expect(report.model == result.mutant.model)
    }

    @Test("a walk that fails less often than PCT promises is noticed, chance is not")
    func promise() {
      func report(_ hits: Int, _ model: MemoryModel = .sc) -> DepthReport {
        let none = HitRate(hits: 0, executions: 5000)
        let depths = [none, HitRate(hits: hits, executions: 5000)]
        return DepthReport(
          model: model, random: none, pos: none, urw: none, pct: depths, lanes: 2, choices: 10)
      }
      // 1 / (2 * 10) of 5000 are 250.
      #expect(report(250).promise(2) == 0.05)
      #expect(report(250).keepsPromise)
      #expect(report(230).keepsPromise)
      #expect(report(150).broken == [2])
      // Nothing is promised where values are drawn too, or where no depth failed.
      #expect(report(150, .c11).keepsPromise)
      #expect(report(0).depth == nil && report(0).keepsPromise)
    }

    @Test("Wilson's interval holds the rate, and shrinks with more executions")
    func intervals() {
      let few = HitRate(hits: 5, executions: 100)
      let many = HitRate(hits: 500, executions: 10_000)
      #expect(few.interval.contains(few.rate) && many.interval.contains(many.rate))
      #expect(abs(few.interval.lowerBound - 0.0215) < 0.001)
      #expect(abs(few.interval.upperBound - 0.1118) < 0.001)
      let widths = [few, many].map { $0.interval.upperBound - $0.interval.lowerBound }
      #expect(widths[1] < widths[0] / 5)
      #expect(HitRate(hits: 0, executions: 0).interval == 0...1)
    }

    @Test("the share of a search that is done goes from 0 to 1; walks have none")
    func share() throws {
      let world = try LabWorld(#require(Scenario.named("gup-pin")), size: 3)
      var shares: [Double] = []
      let result = world.explore(.classes) { now in
        shares.append(now.share)
        return true
      }
      #expect(result.verdict == .exhaustive)
      #expect(shares.allSatisfy { 0...1 ~= $0 })
      #expect(shares.first! < 0.5 && shares.max()! > 0.6)
      var walked = 0.0
      _ = world.explore(.random, executions: 5000) { now in
        walked += now.share
        return true
      }
      #expect(walked == 0)
    }
  }

#endif
