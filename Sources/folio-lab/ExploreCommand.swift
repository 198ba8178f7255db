// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioBenchmark
import FolioCore
import FolioLab
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
        states         each state once: a proof with more threads, sc only
        schedules[:k]  every schedule, or those with at most k preemptions
        random, pct[:depth], pos, urw
                       walks: soon somewhere else, never a proof

      VERDICTS
        EXHAUSTIVE     every interleaving is covered, none fails
        BOUNDED(k)     every one with at most k preemptions is
        SAMPLED(p)     none failed; with 95 % confidence a drawn execution
                       fails with at most this probability
        FAILED         with the smallest failing execution and its token

      EXAMPLES
        folio-lab explore gup-pin --size 3 --search classes
        folio-lab explore litmus-unfreeze --memory c11 --mutant O04
        folio-lab explore two-puts --mutant P01 --html witness.html

      EXIT CODES
        0 nothing failed, 1 something did, or an EXHAUSTIVE scenario never
        reached a state that it must reach
      """)

  @Argument(help: "A scenario's name, or all.") var scenario: String
  @Option(help: "How many of the threads that come in numbers.") var size: Int?
  @Option(help: "strict, kernel or legacy; else the first that the scenario names.")
  var rules: String?
  @Option(
    help: "random, pct[:depth], pos, urw, schedules[:preemptions], classes, states, portfolio.")
  var search = "portfolio"
  @Option(help: "Memory model: sc, tso, c11.") var memory = "sc"
  @Option(help: "Executions at most, per scenario.") var runs: Int?
  @Option(help: "Seconds at most, per scenario; 10 for a portfolio.") var seconds: Double?
  @Option(help: "Seed of random searches.") var seed: UInt64 = 1
  @Option(help: "Switch this bug of the museum on.") var mutant: String?
  @Option(help: "One part of a search that several processes share: 2/4 is the second of four.")
  var shard: String?
  @Option(help: "Write certificates to this file; - is standard output.") var json: String?
  @OptionGroup(title: "Of a failing execution") var files: WitnessOptions

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
    guard rules == nil || PageMap.Rules(rawValue: rules!) != nil else {
      throw ValidationError("rules are strict, kernel or legacy")
    }
    guard shard == nil || Shard(shard!) != nil else {
      throw ValidationError("a shard is a number of a count: 2/4")
    }
    if shard != nil, ["portfolio", "states"].contains(search) || search.hasPrefix("schedules") {
      throw ValidationError("\(search) cannot be shared between processes")
    }
  }

  func run() throws {
    if let mutant, !Mutant.switch(Mutant.named(mutant)) { throw Output.stop(.notBuiltIn) }
    let scenarios = Scenario.named(scenario).map { [$0] } ?? Scenario.all
    var certificates: [Certificate] = []
    for scenario in scenarios {
      // Of all scenarios, those that know the rules.
      if scenarios.count > 1, let rules = chosenRules, !scenario.rules.contains(rules) { continue }
      certificates.append(try explore(scenario))
    }
    try Output.write(certificates, to: json)
    let failed = certificates.filter { $0.invariant != nil || isVacuous($0) }.count
    if failed > 0 { throw ExitCode(ToolStatus.failed.rawValue) }
  }

  private var model: MemoryModel { MemoryModel(rawValue: memory)! }

  private var chosenRules: PageMap.Rules? { rules.flatMap { PageMap.Rules(rawValue: $0) } }

  /// A search of everything that did not reach what it should.
  private func isVacuous(_ certificate: Certificate) -> Bool {
    certificate.shard == nil && mutant == nil && !certificate.unreached.isEmpty
      && certificate.verdict == Verdict.exhaustive.description
  }

  private func explore(_ scenario: Scenario) throws -> Certificate {
    let certificate: Certificate
    let witness: Witness?
    do throws(LabError) {
      let world = try LabWorld(scenario, rules: chosenRules, size: size)
      if let refusal = world.refusal(.classes, model: model) { throw refusal }
      let result = explored(world)
      Output.endProgress()
      certificate = world.certificate(of: result, mutant: mutant)
      if json != "-" { show(certificate, result) }
      if json != "-", let finding = result.finding, let remedy = world.remedy(for: finding) {
        show(remedy)
      }
      witness = result.finding.map { self.witness(of: $0, world) }
    } catch {
      throw Output.stop(error)
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

  private func explored(_ world: LabWorld) -> ExplorationResult {
    let name = world.scenario.name
    func progress(_ now: ExplorationStatistics) -> Bool {
      Output.progress(
        "\(name): \(now.executions.grouped) executions, \(now.complete.grouped) complete, "
          + "longest \(now.longest), \((Double(now.executions) / max(now.seconds, 1e-9) / 1e6).digits(2)) M/s"
      )
      return true
    }
    if let search = Search(name: search) {
      return world.explore(
        search, model: model, seed: seed, executions: runs, seconds: seconds,
        shard: shard.flatMap { Shard($0) }, progress: progress)
    }
    return world.portfolio(
      model: model, seed: seed, seconds: seconds ?? 10, progress: progress
    ).result
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
    if s.blocked > 0 { line += ", \(s.blocked.grouped) blocked" }
    line += " in \(s.seconds.digits(3)) s"
    print(line)
    if !result.unreached.isEmpty {
      print("  not reached: \(result.unreached.joined(separator: "; "))")
    }
    for line in result.uncovered { print("  not covered: \(line)") }
  }
}
