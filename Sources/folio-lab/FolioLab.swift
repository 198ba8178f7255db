// SPDX-License-Identifier: MIT

// The command line of folio-lab: names of subcommands and what they have in common.

import ArgumentParser
import FolioLab
import FolioWorkloads

@main
struct FolioLabTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "folio-lab",
    abstract: "Explores the interleavings of Folio's own code.",
    discussion: """
      EXAMPLES
        folio-lab list                              scenarios
        folio-lab explore gup-pin                   every class of schedules
        folio-lab explore gup-pin --size 4 --search states
        folio-lab explore gup-pin --search random --runs 5000000

      EXIT CODES
        0 pass, 1 a check failed, 64 usage, 77 built without the trait Lab
      """,
    subcommands: [ListCommand.self, ExploreCommand.self],
    defaultSubcommand: ListCommand.self)
}

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Names the scenarios.")

  func run() {
    for scenario in Scenario.all {
      print("\(scenario.name)  \(scenario.title)")
    }
  }
}

struct ExploreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explore", abstract: "Explores one scenario.")

  @Argument(help: "A scenario's name.") var scenario: String
  @Option(help: "How many of the threads that come in numbers.") var size: Int?
  @Option(help: "random, pct[:depth], pos, urw, schedules[:preemptions], classes, states.")
  var search = "classes"
  @Option(help: "Executions at most.") var runs: Int?
  @Option(help: "Seconds at most.") var seconds: Double?
  @Option(help: "Seed of random searches.") var seed: UInt64 = 1
  @Option(help: "Switch this bug of the museum on.") var mutant: String?

  func run() throws {
    guard let found = Scenario.named(scenario) else {
      throw ValidationError("no scenario is called \(scenario)")
    }
    guard let search = Search(name: search) else {
      throw ValidationError("no search is called \(search)")
    }
    if let mutant {
      guard let known = Mutant.named(mutant) else {
        throw ValidationError("no mutant is called \(mutant)")
      }
      guard Mutant.switch(known) else { throw LabError.notBuiltIn }
    }
    let world = try LabWorld(found, size: size)
    let result = world.explore(search, seed: seed, executions: runs, seconds: seconds)
    let s = result.statistics
    print(
      "\(result.verdict) \(found.name): \(s.executions) executions, \(s.complete) complete, \(s.blocked) blocked, \(s.states) states, \(s.seconds) s, \(Double(s.executions) / s.seconds / 1e6) M/s"
    )
    if !result.unreached.isEmpty { print("unreached: \(result.unreached)") }
    if let finding = result.finding {
      print("\(finding.invariant): \(finding.message)")
      for step in finding.trace.steps {
        print("  T\(step.thread) \(step.function): \(step.text) \(step.before) -> \(step.after)")
      }
      throw ExitCode(1)
    }
  }
}
