// SPDX-License-Identifier: MIT

// A schedule that survives edits: not "thread 1 at step 12" but "thread 1 until it is about to do that
// operation for the second time". Text: folio:v1:NAME.SIZE.RULES.MODEL[.MUTANT]:BASE64URL, two bytes
// per switch: thread and occurrence, four bits each, and site. A pair with occurrence 0 and a site
// that is not 0 is no switch: it makes the next one's occurrence greater, by 15 times that site.

import FolioCore
public import FolioWorkloads

/// A replay token.
public struct ReplayToken: Sendable, Hashable, CustomStringConvertible {
  /// The name of the scenario.
  public var scenario: String
  /// How many of its threads that come in numbers.
  public var size: Int
  /// Raw value of `PageMap.Rules`.
  public var rules: String
  /// Under which memory model.
  public var model: Mutant.MemoryModel
  /// The bug that was switched on; nil: none.
  public var mutant: String?
  /// Who goes on, and how far, in this order.
  public var turns: [Turn]
  /// C11: which store each load took that could take several, in the order of the execution.
  public var values: [UInt8] = []

  /// A thread goes on until it is about to do an operation.
  public struct Turn: Sendable, Hashable {
    /// 0...14.
    public var thread: Int
    /// How many times the operation stands before the thread in this turn, the last one included,
    /// from 1; 0: until the thread ends or cannot go on.
    public var occurrence: Int
    /// Which operation: eight bits of a hash of function and text.
    public var site: UInt8

    package init(thread: Int, occurrence: Int = 0, site: UInt8 = 0) {
      self.thread = thread
      self.occurrence = occurrence
      self.site = site
    }
  }

  package init(
    scenario: String, size: Int, rules: String, model: Mutant.MemoryModel = .sc,
    mutant: String? = nil, turns: [Turn]
  ) {
    self.scenario = scenario
    self.size = size
    self.rules = rules
    self.model = model
    self.mutant = mutant
    self.turns = turns
  }

  /// As `init(_:)` reads it: folio:v1:NAME.SIZE.RULES.MODEL[.MUTANT]:TURNS[:VALUES].
  public var description: String {
    let parts = [scenario, String(size), rules, model.rawValue] + (mutant.map { [$0] } ?? [])
    let bytes = turns.flatMap(\.bytes)
    let read = values.isEmpty ? "" : ":" + Base64URL.text(values)
    return "folio:v1:\(parts.joined(separator: ".")):\(Base64URL.text(bytes))\(read)"
  }

  /// From such a text; nil: it is none.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard 4...5 ~= parts.count, parts[0] == "folio", parts[1] == "v1",
      let bytes = Base64URL.bytes(parts[3]), bytes.count.isMultiple(of: 2)
    else { return nil }
    let names = parts[2].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard 4...5 ~= names.count, let size = Int(names[1]),
      let model = Mutant.MemoryModel(rawValue: names[3])
    else { return nil }
    self.init(
      scenario: names[0], size: size, rules: names[2], model: model,
      mutant: names.count == 5 ? names[4] : nil, turns: Turn.list(bytes))
    if parts.count == 5 {
      guard let read = Base64URL.bytes(parts[4]) else { return nil }
      values = read
    }
  }

  /// Of an execution.
  static func turns(of trace: Trace) -> [Turn] {
    let steps = trace.steps
    var turns: [Turn] = []
    var start = 0
    while start < steps.count {
      let thread = steps[start].thread
      let end = steps[start...].firstIndex { $0.thread != thread } ?? steps.count
      // What the thread stood before, if it could have gone on: its next step, or where the failure
      // left it. Who ended or has to wait comes to that point by itself.
      let couldGoOn =
        end < steps.count ? steps[end].enabled.contains(thread) : trace.failsWithoutStep
      guard couldGoOn,
        let next = steps[end...].first(where: { $0.thread == thread })
          ?? trace.standing.first(where: { $0.thread == thread })
      else {
        turns.append(Turn(thread: thread))
        start = end
        continue
      }
      let site = hash(next)
      // The first step of a turn was stood before already when the turn began.
      let occurrence = 1 + steps[start..<end].dropFirst().count { hash($0) == site }
      turns.append(Turn(thread: thread, occurrence: occurrence, site: site))
      start = end
    }
    if trace.failsWithoutStep { turns.append(Turn(thread: trace.failing!)) }
    return turns
  }

  /// Eight bits of the identity of a step's site.
  static func hash(_ step: TraceStep) -> UInt8 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in "\(step.function):\(step.text):\(step.kind.isAccess ? "" : step.kind.rawValue)".utf8
    {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    hash ^= hash >> 32
    return UInt8(truncatingIfNeeded: hash ^ hash >> 16 ^ hash >> 8)
  }
}

extension ReplayToken.Turn {
  /// As in a token's text.
  fileprivate var bytes: [UInt8] {
    guard occurrence > 0 else { return [UInt8(thread << 4), 0] }
    var more = (occurrence - 1) / 15
    var bytes: [UInt8] = []
    while more > 0 {
      bytes += [UInt8(thread << 4), UInt8(min(more, 255))]
      more -= min(more, 255)
    }
    return bytes + [UInt8(thread << 4 | (occurrence - 1) % 15 + 1), site]
  }

