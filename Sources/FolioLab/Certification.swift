// SPDX-License-Identifier: MIT

// The certificates of all scenarios: how each is earned, and how those of today are held against
// recorded ones. Budgets are executions, not seconds, so that a slow machine earns the same grades.

package import FolioCore
package import FolioWorkloads

/// A scenario under rules and a memory model.
package struct CertificationSubject: Sendable {
  package let scenario: Scenario
  package let rules: PageMap.Rules
  package let model: MemoryModel

  /// As certificates name it.
  package var name: String {
    Certificate.subject(scenario.name, scenario.size, rules.rawValue, model.rawValue)
  }

  /// Every scenario under each of its rules and sequential consistency, and under the first of them with
  /// store buffers and with C11.
  package static let all: [CertificationSubject] = Scenario.all.flatMap { scenario in
    scenario.rules.map { CertificationSubject(scenario: scenario, rules: $0, model: .sc) }
      + [MemoryModel.tso, .c11].map {
        CertificationSubject(scenario: scenario, rules: scenario.rules[0], model: $0)
      }
  }
}

extension Certificate {
  /// Executions that a proof may take, and each bound of one that is too long.
  package static func budget(_ model: MemoryModel) -> Int { model == .sc ? 400_000 : 20_000 }

  /// Executions of a sample at most: with 95 % confidence a draw fails with less than 6e-5 then. Weak models
  /// draw their budget, 20,000: 1.5e-4.
  private static let maximumDraws = 50_000

  /// Searches for the strongest claim: all classes, else the largest bound on preemptions, and beside it,
  /// or alone, a sample. Weak models have no bounds: what buffers and old values do is no preemption.
  ///
  /// - Parameter executions: nil: the model's budget.
  package static func earn(
    _ subject: CertificationSubject, executions: Int? = nil,
    progress: (ExplorationStatistics) -> Bool = { _ in true }
  ) throws(LabError) -> Certificate {
    let world = try LabWorld(subject.scenario, rules: subject.rules)
    let executions = executions ?? budget(subject.model)
    if let refusal = world.refusal(.classes, model: subject.model) { throw refusal }
    func explored(_ search: Search) -> ExplorationResult {
      world.prove(search, model: subject.model, executions: executions, progress: progress)
    }
    var best = explored(.classes)
    guard best.verdict != .exhaustive, best.finding == nil else {
      return world.certificate(of: best)
    }
    var bound = 0
    while subject.model == .sc {
      let result = explored(.schedules(preemptions: bound))
      if result.finding != nil { return world.certificate(of: result) }
      guard result.verdict == .bounded(bound) else { break }
      best = result
      bound += 1
    }
    // A bound leaves most schedules out, and proofs end early where threads that take turns could go on for
    // ever: walks go everywhere. The first is the sample, the others are for what it does not come to.
    var unreached = best.unreached
    for search in [Search.pos, .random, .urw, .pct(depth: nil)] {
      let walk = world.explore(
        search, model: subject.model, executions: min(executions, maximumDraws), progress: progress)
      if walk.finding != nil { return world.certificate(of: walk) }
      if search == .pos {
        if best.verdict.isSampled { best = walk } else { best.draws = walk.draws }
      }
      unreached.removeAll { !walk.unreached.contains($0) }
      if unreached.isEmpty { break }
    }
    best.unreached = unreached
    return world.certificate(of: best)
  }

  /// What the verdict is worth beside others.
  package enum Grade: Comparable, Sendable {
    case failed, sampled
    case bounded(Int)
    case exhaustive
  }

  package var grade: Grade {
    if invariant != nil || shard != nil { return .failed }
    if verdict == Verdict.exhaustive.description { return .exhaustive }
    if let bound, verdict == Verdict.bounded(bound).description { return .bounded(bound) }
    return sample == nil ? .failed : .sampled
  }
}

/// Today's certificates beside the recorded ones.
package struct CertificateComparison: Sendable {
  /// What must not be: grades lost, counts that differ, scenarios that are on one side only.
  package var losses: [String] = []
  /// What may be recorded: grades won.
  package var gains: [String] = []

  package init(recorded: [Certificate], today: [Certificate]) {
    var left = Dictionary(grouping: recorded, by: \.subject)
    for certificate in today {
      guard let before = left.removeValue(forKey: certificate.subject)?.first else {
        losses.append("\(certificate.subject): not recorded")
        continue
      }
      compare(before, certificate)
    }
    for subject in left.keys.sorted() {
      losses.append("\(subject): recorded, and not here any more")
    }
  }

  private mutating func compare(_ before: Certificate, _ now: Certificate) {
    let name = now.subject
    let failure = now.invariant.map { " (\($0): \(now.message ?? ""))" } ?? ""
    if now.grade < before.grade {
      losses.append("\(name): \(before.verdict) recorded, now \(now.verdict)\(failure)")
    } else if now.grade > before.grade {
      gains.append("\(name): \(before.verdict) recorded, now \(now.verdict)")
    } else if now.grade == .exhaustive && now.classes != before.classes {
      losses.append("\(name): \(before.classes) classes recorded, now \(now.classes)")
    }
    // A few executions may end because threads take turns, and are no draws.
    let (drawn, draws) = (before.sample?.draws ?? 0, now.sample?.draws ?? 0)
    if now.grade != .exhaustive && draws * 100 < drawn * 99 {
      losses.append("\(name): \(drawn) draws recorded, now \(draws)")
    }
    for obligation in now.unreached where !before.unreached.contains(obligation) {
      losses.append("\(name): not reached any more: \(obligation)")
    }
  }
}
