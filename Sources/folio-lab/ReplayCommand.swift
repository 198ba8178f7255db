// SPDX-License-Identifier: MIT

import ArgumentParser
import FolioCore
import FolioLab
import FolioTools
import FolioWorkloads

struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Runs the one execution that a token names.",
    discussion: """
      A token names operations, not step numbers, so it survives edits
      elsewhere. Where it cannot be followed any more the output says so and
      the execution goes on with the lowest thread. Tokens of a package of
      your own are replayed by that package's command.

      EXAMPLES
        folio-lab replay TOKEN
        folio-lab replay TOKEN --html witness.html
        folio-lab replay TOKEN --reproducer witness.c

      EXIT CODES
        0 it does not fail any more, 1 it still does, 65 no scenario, rules or
        mutant of that name here
      """)

  @Argument(help: "The token: folio:v1:...") var token: String
  @Flag(help: "Where the token cannot be followed, search on from there at random.")
  var continueRandom = false
  @Option(help: "Write the failing execution to this file; - is standard output.") var json: String?
  @OptionGroup(title: "Of the failing execution") var files: WitnessOptions

  func run() throws {
    guard let token = ReplayToken(token) else {
      throw ValidationError("this is no token; one begins with folio:v1:")
    }
    guard let scenario = Scenario.named(token.scenario) else {
      throw ToolError(.dataError, "the token's scenario \(token.scenario) is not here")
    }
    guard let rules = PageMap.Rules(rawValue: token.rules) else {
      throw ToolError(.dataError, "the token's rules \(token.rules) are not here")
    }
    let mutant = token.mutant.flatMap(Mutant.named)
    guard token.mutant == nil || mutant != nil else {
      throw ToolError(.dataError, "the token's mutant \(token.mutant!) is not here")
    }
    let witness: Witness
    do throws(LabError) {
      guard Mutant.switch(mutant) else { throw LabError.notBuiltIn }
      let world = try LabWorld(scenario, rules: rules, size: token.size)
      let run = world.replay(token)
      if let divergence = run.divergence {
        Console.writeMessage("diverged at \(divergence.description)")
      }
      var finding = run.finding
      if finding == nil && run.divergence != nil && continueRandom {
        finding = world.explore(.random, model: token.model, executions: 100_000).finding
      }
      guard let finding else {
        print("no violation")
        return
      }
      // Where the token was left, what ran has another one.
      let own = world.token(of: finding.trace, mutant: token.mutant)
      witness = Witness(
        scenario: scenario, settings: world.settings, threads: world.threads, model: token.model,
        finding: finding, token: run.divergence == nil ? token.description : own.description,
        mutant: mutant)
    } catch {
      throw ToolError(error)
    }
    if json == "-" { try files.write(witness) } else { try files.show(witness) }
    try ToolReport([witness.report()]).write(to: json)
    throw ExitCode(ToolStatus.failed.rawValue)
  }
}
