// SPDX-License-Identifier: MIT

// What the lab promises, measured: goal by goal what was asked and what was reached. Equalities fail the
// command; a time or rate that is missed is said to be, with what explains it. How each is measured
// is in the files beside this one.

import ArgumentParser
import FolioLab
import FolioTools
import FolioWorkloads
import Foundation

struct GoalsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "goals", abstract: "Measures the lab against its goals.",
    discussion: """
      Run it in the project's root: recorded certificates are read from there. Equalities that do
      not hold fail the command; of times and rates two may be missed, none by more than a factor
      of 2.

      EXAMPLES
        folio-lab goals                               all of them, some minutes
        folio-lab goals --only L1,L2                  these
        folio-lab goals --quick                       equalities without long proofs
        folio-lab goals --also FILE                   with goals that scripts have measured
        folio-lab goals --equalities --hand-on FILE   what may share the machine
        folio-lab goals --times --also FILE           the rest, and the judgement of all
      """)

  @Option(help: "Only these: L1,L2.") var only: String?
  @Option(help: "Runs of each timing; the median counts.") var rounds = 5
  @Option(help: "Seconds at most per mutant.") var mutantSeconds = 60.0
  @Option(help: "Executions of each walk at most, for the rates of a mutant.") var oddsRuns = 5_000
  @Option(help: "Seconds of each walk at most, for the rates of a mutant.") var oddsSeconds = 0.05
  @Option(help: "The recorded certificates.") var certificates = CertificateFile.path
  @Option(
    help: "Goals measured elsewhere: lines of reached|MISSED|FAILED, id, asked, reached, with tabs."
  )
  var also: String?
  @Option(
    help: """
      Add the outcome to this file, as --also reads it. A run that reads it judges: this one ends with 0.
      """)
  var handOn: String?
  @Flag(help: "Equalities only, and no long proofs.") var quick = false
  @Flag(help: "A share of the goals: equalities, or times, rates and the museum.")
  var share: Share?
  @Flag(help: "The states of five pinners too; minutes.") var long = false
  @Option(help: "Write the outcome to this file; - is standard output.") var json: String?
  @OptionGroup var progress: ProgressOptions

  /// A share of the goals.
  enum Share: String, EnumerableFlag {
    /// Hold on a busy machine too.
    case equalities
    /// Want the machine for themselves.
    case times
  }

  /// A group of goals that are measured together.
  private struct Part {
    var ids: Set<String>
    var share = Share.equalities
    var measure: () throws -> [Goal]
  }

  private var parts: [Part] {
    func lab(_ body: @escaping () throws(LabError) -> [Goal]) -> () throws -> [Goal] {
      {
        do throws(LabError) { return try body() } catch { throw ToolError(error) }
      }
    }
    return [
      Part(ids: ["L2", "L18"], measure: lab(pinClasses)),
      Part(ids: ["L3"], measure: lab(recordedCounts)),
      Part(ids: ["L14", "L15", "L19"], measure: proofs),
      Part(ids: ["L13"], measure: { [try coverage()] }),
      Part(ids: ["L5"], measure: lab(orders)),
      Part(ids: ["L1"], share: .times, measure: lab(walkRates)),
      Part(ids: ["L2"], share: .times, measure: lab { () throws(LabError) in [try proofTime()] }),
      Part(ids: ["L4"], share: .times, measure: lab(stateTimes)),
      Part(ids: ["L6", "L7", "L8", "L10"], share: .times, measure: lab(museum)),
    ]
  }

  private var chosen: Set<String>? {
    only.map { Set($0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }) }
  }

  func validate() throws {
    let known = parts.reduce(into: Set<String>()) { $0.formUnion($1.ids) }
    if let chosen, !chosen.isSubset(of: known) {
      throw ValidationError("goals are \(known.sorted().joined(separator: ", "))")
    }
    if quick && share == .times { throw ValidationError("--quick leaves the times out") }
    guard rounds > 0, mutantSeconds > 0, oddsRuns > 0, oddsSeconds > 0 else {
      throw ValidationError("rounds, runs and seconds are above 0")
    }
  }

  func run() throws {
    // Before minutes of work.
    let others = try also.map(Self.read) ?? []
    if let handOn { _ = try ReportFile(handOn) }
    progress.begin()
    var goals: [Goal] = []
    func add(_ more: [Goal]) {
      ProgressLine.end()
      goals += more
      if json != "-" { more.flatMap(\.lines).forEach { print($0) } }
    }
    for part in parts where !Tool.isInterrupted {
      if let share = quick ? .equalities : share, share != part.share { continue }
      if let chosen, chosen.isDisjoint(with: part.ids) { continue }
      add(try part.measure().filter { chosen?.contains($0.id) ?? true })
    }
    add(others)
    try ToolReport(goals).write(to: json)
    let failed = goals.count { $0.verdict == .failed }
    let missed = goals.filter { $0.verdict == .missed }
    // A goal of several figures is one goal.
    let missedGoals = Set(missed.map(\.id)).count
    let far = missed.filter(\.isFar).map(\.id)
    Console.writeMessage(
      "\(goals.count) figures; \(missedGoals) goals MISSED, \(failed) figures FAILED"
        + (far.isEmpty ? "" : "; by more than a factor of 2: \(far.joined(separator: " "))"))
    if Tool.isInterrupted { throw ExitCode(ToolStatus.interrupted.rawValue) }
    if let handOn { return try Self.add(goals, to: handOn) }
    if failed > 0 || missedGoals > 2 || !far.isEmpty {
      throw ExitCode(ToolStatus.failed.rawValue)
    }
  }

  /// A line has no factor: who misses by too much has failed in it.
  private static func add(_ goals: [Goal], to path: String) throws {
    let old = FileManager.default.contents(atPath: path) ?? Data()
    let lines = goals.map { goal in
      let verdict = goal.isFar ? .failed : goal.verdict
      return "\(verdict.rawValue)\t\(goal.id)\t\(goal.asked)\t\(goal.reached)\n"
    }
    try ReportFile(path).write(old + Data(lines.joined().utf8))
  }

  /// Lines that scripts wrote, or an earlier run.
  private static func read(_ path: String) throws -> [Goal] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ToolError(.noInput, "\(path): cannot be read")
    }
    return try String(decoding: data, as: UTF8.self).split(separator: "\n").map { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 4, let verdict = Goal.Verdict(rawValue: fields[0]) else {
        throw ToolError(.dataError, "\(path): no verdict, id, asked, reached: \(line)")
      }
      return Goal(id: fields[1], asked: fields[2], reached: fields[3], verdict: verdict)
    }
  }
}
