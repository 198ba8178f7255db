// SPDX-License-Identifier: MIT

// `folio-bench stress` for explored scenarios and mutants: which runs there are, one line for each,
// JSON. Reported, not gated, where a mutant is on.

package import FolioCore

/// A stress session on native threads, of scenarios that the lab explores.
package struct NativeSession: Sendable {
  /// One run and what came of it.
  package struct Entry: Sendable {
    let run: NativeStress
    let outcome: NativeOutcome
  }

  /// Lists of runs whose lines belong together: a scenario's, or a mutant's.
  package var groups: [[NativeStress]]
  /// One line for each group, its best.
  package var isBrief = false
  package var jsonPath: String?
  package var version = ""
  package var host = "{}"

  private init(_ groups: [[NativeStress]]) { self.groups = groups }

  /// Scenarios without a mutant, under the given rules where they know them.
  package init(_ scenarios: [Scenario], rules: PageMap.Rules, seed: UInt64, seconds: Double) {
    self.init(
      scenarios.map { scenario in
        let rules = scenario.rules.contains(rules) ? rules : scenario.rules[0]
        var run = NativeStress(scenario, rules: rules, seed: seed, seconds: seconds)
        // A machine may be busy; that nobody comes back for so long is no accident.
        run.patience = 20
        return [run]
      })
  }

  /// Mutants, each in its scenarios under all their rules: those share its time. `within`: in these
  /// scenarios and under these rules only, whether the museum names them for the mutant or not.
  package init(
    _ mutants: [Mutant], within: (scenarios: [Scenario], rules: PageMap.Rules)? = nil, seed: UInt64,
    seconds: Double
  ) {
    self.init(
      mutants.map { mutant in
        let scenarios = within?.scenarios ?? mutant.scenarios.compactMap(Scenario.named)
        let runs = scenarios.flatMap { scenario in
          scenario.rules.filter { within == nil || $0 == within!.rules }.map {
            NativeStress(scenario, rules: $0, mutant: mutant, seed: seed, seconds: 0)
          }
        }
        return runs.map { run in
          var run = run
          run.seconds = seconds / Double(runs.count)
          return run
        }
      })
  }

  /// Runs everything. `say` gets what is no result.
  package func run(
    output: ResultFile = .standardOutput, interrupted: StopFlag, say: (String) -> Void
  ) -> StressStatus {
    let json: ResultFile?
    do throws(ResultFile.Failure) {
      json = try jsonPath.flatMap { (path) throws(ResultFile.Failure) in
        path == "-" ? nil : try ResultFile(path: path)
      }
    } catch {
      say(error.description)
      return .cannotCreate
    }
    var entries: [Entry] = []
    var found: [NativeStress] = []
    var isWritten = true
    func write(_ text: String) {
      do throws(ResultFile.Failure) {
        try output.write(text)
      } catch {
        say(error.description)
        isWritten = false
      }
    }
    for group in groups where !interrupted.isSet {
      var own: [Entry] = []
      for run in group where !interrupted.isSet {
        own.append(Entry(run: run, outcome: run.run(interrupted: interrupted)))
      }
      if let first = own.first(where: { $0.outcome.failed > 0 }) { found.append(first.run) }
      entries += own
      let shown = isBrief ? own.max { $0.rank < $1.rank }.map { [$0] } ?? [] : own
      if jsonPath != "-" { for entry in shown { write(entry.line + "\n") } }
    }
    say(summary(found, rounds: entries.reduce(0) { $0 + $1.outcome.rounds }))
    let text = jsonText(entries)
    if jsonPath == "-" { write(text) }
    do throws(ResultFile.Failure) {
      try json?.write(text)
    } catch {
      say(error.description)
      isWritten = false
    }
    if entries.contains(where: { $0.run.mutant == nil && $0.outcome.failed > 0 }) {
      return .violated
    }
    if entries.contains(where: { $0.outcome.refusal != nil }) { return .refused }
    guard isWritten else { return .cannotWrite }
    return interrupted.isSet ? .interrupted : .pass
  }

  /// How many scenarios failed, or how many mutants were found, by the memory that shows them.
  private func summary(_ found: [NativeStress], rounds: Int) -> String {
    guard groups.joined().contains(where: { $0.mutant != nil }) else {
      return "\(found.count) of \(groups.count) scenarios failed in \(rounds) rounds"
    }
    let parts = Mutant.MemoryModel.allCases.compactMap { model -> String? in
      let all = groups.count { $0.first?.mutant?.model == model }
      let seen = found.count { $0.mutant?.model == model }
      return all == 0 ? nil : "\(seen) of \(all) that \(model.rawValue) memory shows"
    }
    return "found \(parts.joined(separator: ", ")), in \(rounds) rounds"
  }

  private func jsonText(_ entries: [Entry]) -> String {
    """
    {
      "schema": 1, "tool": "folio-bench stress", "version": \(StressReport.quoted(version)),
      "host": \(host),
      "results": [
        \(entries.map(\.json).joined(separator: ",\n    "))
      ]
    }

    """
  }
}

