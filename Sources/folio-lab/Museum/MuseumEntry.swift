// SPDX-License-Identifier: MIT

// What is written of one bug of the museum, as JSON and as lines, and of all of them together.

import FolioCore
import FolioLab
import FolioTools
import FolioWorkloads

/// A museum result, as reports carry it. Entries without a mutant say why.
struct MuseumEntry: Codable {
  var id, title: String
  var expressible: Bool
  /// Why it is not.
  var reason: String?
  /// Entries of the specification that this mutant expresses.
  var expresses: [String] = []
  var caught = false
  /// Engine and oracle: "portfolio/random + CI22".
  var by, engine, oracle: String?
  var scenario, rules, memoryModel: String?
  var executions = 0
  var seconds = 0.0
  var shrinkSeconds = 0.0
  /// Of the smallest failing execution.
  var preemptions, steps: Int?
  var token: String?
  /// The least PCT depth that failed; nil: not measured, or none up to 6 did.
  var depth: Int?
  var odds: Odds?

  /// How likely each walk is to fail.
  struct Odds: Codable {
    var random, pos, urw: Rate
    /// By depth, from 1.
    var pct: [Rate]
    var lanes, choices: Int
    /// 1 / (n k^(d - 1)) at the measured depth; nil under weak models, where nothing is promised.
    var promise: Double?
    /// Depths where PCT falls short of it.
    var broken: [Int]
  }

  struct Rate: Codable {
    var hits, executions: Int
    var rate, low, high: Double

    init(_ rate: HitRate) {
      (hits, executions, self.rate) = (rate.hits, rate.executions, rate.rate)
      (low, high) = (rate.interval.lowerBound, rate.interval.upperBound)
    }

    /// "0.12 (0.10-0.14)".
    var text: String {
      func short(_ value: Double) -> String {
        value == 0 ? "0" : value < 0.001 ? Verdict.short(value) : value.digits(3)
      }
      return "\(short(rate)) (\(short(low))-\(short(high)))"
    }
  }

  enum CodingKeys: String, CodingKey {
    case id, title, expressible, reason, expresses, caught, by, engine, oracle, scenario, rules
    case executions, seconds, preemptions, steps, token, depth, odds
    case memoryModel = "memory_model"
    case shrinkSeconds = "shrink_seconds"
  }

  init(_ result: MuseumResult, _ report: DepthReport?, search: String) {
    let mutant = result.mutant
    (id, title, expressible) = (mutant.id, mutant.title, true)
    expresses = KnownRace.all.filter { $0.mutants.contains(mutant.id) }.map(\.id)
    caught = result.isCaught
    (executions, seconds) = (result.executions, result.seconds)
    (scenario, rules, memoryModel) = (
      result.scenario, result.rules.rawValue, mutant.model.rawValue
    )
    guard let finding = result.finding,
      let search = result.by.map({
        search == "portfolio" ? "portfolio/\($0.name)" : $0.name
      })
    else { return }
    (engine, oracle, by) = (search, finding.invariant, "\(search) + \(finding.invariant)")
    (shrinkSeconds, preemptions) = (result.shrinkSeconds, result.preemptions)
    (steps, token) = (finding.trace.steps.count, result.token)
    guard let report else { return }
    depth = report.depth
    odds = Odds(
      random: Rate(report.random), pos: Rate(report.pos), urw: Rate(report.urw),
      pct: report.pct.map(Rate.init), lanes: report.lanes, choices: report.choices,
      promise: report.model == .sc ? report.depth.map(report.promise) : nil,
      broken: report.broken)
  }

  private init(_ race: KnownRace) {
    (id, title) = (race.id, race.title)
    switch race.standing {
    case .notExpressible(let why): (expressible, reason) = (false, why.rawValue)
    case .expressed: (expressible, reason) = (true, "left out: its mutant is not in the registry")
    }
  }

  /// Entries of the specification that no mutant expresses: it cannot, or it was left out.
  static var withoutMutants: [MuseumEntry] {
    KnownRace.all.filter { $0.mutants.isEmpty || !$0.isInRegistry }.map { MuseumEntry($0) }
  }

  static let header =
    pad("id", 4) + pad("caught by", 36) + pad("executions", 11, right: true)
    + pad("seconds", 10, right: true) + pad("preemptions", 13, right: true)
    + pad("depth", 7, right: true) + "  scenario"

  var lines: [String] {
    let row =
      Self.pad(id, 4) + Self.pad(by ?? "NOT CAUGHT", 36)
      + Self.pad(executions.grouped, 11, right: true)
      + Self.pad(seconds.digits(4), 10, right: true)
      + Self.pad(preemptions.map(String.init) ?? "-", 13, right: true)
      + Self.pad(depth.map(String.init) ?? "-", 7, right: true)
      + "  \(scenario ?? "") \(rules ?? "") \(memoryModel ?? "")"
    guard let odds else { return [row] }
    var walks = "random \(odds.random.text)  pos \(odds.pos.text)  urw \(odds.urw.text)"
    if let depth { walks += "  pct:\(depth) \(odds.pct[depth - 1].text)" }
    if let promise = odds.promise { walks += " >= \(Verdict.short(promise))" }
    if !odds.broken.isEmpty { walks += " BROKEN at depth \(odds.broken)" }
    return [row, "    " + walks]
  }

  private static func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
    let space = String(repeating: " ", count: max(right ? 0 : 1, width - text.count))
    return right ? space + text : text + space
  }
}

extension KnownRace {
  /// Mutants that are meant to express it.
  var mutants: [String] {
    if case .expressed(let mutants) = standing { mutants } else { [] }
  }

  var isInRegistry: Bool { mutants.allSatisfy { Mutant.named($0) != nil } }
}

/// A visit of the whole museum.
struct MuseumSummary {
  var caught, expressible, notExpressible: Int
  var median: Double
  var missing, broken: [String]
  private let measured: Int

  init(_ entries: [MuseumEntry]) {
    caught = entries.count(where: \.caught)
    expressible = entries.count(where: \.expressible)
    notExpressible = entries.count - expressible
    let times = entries.filter(\.caught).map(\.seconds).sorted()
    median = times.isEmpty ? 0 : times[times.count / 2]
    missing = entries.filter { $0.expressible && !$0.caught }.map(\.id)
    broken = entries.filter { $0.odds?.broken.isEmpty == false }.map(\.id)
    measured = entries.count { $0.odds?.promise != nil }
  }

  /// Of the expressible, in percent.
  var share: Double { expressible == 0 ? 0 : Double(caught) * 100 / Double(expressible) }

  var text: String {
    "\(caught) of \(expressible) expressible mutants caught, median \(median.digits(4)) s"
      + (notExpressible > 0 ? "; \(notExpressible) entries cannot be expressed yet" : "")
      + (missing.isEmpty ? "" : "; not caught: \(missing.joined(separator: " "))")
  }

  var promise: String {
    broken.isEmpty
      ? "PCT keeps its promise for \(measured) mutants"
      : "PCT BREAKS its promise for \(broken.joined(separator: " "))"
  }
}
