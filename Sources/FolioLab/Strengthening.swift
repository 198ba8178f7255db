// SPDX-License-Identifier: MIT

// Memory models, as the engine knows them, and what makes an alarm of a weak one go away.

import CFolio
import CLab
public import FolioWorkloads

/// Which executions there are: `sc`, `tso`, `c11`.
public typealias MemoryModel = Mutant.MemoryModel

extension MemoryModel {
  var engine: lab_model {
    switch self {
    case .sc: LAB_SC
    case .tso: LAB_TSO
    case .c11: LAB_C11
    }
  }

  init(engine: lab_model) {
    switch engine {
    case LAB_TSO: self = .tso
    case LAB_C11: self = .c11
    default: self = .sc
    }
  }
}

/// A place in the source with a stronger order than it has.
package struct Strengthened: Sendable, Hashable, CustomStringConvertible {
  /// As in `TraceStep`; places with the same function and text are one.
  package var function: String
  package var text: String
  /// A full fence on both sides; else loads acquire, stores release, changes both.
  package var isFull: Bool

  package var description: String {
    "\(function): \(text) \(isFull ? "with full fences" : "with acquire and release")"
  }

  /// For the engine; the texts live as long as the body runs.
  static func with<Result>(
    _ list: [Strengthened], into engine: inout lab_search, _ body: (inout lab_search) -> Result
  ) -> Result {
    precondition(list.count <= Int(LAB_STRENGTHENED_MAX))
    let sites = UnsafeMutableBufferPointer<seam_site>.allocate(capacity: max(1, list.count))
    var texts: [UnsafeMutablePointer<CChar>] = unsafe []
    func copy(_ text: String) -> UnsafePointer<CChar> {
      let bytes = Array(text.utf8CString)
      let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
      unsafe memory.initialize(from: bytes, count: bytes.count)
      unsafe texts.append(memory)
      return unsafe UnsafePointer(memory)
    }
    defer {
      for index in unsafe texts.indices { unsafe texts[index].deallocate() }
      unsafe sites.deallocate()
    }
    unsafe engine.strengthened_count = UInt32(list.count)
    unsafe withUnsafeMutableBytes(of: &engine.strengthened) { bytes in
      let slots = unsafe bytes.bindMemory(to: lab_strengthened.self)
      for (index, entry) in list.enumerated() {
        unsafe (sites.baseAddress! + index).initialize(
          to: seam_site(
            function: copy(entry.function), text: copy(entry.text), file: copy(""), line: 0,
            reserved: 0))
        unsafe slots[index] = unsafe lab_strengthened(
          site: sites.baseAddress! + index,
          strength: entry.isFull ? LAB_FULL_BARRIERS : LAB_STRONG)
      }
    }
    return unsafe body(&engine)
  }
}

extension TraceStep.Kind {
  /// Takes place with an order that can be stronger.
  fileprivate var isOrdered: Bool {
    switch self {
    case .flush, .unlock, .bitLock: true
    default: isAccess
    }
  }
}

/// What is behind an alarm that sequential consistency does not have.
package struct Remedy: Sendable, Hashable {
  /// The two operations whose order was not kept: the later one took place as if before the earlier.
  package var reordered: [TraceStep]
  /// The least strengthening that silences the alarm; empty: none of those tried did.
  package var strengthening: [Strengthened]
  /// Every class of schedules was searched without an alarm; false: a sample of them.
  package var isProved: Bool
}

extension Trace {
  /// The last two operations of this execution whose order was not kept: under TSO a store and a load
  /// of its thread that passed it; under C11 a store and a load that missed it. Empty: none.
  package var reordered: [TraceStep] {
    for (index, step) in steps.enumerated().reversed() {
      if step.kind == .flush {
        let begin = (step.missed ?? -1) + 1
        let passed = steps[begin..<index].first {
          $0.thread == step.actor && $0.kind == .load && $0.object != step.object
        }
        if let passed { return [step, passed] }
      } else if step.choice > 0, let missed = step.missed, steps.indices.contains(missed) {
        return [steps[missed], step]
      }
    }
    return []
  }
}

extension LabWorld {
  /// Searches for what silences an alarm: one place of its execution after the other, first with
  /// acquire and release, then with full fences, then two places together.
  ///
  /// - Parameter seconds: about how long it may take.
  package func remedy(for finding: Finding, seconds: Double = 10) -> Remedy? {
    let model = finding.trace.model
    guard model != .sc else { return nil }
    let limit = Deadline(seconds)
    var remedy = Remedy(
      reordered: finding.trace.reordered, strengthening: [], isProved: false)
    var places: [Strengthened] = []
    for step in finding.trace.steps where step.kind.isOrdered {
      let place = Strengthened(function: step.function, text: step.text, isFull: false)
      if !step.text.isEmpty, !places.contains(place) { places.append(place) }
    }
    let full = places.map { Strengthened(function: $0.function, text: $0.text, isFull: true) }
    let pairs = places.indices.flatMap { a in
      places.indices.dropFirst(a + 1).map { b in [places[a], places[b]] }
    }
    // Under TSO acquire and release change nothing.
    let singles = (model == .tso ? full : places + full).map { [$0] }
    for candidate in singles + (model == .tso ? [] : pairs) where !limit.isOver {
      guard let isProved = silences(candidate, model, limit) else { continue }
      remedy.strengthening = candidate
      remedy.isProved = isProved
      return remedy
    }
    return remedy
  }

  /// Nil: it does not. True: no schedule at all fails.
  private func silences(
    _ places: [Strengthened], _ model: MemoryModel, _ limit: Deadline
  ) -> Bool? {
    func run(_ search: Search, _ executions: Int) -> ExplorationResult {
      explore(
        search, model: model, strengthened: places, seed: 1, executions: executions,
        seconds: limit.left, shard: nil, keepsPairs: false
      ) { _ in !limit.isOver }
    }
    let walks = run(.random, 4096)
    guard walks.finding == nil, walks.statistics.executions >= 4096 else { return nil }
    let classes = run(.classes, 1 << 17)
    if classes.finding != nil { return nil }
    return classes.verdict == .exhaustive
  }
}
