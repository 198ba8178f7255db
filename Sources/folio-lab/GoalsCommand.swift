// SPDX-License-Identifier: MIT

// What the lab promises, measured: goal by goal what was asked and what was reached. Counts that must
// be equal fail the command; a time or rate that is missed is said to be.

import ArgumentParser
import FolioBenchmark
import FolioLab
import FolioWorkloads

struct GoalsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "goals", abstract: "Measures the lab against its goals.")

  @Option(help: "Runs of each timing; the median counts.") var rounds = 5
  @Option(help: "Seconds at most per mutant.") var mutantSeconds = 60.0
  @Flag(help: "Counts only: no timing, no museum.") var quick = false
  @Option(help: "Write the outcome to this file; - is standard output.") var json: String?

  /// One goal.
  struct Goal: Codable {
    var id: String
    var asked: String
    var reached: String
    /// "reached", "MISSED" (a time or rate), "FAILED" (an equality).
    var verdict: String
  }

  func run() throws {
    var goals: [Goal] = []
    func add(_ goal: Goal) {
      goals.append(goal)
      Output.message("\(goal.verdict)  \(goal.id)  asked \(goal.asked); reached \(goal.reached)")
    }
    do throws(LabError) {
      for goal in try counts() { add(goal) }
      if !quick {
        for goal in try rates() { add(goal) }
        for goal in try museum() { add(goal) }
      }
    } catch {
      throw Output.stop(error)
    }
    try Output.write(goals, to: json)
    let missed = goals.count { $0.verdict == "MISSED" }
    let failed = goals.count { $0.verdict == "FAILED" }
    Output.message("\(goals.count) goals, \(missed) missed, \(failed) failed")
    if failed > 0 || missed > 2 { throw ExitCode(ToolStatus.failed.rawValue) }
  }

  private func gupPin(_ size: Int) throws(LabError) -> LabWorld {
    guard let scenario = Scenario.named("gup-pin") else {
      throw .settings("there is no scenario gup-pin")
    }
    return try LabWorld(scenario, size: size)
  }

  private func equality(_ id: String, _ what: String, _ asked: Int, _ reached: Int) -> Goal {
    Goal(
      id: id, asked: "\(what) = \(asked.grouped)", reached: reached.grouped,
      verdict: asked == reached ? "reached" : "FAILED")
  }

  /// Counts that are known, and shards of the largest.
  private func counts() throws(LabError) -> [Goal] {
    var goals: [Goal] = []
    for (size, classes) in [(1, 7), (2, 249), (3, 54_459)] {
      let result = try gupPin(size).explore(.classes)
      goals.append(
        equality("L2", "classes of gup-pin, \(size) pinners", classes, result.statistics.complete))
    }
    for count in [1, 2, 4] {
      let world = try gupPin(3)
      var classes = 0
      for index in 0..<count {
        classes +=
          world.explore(.classes, shard: Shard(index: index, count: count)).statistics.complete
      }
      goals.append(equality("L18", "classes in \(count) shards", 54_459, classes))
    }
    var vacuous: [String] = []
    for scenario in Scenario.all {
      let result = try LabWorld(scenario).portfolio(seconds: 10).result
      if !result.unreached.isEmpty { vacuous.append(scenario.name) }
    }
    goals.append(
      Goal(
        id: "L14", asked: "every obligation of \(Scenario.all.count) scenarios reached",
        reached: vacuous.isEmpty ? "all" : "not in \(vacuous.joined(separator: ", "))",
        verdict: vacuous.isEmpty ? "reached" : "FAILED"))
    goals.append(try coverage())
    return goals
  }

  /// Walks come to every conflict that the classes have.
  private func coverage() throws(LabError) -> Goal {
    var (pairs, missing, scenarios, names) = (0, 0, 0, [String]())
    for scenario in Scenario.all {
      guard let coverage = try LabWorld(scenario).pairCoverage() else { continue }
      scenarios += 1
      pairs += coverage.all.count
      missing += coverage.missing.count
      if !coverage.missing.isEmpty { names.append(scenario.name) }
    }
    return Goal(
      id: "L13", asked: "100 % of racing pairs by walks",
      reached:
        "\(pairs - missing) of \(pairs) in \(scenarios) scenarios whose classes are all known"
        + (names.isEmpty ? "" : "; not in \(names.joined(separator: ", "))"),
      verdict: missing == 0 ? "reached" : "MISSED")
  }

  private func median(_ measure: () throws(LabError) -> Double) throws(LabError) -> Double {
    var values: [Double] = []
    for _ in 0..<max(1, rounds) { values.append(try measure()) }
    return values.sorted()[values.count / 2]
  }

  private func rates() throws(LabError) -> [Goal] {
    var goals: [Goal] = []
    for (size, asked) in [(2, 2.0), (3, 1.5)] {
      let rate = try median { () throws(LabError) in
        let s = try gupPin(size).explore(.random, executions: 1_000_000).statistics
        return Double(s.executions) / s.seconds / 1e6
      }
      goals.append(
        Goal(
          id: "L1", asked: ">= \(asked) M executions/s at random, \(size) pinners",
          reached: "\(rate.digits(2)) M/s", verdict: rate >= asked ? "reached" : "MISSED"))
    }
    let proof = try median { () throws(LabError) in
      try gupPin(3).explore(.classes).statistics.seconds
    }
    goals.append(
      Goal(
        id: "L2", asked: "<= 0.25 s for the classes of 3 pinners",
        reached: "\(proof.digits(3)) s", verdict: proof <= 0.25 ? "reached" : "MISSED"))
    for (size, asked) in [(4, 10.0), (5, 600.0)] {
      let result = try gupPin(size).explore(.states)
      let s = result.statistics
      let done = result.verdict == .exhaustive && s.seconds <= asked
      goals.append(
        Goal(
          id: "L4", asked: "<= \(Int(asked)) s for the states of \(size) pinners",
          reached:
            "\(s.seconds.digits(3)) s, \(s.states.grouped) states, \((s.states * 16) >> 20) MiB, "
            + "collisions below \(s.collisionProbability)",
          verdict: done ? "reached" : "MISSED"))
    }
    return goals
  }

  private func museum() throws(LabError) -> [Goal] {
    var results: [MuseumResult] = []
    for (index, mutant) in Mutant.all.enumerated() {
      Output.progress("museum \(index)/\(Mutant.all.count) \(mutant.id)")
      results.append(try Museum.visit(mutant, seconds: mutantSeconds))
      Output.endProgress()
    }
    let caught = results.filter(\.isCaught)
    let times = caught.map(\.seconds).sorted()
    let missing = results.filter { !$0.isCaught }.map(\.mutant.id)
    let few = caught.filter { ($0.preemptions ?? 9) <= 2 }.count
    let slow = caught.filter { $0.shrinkSeconds > 1.2 }.map(\.mutant.id)
    let long = caught.filter { ($0.token?.count ?? 0) > 200 }.map(\.mutant.id)
    let middle = times.isEmpty ? 0 : times[times.count / 2]
    return [
      Goal(
        id: "L6", asked: ">= 95 % of the museum within \(Int(mutantSeconds)) s each, median < 1 s",
        reached: "\(caught.count) of \(results.count), median \(middle.digits(4)) s"
          + (missing.isEmpty ? "" : "; not \(missing.joined(separator: " "))"),
        verdict: caught.count * 100 >= results.count * 95 && middle < 1 ? "reached" : "FAILED"),
      Goal(
        id: "L8", asked: ">= 90 % of witnesses with <= 2 preemptions, each shrunk within 1 s",
        reached:
          "\(few) of \(caught.count); too slow: \(slow.isEmpty ? "none" : slow.joined(separator: " "))",
        verdict: few * 10 >= caught.count * 9 && slow.isEmpty ? "reached" : "MISSED"),
      Goal(
        id: "L10", asked: "tokens of at most 200 characters",
        reached: long.isEmpty ? "all" : "not \(long.joined(separator: " "))",
        verdict: long.isEmpty ? "reached" : "MISSED"),
    ]
  }
}