  fileprivate static func list(_ bytes: [UInt8]) -> [Self] {
    var turns: [Self] = []
    var more = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      let (thread, occurrence) = (Int(bytes[index] >> 4), Int(bytes[index] & 15))
      if occurrence == 0 && bytes[index + 1] != 0 {
        more += 15 * Int(bytes[index + 1])
      } else {
        turns.append(Self(thread: thread, occurrence: more + occurrence, site: bytes[index + 1]))
        more = 0
      }
    }
    return turns
  }
}

extension TraceStep.Kind {
  /// An access to a word, whatever came of it.
  var isAccess: Bool {
    switch self {
    case .load, .store, .change, .exchange: true
    default: false
    }
  }
}

extension Trace {
  /// Another thread than that of the last step was let go on, and failed before it took one.
  fileprivate var failsWithoutStep: Bool { failing != nil && failing != steps.last?.actor }
}

/// Where a replay left its token.
public struct Divergence: Sendable, Hashable, CustomStringConvertible {
  /// Number of the turn, from 0.
  public var turn: Int
  /// That, and what the thread could not do.
  public var description: String
}

extension LabWorld {
  /// Runs the token's schedule. Where it cannot be followed the execution goes on with the lowest
  /// thread, and the divergence says where that was.
  public func replay(
    _ token: ReplayToken
  ) -> (trace: Trace, finding: Finding?, divergence: Divergence?) {
    let first = follow(token)
    guard first.divergence != nil, refusal(.random, model: token.model) == nil else { return first }
    // The token may name a step on a word that only other executions show to be shared.
    for seed in UInt64(1)...4 {
      _ = explore(.random, model: token.model, seed: seed, executions: 64)
    }
    let second = follow(token)
    return second.divergence == nil ? second : first
  }

  private func follow(
    _ token: ReplayToken
  ) -> (trace: Trace, finding: Finding?, divergence: Divergence?) {
    var choices: [UInt8] = []
    var divergence: Divergence?
    for (index, turn) in token.turns.enumerated() {
      let thread = UInt8(turn.thread)
      let trace = replay(
        choices + Array(repeating: thread, count: 1 << 14 - 1), model: token.model,
        values: token.values
      ).trace
      let run = trace.steps
      let rest = run.dropFirst(choices.count)
      let end = rest.firstIndex { $0.thread != turn.thread } ?? run.endIndex
      var seen = 0
      var stop: Int?
      for position in rest.startIndex..<end where turn.occurrence > 0 {
        // The step at the start of a turn was stood before already.
        if position > rest.startIndex, ReplayToken.hash(run[position]) == turn.site { seen += 1 }
        if seen == turn.occurrence {
          stop = position
          break
        }
      }
      // In front of a failure that needs no step it may stand before the operation, and have to wait: there
      // it goes as far as it can, as it did then.
      let isBeforeFailure = token.turns.dropFirst(index + 1).map(\.occurrence) == [0]
      let next =
        run[end...].first { $0.thread == turn.thread }
        ?? trace.standing.first { $0.thread == turn.thread }
      let waits =
        end > rest.startIndex && next.map(ReplayToken.hash) == turn.site
        && seen + 1 == turn.occurrence
      if turn.occurrence > 0 && stop == nil && divergence == nil && !(isBeforeFailure && waits) {
        divergence = Divergence(
          turn: index,
          description: end == rest.startIndex
            ? "turn \(index): thread \(turn.thread) cannot go on"
            : "turn \(index): thread \(turn.thread) ended before it came to the operation that the "
              + "token names, after \(run[end - 1].function): \(run[end - 1].text)")
      }
      choices += Array(repeating: thread, count: (stop ?? end) - rest.startIndex)
      // Who fails in front of a step takes none, and has to be let go on all the same.
      if turn.occurrence == 0 && index + 1 == token.turns.count { choices.append(thread) }
    }
    let last = replay(choices, model: token.model, values: token.values)
    return (last.trace, last.finding, divergence)
  }

  /// The token of an execution of this world.
  public func token(
    of trace: Trace, mutant: String? = nil
  ) -> ReplayToken {
    var token = ReplayToken(
      scenario: scenario.name, size: settings.size, rules: settings.rules.rawValue,
      model: trace.model,
      mutant: mutant, turns: ReplayToken.turns(of: trace))
    token.values = trace.steps.filter { $0.choices > 1 }.map { UInt8($0.choice) }
    if token.values.allSatisfy({ $0 == 0 }) { token.values = [] }
    return token
  }
}

/// Base64 in the alphabet of URLs, without padding.
enum Base64URL {
  private static let digits = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

  static func text(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let word = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for digit in 0...group.count { text.append(digits[word >> (18 - 6 * digit) & 63]) }
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func bytes(_ text: some StringProtocol) -> [UInt8]? {
    var bytes: [UInt8] = []
    let values = text.utf8.map { digits.firstIndex(of: $0) }
    guard values.allSatisfy({ $0 != nil }), values.count % 4 != 1 else { return nil }
    for start in stride(from: 0, to: values.count, by: 4) {
      let group = values[start..<min(start + 4, values.count)].map { $0! }
      let word = group.reduce(0) { $0 << 6 | $1 } << (6 * (4 - group.count))
      for byte in 0..<(group.count - 1) { bytes.append(UInt8(word >> (16 - 8 * byte) & 255)) }
    }
    return bytes
  }
}
