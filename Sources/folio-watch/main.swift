// SPDX-License-Identifier: MIT

// The standard suite of somebody who watches: every scenario under every rules that it knows, a
// bounded number of random walks each. Built with a sanitizer or with the alarm for blind spots
// (Tools/sanitize.sh, Tools/blind-spots.sh), which look at what the engine does not see: plain
// accesses. Small on purpose, so that building it twice more is cheap.

import FolioCore
import FolioLab
import FolioWorkloads
import Foundation

let usage = """
  usage: folio-watch [--mutant ID] [--memory sc|tso|c11] [--runs N] [--invariant ID]... [SCENARIO]...

    --mutant ID     switch this bug on
    --memory MODEL  how loads and stores may pass each other; sc
    --runs N        executions per scenario and rules; 1000
    --invariant ID  only findings of this kind count; all

  Examples:
    folio-watch --runs 300
    folio-watch --memory c11 --invariant BLIND-SPOT --mutant B01 xarray-shrink

  Exit codes: 0 no finding, 64 usage, 65 findings, 77 built without the trait Lab
  """

func stop(_ status: Int32, _ text: String) -> Never {
  FileHandle.standardError.write(Data("folio-watch: \(text)\n".utf8))
  exit(status)
}

struct Options {
  var mutant: Mutant?
  var memory = MemoryModel.sc
  var runs = 1000
  var invariants: Set<String> = []
  var scenarios: [Scenario] = []

  init(_ arguments: [String]) {
    var rest = arguments[...]
    func value(_ name: String) -> String {
      guard let value = rest.popFirst() else { stop(64, "\(name) needs a value\n\(usage)") }
      return value
    }
    while let argument = rest.popFirst() {
      switch argument {
      case "--help", "-h":
        print(usage)
        exit(0)
      case "--mutant":
        let id = value(argument)
        guard let named = Mutant.named(id) else { stop(64, "no mutant is called \(id)") }
        mutant = named
      case "--memory":
        let name = value(argument)
        guard let model = MemoryModel(rawValue: name) else {
          stop(64, "no memory model is called \(name)")
        }
        memory = model
      case "--runs":
        guard let count = Int(value(argument)), count > 0 else {
          stop(64, "--runs needs a number above 0")
        }
        runs = count
      case "--invariant": invariants.insert(value(argument))
      default:
        guard let scenario = Scenario.named(argument) else {
          stop(64, "no scenario is called \(argument)\n\(usage)")
        }
        scenarios.append(scenario)
      }
    }
    if scenarios.isEmpty { scenarios = Scenario.all }
  }
}

/// What all walks together came to.
struct Totals {
  var worlds = 0
  var executions = 0
  var findings = 0
  var others = 0
}

func show(_ finding: FolioLab.Finding, _ world: LabWorld, _ options: Options) {
  let token = world.token(of: finding.trace, mutant: options.mutant?.id).description
  let witness = Witness(
    scenario: world.scenario, settings: world.settings, threads: world.threads,
    model: options.memory, finding: finding, token: token, mutant: options.mutant)
  print(witness.text(), terminator: "")
}

/// Walks that end at a finding of another kind go on with the next seed.
func watch(_ world: LabWorld, _ options: Options, _ totals: inout Totals) {
  totals.worlds += 1
  var left = options.runs
  var seed: UInt64 = 1
  let searches: [Search] = [.random, .pct(depth: nil), .pos]
  while left > 0 {
    let search = searches[Int(seed) % searches.count]
    let count = min(left, (options.runs + searches.count - 1) / searches.count)
    let result = world.explore(search, model: options.memory, seed: seed, executions: count)
    totals.executions += result.statistics.executions
    left -= max(result.statistics.executions, 1)
    seed += 1
    guard let finding = result.finding else { continue }
    guard options.invariants.isEmpty || options.invariants.contains(finding.invariant) else {
      totals.others += 1
      continue
    }
    totals.findings += 1
    show(world.shrink(finding), world, options)
    return
  }
}

let options = Options(Array(CommandLine.arguments.dropFirst()))
if let mutant = options.mutant, !Mutant.switch(mutant) {
  stop(77, LabError.notBuiltIn.description)
}
var totals = Totals()
for scenario in options.scenarios {
  for rules in scenario.rules {
    do throws(LabError) {
      let world = try LabWorld(scenario, rules: rules)
      if world.refusal(.random, model: options.memory) == nil { watch(world, options, &totals) }
    } catch {
      stop(77, error.description)
    }
  }
}
print(
  "\(totals.worlds) scenarios and rules, \(totals.executions) executions, "
    + "\(totals.findings) findings"
    + (totals.others > 0 ? ", \(totals.others) of other kinds" : ""))
exit(totals.findings > 0 ? 65 : 0)
