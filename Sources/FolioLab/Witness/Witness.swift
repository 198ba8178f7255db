// SPDX-License-Identifier: MIT

// A failing execution with all that is needed to show it and to run it again: a value. The files beside
// this one turn it into text, pictures, pages and sources; none of them needs the engine.

import FolioCore
public import FolioWorkloads

/// A failing execution of a scenario.
public struct Witness: Sendable, Hashable, Codable {
  /// The name of the scenario.
  public var scenario: String
  /// How many of the threads that come in numbers.
  public var size: Int
  /// Raw value of `PageMap.Rules`.
  public var rules: String
  /// Under which memory model.
  public var model: Mutant.MemoryModel
  /// The verdict of the exploration that found it.
  public var verdict: String
  /// By number; the lane behind the last is the one that runs deferred calls.
  public var threads: [String]
  /// What went wrong, and the execution.
  public var finding: Finding
  /// What `folio-lab replay` takes.
  public var token: String
  /// The bug that was switched on.
  public var mutant: Story?
  /// What replays the token, where it is not `folio-lab`: the command of a package of one's own.
  public var tool: String?

  /// What a mutant is about, for readers of the witness.
  public struct Story: Sendable, Hashable, Codable {
    /// As in `Mutant`, like the rest.
    public var id: String
    /// What was changed, in one line.
    public var title: String
    /// Where the bug comes from.
    public var source: String
    /// The interleaving that breaks.
    public var story: String

    package init(id: String, title: String, source: String, story: String) {
      self.id = id
      self.title = title
      self.source = source
      self.story = story
    }

    package init(_ mutant: Mutant) {
      self.init(
        id: mutant.id, title: mutant.title, source: mutant.source, story: mutant.story)
    }
  }

  package init(
    scenario: String, size: Int = 1, rules: String, model: Mutant.MemoryModel = .sc,
    verdict: String = Verdict.failed.description, threads: [String], finding: Finding,
    token: String, mutant: Story? = nil
  ) {
    self.scenario = scenario
    self.size = size
    self.rules = rules
    self.model = model
    self.verdict = verdict
    self.threads = threads
    self.finding = finding
    self.token = token
    self.mutant = mutant
  }

  /// Of what `LabWorld.explore` found and `shrink` made small.
  public init(
    scenario: Scenario, settings: Scenario.Settings, threads: [ScenarioThread],
    model: Mutant.MemoryModel = .sc, finding: Finding, token: String, mutant: Mutant? = nil
  ) {
    self.init(
      scenario: scenario.name, size: settings.size, rules: settings.rules.rawValue, model: model,
      threads: threads.map(\.name), finding: finding, token: token,
      mutant: mutant.map { Story($0) })
  }

  /// The command that runs it again.
  public var replayCommand: String { "\(tool ?? "folio-lab") replay \(token)" }

  var steps: [TraceStep] { finding.trace.steps }

  var isSequential: Bool { model == .sc }

  /// The name of a thread, of the lane that runs deferred calls, or of a buffer of stores.
  func name(_ thread: Int) -> String {
    if threads.indices.contains(thread) { return threads[thread] }
    if let owner = steps.first(where: { $0.thread == thread && $0.owner != nil })?.owner {
      return "\(name(owner))'s stores"
    }
    return thread == threads.count ? "deferred calls" : "lane \(thread)"
  }

  /// Threads that have a lane in pictures: all of the scenario's, and whoever else took a step.
  var lanes: [Int] {
    let others = Set(steps.map(\.thread)).subtracting(threads.indices).sorted()
    return Array(threads.indices) + others
  }

  /// "strict rules, sc, 2 preemptions, 11 steps, mutant C01"
  var circumstances: String {
    let preemptions = finding.trace.preemptions
    var parts = ["\(rules) rules", "\(model.rawValue) memory", count(preemptions, "preemption")]
    parts.append(count(steps.count, "step"))
    if let mutant { parts.append("mutant \(mutant.id)") }
    return parts.joined(separator: ", ")
  }
}

/// "1 step", "2 steps"
func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