extension NativeSession.Entry {
  /// Who failed comes before who did not, more often before less often.
  fileprivate var rank: Double { outcome.failed > 0 ? 1 + outcome.perMillion : 0 }

  /// The command that repeats the run.
  private var command: String {
    let mutant = run.mutant.map { " --mutant \($0.id)" } ?? ""
    return "folio-bench stress --scenario lab:\(run.scenario.name)\(mutant)"
      + " --rules \(run.rules.rawValue) --seconds \(run.seconds.text) --seed \(run.seed)"
  }

  fileprivate var line: String {
    let name = run.mutant.map { "\($0.id) " } ?? ""
    let head = "\(name)lab:\(run.scenario.name) \(run.rules.rawValue):"
    if let refusal = outcome.refusal { return "\(head) did not run, \(refusal)" }
    let rate = Int(Double(outcome.rounds) / max(outcome.seconds, 1e-9))
    let rounds = "\(outcome.rounds) rounds, \(rate) per second"
    guard let round = outcome.firstRound, let seconds = outcome.firstSeconds else {
      return "\(head) nothing in \(rounds), seed \(run.seed)"
    }
    return
      "\(head) \(outcome.failed) of \(rounds); \(outcome.perMillion.text) per million, first in "
      + "round \(round) after \(seconds.text) s: \(outcome.invariant): \(outcome.message), seed "
      + "\(run.seed)"
  }

  fileprivate var json: String {
    func optional(_ value: String?) -> String { value ?? "null" }
    let violations =
      outcome.failed == 0
      ? ""
      : #"{"invariant": \#(StressReport.quoted(outcome.invariant)), "page": null, "#
        + #""message": \#(StressReport.quoted(outcome.message)), "#
        + #""replay": \#(StressReport.quoted(command))}"#
    let threads = run.scenario.size
    return
      #"{"scenario": \#(StressReport.quoted("lab:" + run.scenario.name)), "#
      + #""rules": \#(StressReport.quoted(run.rules.rawValue)), "size": \#(threads), "#
      + #""mutant": \#(optional(run.mutant.map { StressReport.quoted($0.id) })), "#
      + #""seed": \#(run.seed), "operations": \#(outcome.rounds), "#
      + #""seconds": \#(outcome.seconds.text), "violations": [\#(violations)], "#
      + #""counters": {"rounds": \#(outcome.rounds), "failed": \#(outcome.failed), "#
      + #""per_million": \#(outcome.perMillion.text), "#
      + #""first_round": \#(optional(outcome.firstRound.map(String.init))), "#
      + #""first_seconds": \#(optional(outcome.firstSeconds?.text)), "#
      + #""processes": \#(outcome.processes)}}"#
  }
}

extension Double {
  /// With three digits behind the point, without Foundation.
  fileprivate var text: String {
    let thousandths = Int((self * 1000).rounded())
    let digits = "\(thousandths % 1000)"
    return "\(thousandths / 1000)." + String(repeating: "0", count: 3 - digits.count) + digits
  }
}
