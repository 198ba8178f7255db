// SPDX-License-Identifier: MIT

// Scenarios explored as the command line says. Which ones, and how time is shared out, is in
// ExplorePlan.swift.

import ArgumentParser
import FolioCore
import FolioLab
import FolioTools
import FolioWorkloads

struct ExploreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explore", abstract: "Explores one scenario, or all of them.",
    discussion: """
      Each access to a shared word is a step, and the search chooses who takes
      the next one.

      SEARCHES
        portfolio      all of these but states, in turn, until one of them
                       fails or proves that none can (default)
        classes        one execution per class of equivalent ones: a proof
        states         each state once: a proof with more threads; sc, and of
                       scenarios whose state is all in words
        schedules[:k]  every schedule, or those with at most k preemptions
        random, pct[:depth], pos, urw
                       walks: soon somewhere else, never a proof

      VERDICTS
        EXHAUSTIVE     every interleaving is covered, none fails
        BOUNDED(k)     every one with at most k preemptions is
        SAMPLED(p)     none failed; with 95 % confidence a drawn execution
                       fails with at most this probability
        FAILED         with the smallest failing execution and its token

      With all, the seconds are shared out: who is proved early leaves its
      time to the others, and to larger sizes.

      EXAMPLES
        folio-lab explore gup-pin                     every search in turn, 10 s
        folio-lab explore gup-pin --size 3 --search classes
        folio-lab explore gup-pin --size 4 --search states
        folio-lab explore litmus-lookup --memory c11 --mutant O07
        folio-lab explore all --rules strict,legacy --seconds 600 --progress
        folio-lab explore all --rules all --seconds 600 --no-proofs
        folio-lab explore gup-pin --size 3 --search classes --shard 1/4 --json part1.json

      EXIT CODES
        0 nothing failed, 1 something did, or an EXHAUSTIVE scenario never
        reached a state that it must reach
      """)

  @Argument(help: "A scenario's name, or all.") var scenario: String
  @Option(help: "How many of the threads that come in numbers.") var size: Int?
  @Option(
    help: "strict, kernel, legacy, several with commas, or all; else the scenario's first.")
  var rules: String?
  @Option(
    help: "random, pct[:depth], pos, urw, schedules[:preemptions], classes, states, portfolio.")
  var search = "portfolio"
  @Option(help: "Memory model: sc, tso, c11.") var memory = "sc"
  @Option(help: "Executions at most, per scenario.") var runs: Int?
  @Option(help: "Seconds at most, all scenarios together; portfolio: 10, or 300 for all.")
  var seconds: Double?
  @Option(help: "Seed of random searches.") var seed: UInt64 = 1
  @Option(help: "Switch this bug of the museum on.") var mutant: String?
  @Option(help: "One part of a search that several processes share: 2/4 is the second of four.")
  var shard: String?
  @Flag(help: "Portfolio: walks and few preemptions until time is over, no proof that ends it.")
  var noProofs = false
  @Option(help: "Write certificates to this file; - is standard output.") var json: String?
  @OptionGroup(title: "Of a failing execution") var files: WitnessOptions
  @OptionGroup var progress: ProgressOptions

  func validate() throws {
    guard search == "portfolio" || Search(name: search) != nil else {
      throw ValidationError("no search is called \(search)")
    }
    guard let model = MemoryModel(rawValue: memory) else {
      throw ValidationError("no memory model is called \(memory)")
    }
    if search == "states", model != .sc {
      throw ValidationError("states are those of sc")
    }
    guard scenario == "all" || Scenario.named(scenario) != nil else {
      throw ValidationError("no scenario is called \(scenario); `folio-lab list` names them")
    }
    guard mutant == nil || Mutant.named(mutant!) != nil else {
      throw ValidationError("no mutant is called \(mutant!)")
    }
    guard rules == nil || ExplorePlan.rules(rules!) != nil else {
      throw ValidationError("rules are strict, kernel, legacy, several with commas, or all")
    }
    guard shard == nil || Shard(shard!) != nil else {
      throw ValidationError("a shard is a number of a count: 2/4")
    }
    if shard != nil, ["portfolio", "states"].contains(search) || search.hasPrefix("schedules") {
      throw ValidationError("\(search) cannot be shared between processes")
    }
    guard seconds.map({ $0 > 0 && $0.isFinite }) ?? true, runs.map({ $0 > 0 }) ?? true else {
      throw ValidationError("--seconds and --runs are above 0")
    }
    guard size == nil || scenario != "all" else {
      throw ValidationError("--size is of one scenario")
    }
    guard !noProofs || search == "portfolio" else {
      throw ValidationError("--no-proofs is of the portfolio")
    }
  }

  func run() throws {
    progress.begin()
    if let mutant, !Mutant.switch(Mutant.named(mutant)) { throw ToolError(.notBuiltIn) }
    var plan = ExplorePlan(
      scenario: Scenario.named(scenario), size: size, rules: rules.flatMap(ExplorePlan.rules),
      seconds: limit, takesTurns: search == "portfolio")
    for line in plan.leftOut { Console.writeMessage(line) }
    var certificates: [Certificate] = []
    while !Tool.isInterrupted, let task = plan.next() {
      guard let certificate = try explore(task) else { continue }
      // A further turn of the same is a larger sample, or a proof at last.
      certificates.removeAll { $0.subject == certificate.subject && $0.invariant == nil }
      certificates.append(certificate)
      plan.finished(task, certificate)
    }
    try ToolReport(certificates).write(to: json)
    let failed = certificates.count { $0.invariant != nil || isVacuous($0) }
    if plan.isMany { summarize(certificates, failed, plan) }
    if Tool.isInterrupted { throw ExitCode(ToolStatus.interrupted.rawValue) }
    if failed > 0 { throw ExitCode(ToolStatus.failed.rawValue) }
  }

  private var model: MemoryModel { MemoryModel(rawValue: memory)! }

  private var limit: Double? {
    seconds ?? (search == "portfolio" ? (scenario == "all" ? 300 : 10) : nil)
  }

  /// A search of everything that did not reach what it should.
  private func isVacuous(_ certificate: Certificate) -> Bool {
    certificate.shard == nil && mutant == nil && !certificate.unreached.isEmpty
      && certificate.verdict == Verdict.exhaustive.description
  }

  private func summarize(_ certificates: [Certificate], _ failed: Int, _ plan: ExplorePlan) {
    let proved = certificates.count { $0.grade == .exhaustive }
    let executions = certificates.reduce(0) { $0 + $1.executions }
    Console.writeMessage(
      "\(certificates.count) explorations, \(proved) EXHAUSTIVE, \(failed) failed; "
        + "\(executions.grouped) executions of the last turns in \(ProgressLine.clock(plan.elapsed))"
    )
  }

  /// nil: among several this search cannot do this one, which is said.
  private func explore(_ task: ExplorePlan.Task) throws(ToolError) -> Certificate? {
    let certificate: Certificate
    let witness: Witness?
    do throws(LabError) {
      let world = try LabWorld(task.scenario, rules: task.rules, size: task.size)
      if let refusal = world.refusal(Search(name: search) ?? .classes, model: model) {
        guard scenario == "all" else { throw refusal }
        ProgressLine.end()
        Console.writeMessage("left out: \(refusal)")
        return nil
      }
      let (result, by) = explored(world, task)
      ProgressLine.end()
      certificate = world.certificate(of: result, search: by, mutant: mutant)
      if json != "-" { show(certificate, result) }
      if json != "-", let finding = result.finding, let remedy = world.remedy(for: finding) {
        show(remedy)
      }
      witness = result.finding.map { self.witness(of: $0, world) }
    } catch {
      throw ToolError(error)
    }
    if let witness {
      if json != "-" { try files.show(witness) } else { try files.write(witness) }
    }
    return certificate
  }

  /// Of the smallest execution that fails in this way.
  private func witness(of finding: FolioLab.Finding, _ world: LabWorld) -> Witness {
    let small = world.shrink(finding)
    return Witness(
      scenario: world.scenario, settings: world.settings, threads: world.threads, model: model,
      finding: small,
      token: world.token(of: small.trace, mutant: mutant).description,
      mutant: mutant.flatMap(Mutant.named))
  }

  /// The result, and the name of the search where that is several in turn.
  private func explored(
    _ world: LabWorld, _ task: ExplorePlan.Task
  ) -> (ExplorationResult, String?) {
    func progress(_ now: ExplorationStatistics) -> Bool {
      ProgressLine.show(line(now, world, task))
      return !Tool.isInterrupted
    }
    if let search = Search(name: search) {
      let result = world.explore(
        search, model: model, seed: seed, executions: runs, seconds: task.seconds,
        shard: shard.flatMap { Shard($0) }, keepsPairs: !search.isSystematic, progress: progress)
      return (result, nil)
    }
    let found = world.portfolio(
      model: model, seed: seed &+ task.turn &* 1000, seconds: task.seconds ?? 10,
      provesClasses: !noProofs,
      keepsPairs: true, progress: progress)
    let isSample = found.result.finding == nil && !found.result.isProof
    return (found.result, isSample ? "portfolio" : nil)
  }

  /// How far an exploration is: what was done, what was come to, how fast, how long it may take.
  private func line(
    _ now: ExplorationStatistics, _ world: LabWorld, _ task: ExplorePlan.Task
  ) -> String {
    let obligations = world.scenario.obligations.indices
    let reached = obligations.count(where: world.settings.obligations.isReached)
    var parts = [
      "\(task.number)\(world.scenario.name) \(task.rules.rawValue) size \(task.size)",
      "\(now.executions.grouped) executions", "\(now.complete.grouped) complete",
      "depth \(now.longest)", "reached \(reached)/\(obligations.count)",
    ]
    if now.pairs > 0 { parts.append("\(now.pairs) pairs") }
    if now.states > 0 { parts.append("\(now.states.grouped) states") }
    parts.append("\((Double(now.executions) / max(now.seconds, 1e-9) / 1e6).digits(2)) M/s")
    var left = task.seconds.map { $0 - now.seconds }
    if now.share > 0 {
      parts.append("about \((now.share * 100).digits(now.share < 0.1 ? 1 : 0)) %")
      let estimate = now.seconds * (1 - now.share) / now.share
      left = min(left ?? estimate, estimate)
    }
    if let left { parts.append("\(ProgressLine.clock(left)) left") }
    if let all = task.secondsOfAll {
      parts.append("\(ProgressLine.clock(all - now.seconds)) of all")
    }
    return parts.joined(separator: ", ")
  }

  private func show(_ remedy: Remedy) {
    if remedy.reordered.count == 2 {
      let names = remedy.reordered.map { "\($0.function): \($0.text)" }
      print("  reordered: \(names[0])  and  \(names[1])")
    }
    if remedy.strengthening.isEmpty {
      print("  no stronger order of one or two places of this execution silences it")
    } else {
      let places = remedy.strengthening.map(\.description).joined(separator: ", and ")
      print("  silenced by \(places)\(remedy.isProved ? "" : " (in a sample)")")
    }
  }

  private func show(_ c: Certificate, _ result: ExplorationResult) {
    let s = result.statistics
    var line =
      "\(c.verdict) \(c.scenario) size \(c.size) \(c.rules) \(c.memoryModel) by \(c.search): "
      + "\(s.executions.grouped) executions"
    if result.search == .classes { line += ", \(s.complete.grouped) classes" }
    if s.states > 0 {
      line += ", \(s.states.grouped) states, collisions below \(s.collisionProbability)"
    }
    if result.draws > 0 { line += ", \(result.draws.grouped) draws" }
    if s.blocked > 0 { line += ", \(s.blocked.grouped) blocked" }
    line += " in \(s.seconds.digits(3)) s"
    print(line)
    if !result.unreached.isEmpty {
      print("  not reached: \(result.unreached.joined(separator: "; "))")
    }
    for line in result.uncovered { print("  not covered: \(line)") }
  }
}
