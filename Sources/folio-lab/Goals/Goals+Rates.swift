// SPDX-License-Identifier: MIT

// Goals of time: how fast walks are, how soon proofs. In seconds of processor time, of one core; those by
// the clock are beside them.

import FolioLab
import FolioTools
import FolioWorkloads

extension GoalsCommand {
  /// The median of several measurements.
  private func median(_ measure: () throws(LabError) -> Stopwatch) throws(LabError) -> Stopwatch {
    var times: [Stopwatch] = []
    for round in 0..<max(1, rounds) {
      ProgressLine.show("rates, round \(round + 1)/\(rounds)")
      times.append(try measure())
    }
    return times.sorted { $0.processor < $1.processor }[times.count / 2]
  }

  /// L1: walks. A rate that is missed comes with where the time goes.
  func walkRates() throws(LabError) -> [Goal] {
    let runs = 1_000_000
    var goals: [Goal] = []
    for (size, asked) in [(2, 2.0), (3, 1.5)] {
      let world = try world("gup-pin", size: size)
      let time = try median { () throws(LabError) in
        Stopwatch.time { world.explore(.random, executions: runs) }.time
      }
      goals.append(
        .rate(
          "L1", "executions at random, \(size) pinners", asked,
          Double(runs) / time.processor / 1e6,
          " of processor time, \((Double(runs) / time.clock / 1e6).digits(2)) by the clock"))
    }
    if let last = goals.lastIndex(where: { $0.verdict == .missed }) {
      goals[last].profile = try profile()
    }
    return goals
  }

  /// L2: the classes of three pinners.
  func proofTime() throws(LabError) -> Goal {
    let world = try world("gup-pin", size: 3)
    let time = try median { () throws(LabError) in
      Stopwatch.time { world.explore(.classes) }.time
    }
    var goal = Goal.time("L2", "classes of 3 pinners", 0.25, time.processor, time.note)
    if goal.verdict == .missed { goal.profile = try profile() }
    return goal
  }

  /// L4: past what classes can do.
  func stateTimes() throws(LabError) -> [Goal] {
    var goals: [Goal] = []
    for (size, asked) in long ? [(4, 10.0), (5, 600.0)] : [(4, 10.0)] {
      let world = try world("gup-pin", size: size)
      let (result, time) = Stopwatch.time {
        world.explore(.states) { now in
          ProgressLine.show("L4 \(size) pinners: \(now.states.grouped) states")
          return !Tool.isInterrupted
        }
      }
      let s = result.statistics
      var goal = Goal.time(
        "L4", "states of \(size) pinners", asked, time.processor,
        "\(time.note); \(s.states.grouped) states, \((s.states * 16) >> 20) MiB, "
          + "collisions below \(Verdict.short(s.collisionProbability))")
      if result.verdict != .exhaustive {
        goal = .check("L4", goal.asked, "\(result.verdict) \(goal.reached)", false)
      }
      goals.append(goal)
    }
    return goals
  }

  /// Where the time of an execution goes, by the same walk with pieces left out: the line through the
  /// sizes tells what an execution costs that has no steps, and what a step costs; without preemptions
  /// there are hardly any switches of fibers.
  private func profile() throws(LabError) -> [String] {
    let runs = 200_000
    var points: [(steps: Double, nanoseconds: Double)] = []
    var lines: [String] = []
    for size in 1...5 {
      let world = try world("gup-pin", size: size)
      let (result, time) = Stopwatch.time { world.explore(.random, executions: runs) }
      let executions = Double(result.statistics.executions)
      points.append(
        (Double(result.statistics.steps) / executions, time.processor * 1e9 / executions))
    }
    let mean = points.reduce((0.0, 0.0)) { ($0.0 + $1.steps / 5, $0.1 + $1.nanoseconds / 5) }
    let slope =
      points.reduce(0) { $0 + ($1.steps - mean.0) * ($1.nanoseconds - mean.1) }
      / points.reduce(0) { $0 + ($1.steps - mean.0) * ($1.steps - mean.0) }
    lines.append(
      "an execution costs \((mean.1 - slope * mean.0).digits(0)) ns and "
        + "\(slope.digits(1)) ns per step (line through sizes 1...5: "
        + points.map { "\($0.steps.digits(1)) steps \($0.nanoseconds.digits(0)) ns" }
        .joined(separator: ", ") + ")")
    let world = try world("gup-pin", size: 2)
    for (search, what) in [
      (Search.random, "as measured"), (.pct(depth: 1), "no preemptions, hardly any switches"),
      (.classes, "every class, conflicts looked for"),
    ] {
      let limit = search == .classes ? nil : runs
      var (executions, spent, steps) = (0, 0.0, 0)
      while executions < runs {
        let (result, time) = Stopwatch.time { world.explore(search, executions: limit) }
        executions += result.statistics.executions
        steps += result.statistics.steps
        spent += time.processor
      }
      lines.append(
        "2 pinners by \(search.name) (\(what)): \((spent * 1e9 / Double(executions)).digits(0)) ns "
          + "per execution, \((Double(steps) / Double(executions)).digits(1)) steps")
    }
    return lines
  }
}
