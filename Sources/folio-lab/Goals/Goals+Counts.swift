// SPDX-License-Identifier: MIT

// Goals that are equalities: classes that are known from elsewhere, shards, coverage, certificates.

import FolioCore
import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

extension GoalsCommand {
  func world(_ name: String, size: Int? = nil, rules: PageMap.Rules? = nil) throws(LabError)
    -> LabWorld
  {
    guard let scenario = Scenario.named(name) else {
      throw .settings("there is no scenario \(name)")
    }
    return try LabWorld(scenario, rules: rules, size: size)
  }

  /// L2 and L18: the protocol that all checkers count.
  func pinClasses() throws(LabError) -> [Goal] {
    var goals: [Goal] = []
    for (size, classes) in [(1, 7), (2, 249), (3, 54_459)] {
      let result = try world("gup-pin", size: size).explore(.classes)
      goals.append(
        .equal("L2", "classes of gup-pin, \(size) pinners", classes, result.statistics.complete))
      if size == 3 {
        let (blocked, all) = (result.statistics.blocked, result.statistics.executions)
        goals.append(
          .check(
            "L2", "executions that sleep sets cut <= 1 %", "\(blocked.grouped) of \(all.grouped)",
            blocked * 100 <= all))
      }
    }
    for count in [1, 2, 4] {
      let world = try world("gup-pin", size: 3)
      let parts = (0..<count).map { index in
        world.certificate(
          of: world.explore(.classes, shard: Shard(index: index, count: count)))
      }
      do throws(MergeError) {
        let whole = try Certificate.merge(parts)
        goals.append(.equal("L18", "classes in \(count) shards", 54_459, whole.classes))
      } catch {
        goals.append(.check("L18", "\(count) shards merge", error.description, false))
      }
    }
    return goals
  }

  /// L3: the counts of an enumerator without reduction and of other checkers.
  func recordedCounts() throws(LabError) -> [Goal] {
    let rows = ClassCount.recorded
    var (scenarios, wrong) = (Set<String>(), [String]())
    for (index, row) in rows.enumerated() {
      ProgressLine.show("L3 \(index + 1)/\(rows.count) \(row.scenario)")
      let world = try world(row.scenario, size: row.size, rules: row.rules)
      let result = world.explore(.classes)
      if 2...3 ~= world.threads.count { scenarios.insert(row.scenario) }
      if result.verdict != .exhaustive || result.statistics.complete != row.classes {
        wrong.append("\(row.line): \(result.statistics.complete.grouped) here")
      }
    }
    var goal = Goal.check(
      "L3", "classes of >= 25 scenarios of 2 and 3 threads as others count them",
      "\(scenarios.count) scenarios, \(rows.count) counts, \(wrong.count) disagree",
      wrong.isEmpty && scenarios.count >= 25)
    goal.profile = wrong
    return [goal]
  }

  /// L13: schedules with two preemptions and walks come to every conflict that the classes have. Scenarios
  /// whose classes are too many have none to compare with.
  func coverage() throws -> Goal {
    let long = try longOnes()
    var (pairs, missing, compared, isNear) = (0, 0, 0, true)
    var (names, unknown) = ([String](), [String]())
    let subjects = CertificationSubject.all.filter {
      $0.model == .sc && $0.rules == $0.scenario.rules[0]
    }
    for (index, subject) in subjects.enumerated() {
      let name = subject.scenario.name
      ProgressLine.show("L13 \(index + 1)/\(subjects.count) \(name)")
      guard !long.contains(subject.name), let coverage = try Self.coverage(subject) else {
        unknown.append(name)
        continue
      }
      compared += 1
      pairs += coverage.all.count
      missing += coverage.missing.count
      isNear = isNear && coverage.missing.count * 8 <= coverage.all.count
      let share = "\(coverage.missing.count) of \(coverage.all.count)"
      names += coverage.missing.map { "not in \(name) (\(share)): \($0.first), then \($0.second)" }
        .sorted()
    }
    // A pair in the midst of some thousand steps may be missed, and is named; more, or many of one scenario,
    // is a fault.
    isNear = isNear && missing * 200 <= pairs && compared * 10 >= subjects.count * 9
    var goal = Goal(
      id: "L13",
      asked:
        "racing pairs of all classes, where these are known, that schedules with two preemptions and "
        + "walks come to = 100 %",
      reached:
        "\((pairs - missing).grouped) of \(pairs.grouped) in \(compared) of \(subjects.count)",
      verdict: !isNear ? .failed : missing == 0 ? .reached : .missed)
    goal.profile = names + unknown.map { "not compared, long or classes not all known: \($0)" }
    return goal
  }

  private static func coverage(_ subject: CertificationSubject) throws -> PairCoverage? {
    do throws(LabError) {
      return try LabWorld(subject.scenario, rules: subject.rules).pairCoverage()
    } catch {
      throw ToolError(error)
    }
  }

  /// L14, L15, L19: all scenarios proved again.
  func proofs() throws -> [Goal] {
    let long = try longOnes()
    let today = try CertifyCommand.earn { !long.contains($0.name) }
    let scenarios = Set(today.map(\.scenario)).count
    let left = long.isEmpty ? "" : "; \(long.count) long ones are for `folio-lab certify`"
    let vacuous = today.filter { !$0.unreached.isEmpty }.map {
      "\($0.subject): \($0.unreached.joined(separator: "; "))"
    }
    let single = today.filter { $0.complete < 2 }
    let recorded = try CertificateFile.read(certificates).filter { !long.contains($0.subject) }
    let comparison = CertificateComparison(recorded: recorded, today: today)
    let proved = today.count { $0.grade == .exhaustive }
    var goals = [
      Goal.check(
        "L14",
        "every obligation of \(scenarios) of \(Scenario.all.count) scenarios is reached, in each of "
          + "\(today.count) certificates\(left)",
        vacuous.isEmpty ? "all" : "\(vacuous.count) are not", vacuous.isEmpty),
      Goal.check(
        "L15", "each of \(today.count) certificates is of two schedules or more\(left)",
        single.isEmpty ? "all" : "not \(single.map(\.subject).joined(separator: ", "))",
        single.isEmpty),
      Goal.check(
        "L19", "\(recorded.count) recorded certificates hold\(left)",
        "\(today.count) earned, \(proved) EXHAUSTIVE, \(comparison.losses.count) lost",
        comparison.losses.isEmpty),
    ]
    goals[0].profile = vacuous
    goals[2].profile = comparison.losses
    for gain in comparison.gains {
      Console.writeMessage("won   \(gain); `folio-lab certify --record`")
    }
    return goals
  }

  /// Executions of a certificate that the quick form still earns again.
  private static let quickExecutions = 50_000

  /// Subjects of certificates that take longer than the quick form has: their number is in the goal.
  private func longOnes() throws -> Set<String> {
    guard quick else { return [] }
    let long = try CertificateFile.read(certificates).filter {
      $0.executions > Self.quickExecutions || $0.sample != nil
    }
    return Set(long.map(\.subject))
  }
}
