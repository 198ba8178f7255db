// SPDX-License-Identifier: MIT

// Which scenarios an exploration of all takes in which order, under which rules, and how its time is
// shared out among them.

import FolioCore
import FolioLab
import FolioWorkloads

struct ExplorePlan {
  /// One exploration.
  struct Task {
    let scenario: Scenario
    let rules: PageMap.Rules
    let size: Int
    /// How often it was explored before: walks draw other executions then.
    var turn: UInt64 = 0
    /// "[3/97] " among several.
    var number = ""
    /// At most; nil: no limit.
    var seconds: Double?
    /// What is left for this and all that follow, where there are several.
    var secondsOfAll: Double?
  }

  /// Why scenarios are not among them.
  let leftOut: [String]
  let isMany: Bool
  private var tasks: [Task]
  private let count: Int
  private var done = 0
  private let takesTurns: Bool
  private let seconds: Double?
  private let clock = ContinuousClock()
  private let begin: ContinuousClock.Instant

  /// "strict,legacy" or "all"; nil: no such rules.
  static func rules(_ text: String) -> [PageMap.Rules]? {
    if text == "all" { return PageMap.Rules.allCases }
    let rules = text.split(separator: ",", omittingEmptySubsequences: false)
      .map { PageMap.Rules(rawValue: String($0)) }
    return rules.contains(nil) ? nil : rules.compactMap { $0 }
  }

  /// - Parameters:
  ///   - scenario: nil: all of them.
  ///   - rules: nil: of each scenario its first.
  ///   - seconds: for all together; nil: no limit.
  ///   - takesTurns: time that is left is used for further turns.
  init(
    scenario: Scenario?, size: Int?, rules: [PageMap.Rules]?, seconds: Double?, takesTurns: Bool
  ) {
    var (tasks, leftOut) = ([Task](), [String]())
    for one in scenario.map({ [$0] }) ?? Scenario.all {
      for rules in rules ?? [one.rules[0]] {
        // Of one scenario the world itself says what is wrong with its rules.
        if scenario == nil, let reason = one.reason(against: rules) {
          leftOut.append("not under \(rules.rawValue): \(one.name): \(reason)")
        } else {
          tasks.append(Task(scenario: one, rules: rules, size: size ?? one.size))
        }
      }
    }
    self.tasks = tasks.reversed()
    self.leftOut = leftOut
    self.seconds = seconds
    self.takesTurns = takesTurns && scenario == nil && seconds != nil
    count = tasks.count
    isMany = tasks.count > 1
    begin = clock.now
  }

  var elapsed: Double { (clock.now - begin) / .seconds(1) }

  /// The next one, with an equal share of the time that is left.
  mutating func next() -> Task? {
    let left = seconds.map { $0 - elapsed }
    // Each has a turn, late as it may be; a further one takes time that there is.
    if let left, left < 1, done >= count { return nil }
    guard var task = tasks.popLast() else { return nil }
    done += 1
    if isMany { task.number = "[\(done)/\(done + tasks.count)] " }
    task.seconds = left.map { max($0, 0.1) / Double(tasks.count + 1) }
    if isMany { task.secondsOfAll = left }
    return task
  }

  /// Behind all others, and while there is time, what is proved goes on with the next size and what
  /// is not has another turn.
  mutating func finished(_ task: Task, _ certificate: Certificate) {
    guard takesTurns, certificate.invariant == nil else { return }
    var next = Task(
      scenario: task.scenario, rules: task.rules, size: task.size, turn: task.turn + 1)
    if certificate.grade == .exhaustive {
      next = Task(scenario: task.scenario, rules: task.rules, size: task.size + 1)
    }
    if next.scenario.sizes.contains(next.size) { tasks.insert(next, at: 0) }
  }
}
