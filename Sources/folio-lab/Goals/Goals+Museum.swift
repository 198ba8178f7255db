// SPDX-License-Identifier: MIT

// Goals of the museum: every bug caught, shrunk, replayed, its odds measured; and orders that are one
// less than they must be, under each memory model.

import FolioCore
import FolioLab
import FolioTools
import FolioWorkloads

extension GoalsCommand {
  /// L6, L7, L8, L10.
  func museum() throws(LabError) -> [Goal] {
    var (results, entries) = ([MuseumResult](), [MuseumEntry]())
    var (systematic, unable) = (0, [String]())
    for (index, mutant) in Mutant.all.enumerated() {
      let number = "museum \(index + 1)/\(Mutant.all.count) \(mutant.id)"
      let result = try Museum.visit(mutant, seconds: mutantSeconds) {
        ProgressLine.show("\(number) \($0.executions.grouped) executions")
        return !Tool.isInterrupted
      }
      results.append(result)
      let odds =
        result.isCaught
        ? try Museum.odds(of: result, executions: oddsRuns, seconds: oddsSeconds) : nil
      entries.append(MuseumEntry(result, odds, search: "portfolio"))
      let proof = try Museum.visit(mutant, search: .classes, seconds: 10)
      if proof.isCaught { systematic += 1 } else { unable.append(mutant.id) }
      if Tool.isInterrupted { break }
    }
    entries += MuseumEntry.withoutMutants
    let summary = MuseumSummary(entries)
    let caught = results.filter(\.isCaught)
    let quick = caught.count { $0.seconds <= 1 }
    return [
      .check(
        "L6",
        ">= 95 % of the museum's >= 40 mutants within \(Int(mutantSeconds)) s each, median < 1 s",
        summary.text,
        summary.share >= 95 && summary.median < 1 && results.count >= 40),
      Goal(
        id: "L6",
        asked: "all by classes alone within 10 s each; >= 95 % by the portfolio within 1 s",
        reached: "\(systematic) of \(results.count) by classes"
          + (unable.isEmpty ? "" : ", not \(unable.joined(separator: " "))")
          + "; \(quick) of \(results.count) by the portfolio within 1 s",
        verdict: unable.isEmpty && quick * 100 >= results.count * 95 ? .reached : .missed),
      .check(
        "L7",
        "depth and hit rates of every mutant caught (<= \(oddsRuns.grouped) executions, "
          + "\(oddsSeconds) s of each of 9 walks), at least what PCT promises",
        summary.promise, summary.broken.isEmpty && entries.contains { $0.odds != nil }),
    ] + witnesses(caught)
  }

  private func witnesses(_ caught: [MuseumResult]) -> [Goal] {
    func ids(_ isOne: (MuseumResult) -> Bool) -> String {
      let ids = caught.filter(isOne).map(\.mutant.id)
      return ids.isEmpty ? "none" : ids.joined(separator: " ")
    }
    let few = caught.count { ($0.preemptions ?? .max) <= 2 }
    let slow = ids { $0.shrinkSeconds > 1.2 }
    let long = ids { $0.witness.map(Self.tableLines) ?? 0 > 30 }
    let large = ids { ($0.witness?.svg().utf8.count ?? 0) > 30 << 10 }
    let lost = ids { !$0.replays }
    let tokens = ids { ($0.finding?.trace.steps.count ?? 0) <= 60 && ($0.token?.count ?? 0) > 200 }
    return [
      Goal(
        id: "L8",
        asked: ">= 90 % of witnesses with <= 2 preemptions, each shrunk within 1 s, in "
          + "<= 30 lines and <= 30 KiB of SVG",
        reached: "\(few) of \(caught.count); slow: \(slow); long: \(long); large: \(large)",
        verdict: few * 10 >= caught.count * 9 && slow == "none" && long == "none"
          && large == "none" ? .reached : .missed),
      .check(
        "L10", "every token of a witness leads to the same violation", "lost: \(lost)",
        lost == "none"),
      Goal(
        id: "L10", asked: "tokens of <= 200 characters for witnesses of <= 60 steps",
        reached: "longer: \(tokens)", verdict: tokens == "none" ? .reached : .missed),
    ]
  }

  /// Lines of the table: behind the first empty line, without the legend.
  private static func tableLines(_ witness: Witness) -> Int {
    let lines = witness.text().split(separator: "\n", omittingEmptySubsequences: false)
    let table = lines.drop { !$0.isEmpty }.filter { !$0.isEmpty && !$0.hasPrefix("* its order") }
    return table.count
  }

  /// L5: each row of the order table as expected, and no alarm without a mutant.
  func orders() throws(LabError) -> [Goal] {
    var (rows, wrong, alarms) = (0, [String](), [String]())
    let (_, time) = try Stopwatch.time { () throws(LabError) in
      for row in OrderRow.all {
        for model in MemoryModel.allCases {
          ProgressLine.show("L5 \(row.mutant) \(model.rawValue)")
          rows += 1
          let (mutant, found) = try findings(row.mutant, model)
          if found.isEmpty == row.caught.contains(model) || !found.isSubset(of: mutant.expected) {
            wrong.append("\(row.mutant) \(model.rawValue) \(found.sorted()): \(row.argument)")
          }
        }
      }
      for scenario in Scenario.all where scenario.name.hasPrefix("litmus-") {
        for model in MemoryModel.allCases {
          let world = try LabWorld(scenario)
          for search in [Search.classes, .pos] {
            let result = world.explore(search, model: model, executions: 20_000)
            if let finding = result.finding {
              alarms.append("\(scenario.name) \(model.rawValue): \(finding.invariant)")
            }
          }
        }
      }
    }
    var goal = Goal.check(
      "L5",
      "\(OrderRow.all.count) weakened orders under sc, tso, c11 as the table says, and no "
        + "alarm without one", "\(rows - wrong.count) of \(rows), \(alarms.count) false alarms",
      wrong.isEmpty && alarms.isEmpty && OrderRow.all.count >= 15)
    goal.profile = wrong + alarms
    return [goal, .time("L5", "all of them", 60, time.processor, time.note)]
  }

  /// What the mutant's scenarios fail with.
  private func findings(_ id: String, _ model: MemoryModel) throws(LabError) -> (
    Mutant, Set<String>
  ) {
    guard let mutant = Mutant.named(id) else { throw .settings("there is no mutant \(id)") }
    guard Mutant.switch(mutant) else { throw .notBuiltIn }
    defer { _ = Mutant.switch(nil) }
    var found: Set<String> = []
    for name in mutant.scenarios {
      let world = try world(name)
      for search in [Search.random, .pos, .classes] {
        let result = world.explore(search, model: model, executions: 20_000)
        if let finding = result.finding { found.insert(finding.invariant) }
      }
    }
    return (mutant, found)
  }
}
