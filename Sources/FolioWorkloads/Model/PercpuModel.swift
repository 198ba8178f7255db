// SPDX-License-Identifier: MIT
//
// The sequential model of one percpu_ref (core.md 6.1, rows 56-59), its operations and their text.
// Mode switches are finished before the next operation: what happens during one is for the litmus
// and stress tests.

/// Rows 56-59, with the count where the C function takes one.
package enum PercpuOperation: Sendable, Hashable, CustomStringConvertible {
  case get(Int)
  case tryget(Int)
  case put(Int)
  case trygetLive, trygetLiveRCU
  case kill, killAndConfirm, switchToAtomic, switchToAtomicSync, switchToPercpu
  case reinit, resurrect
  case isZero, isDying

  package var description: String {
    switch self {
    case .get(let count): "percpu_ref_get_many \(count)"
    case .tryget(let count): "percpu_ref_tryget_many \(count)"
    case .put(let count): "percpu_ref_put_many \(count)"
    case .trygetLive: "percpu_ref_tryget_live"
    case .trygetLiveRCU: "percpu_ref_tryget_live_rcu"
    case .kill: "percpu_ref_kill"
    case .killAndConfirm: "percpu_ref_kill_and_confirm"
    case .switchToAtomic: "percpu_ref_switch_to_atomic"
    case .switchToAtomicSync: "percpu_ref_switch_to_atomic_sync"
    case .switchToPercpu: "percpu_ref_switch_to_percpu"
    case .reinit: "percpu_ref_reinit"
    case .resurrect: "percpu_ref_resurrect"
    case .isZero: "percpu_ref_is_zero"
    case .isDying: "percpu_ref_is_dying"
    }
  }
}

/// What can be read back of a percpu_ref.
package struct PercpuWords: Sendable, Hashable {
  package var value = 1
  package var isDying = false
  /// Runs of the release callback, and of confirm callbacks.
  package var releases = 0
  package var confirmations = 0
  package init() {}
}

/// One percpu_ref after init: one initial reference, percpu mode.
package struct PercpuModel: Sendable, Hashable {
  package private(set) var words = PercpuWords()
  private var isAtomic = false

  package init() {}

  /// References that belong to holders: all but the initial one of a live ref.
  package var held: Int { words.value - (words.isDying ? 0 : 1) }

  package func permits(_ operation: PercpuOperation) -> Bool {
    switch operation {
    case .get(let count): count >= 1 && words.value > 0
    case .tryget(let count): count >= 1
    case .put(let count): count >= 1 && count <= held
    case .kill, .killAndConfirm: !words.isDying
    case .reinit: words.isDying && words.value == 0
    case .resurrect: words.isDying
    case .trygetLive, .trygetLiveRCU, .switchToAtomic, .switchToAtomicSync, .switchToPercpu,
      .isZero, .isDying:
      true
    }
  }

  /// Runs a permitted operation.
  package mutating func perform(_ operation: PercpuOperation) -> Outcome {
    switch operation {
    case .get(let count):
      words.value += count
      return .none
    case .tryget(let count):
      // A dead ref that is not yet 0 can still be taken.
      guard !isAtomic || words.value != 0 else { return .flag(false) }
      words.value += count
      return .flag(true)
    case .trygetLive, .trygetLiveRCU:
      guard !words.isDying, !isAtomic || words.value != 0 else { return .flag(false) }
      words.value += 1
      return .flag(true)
    case .put(let count):
      subtract(count)
      return .none
    case .kill, .killAndConfirm:
      if operation == .killAndConfirm { words.confirmations += 1 }
      words.isDying = true
      isAtomic = true
      subtract(1)
      return .none
    case .switchToAtomic, .switchToAtomicSync:
      if operation == .switchToAtomic { words.confirmations += 1 }
      isAtomic = true
      return .none
    case .switchToPercpu:
      if !words.isDying { isAtomic = false }
      return .none
    case .reinit, .resurrect:
      words.isDying = false
      isAtomic = false
      words.value += 1
      return .none
    case .isZero:
      return .flag(isAtomic && words.value == 0)
    case .isDying:
      return .flag(words.isDying)
    }
  }

  /// Release runs at 0, which only atomic mode can see.
  private mutating func subtract(_ count: Int) {
    words.value -= count
    if isAtomic && words.value == 0 { words.releases += 1 }
  }
}

extension PercpuModel {
  /// A legal operation; mode switches are rare, because each costs a grace period.
  package func propose(_ random: inout SeededRandom) -> PercpuOperation {
    while true {
      let operation: PercpuOperation
      switch random.number(in: 0...31) {
      case 0...5: operation = .get(random.number(in: 1...5))
      case 6...9: operation = .tryget(random.number(in: 1...3))
      case 10, 11: operation = .trygetLive
      case 12, 13: operation = .trygetLiveRCU
      case 14...20: operation = .put(held > 0 ? random.number(in: 1...held) : 1)
      case 21: operation = .kill
      case 22: operation = .killAndConfirm
      case 23: operation = .switchToAtomic
      case 24: operation = .switchToAtomicSync
      case 25: operation = .switchToPercpu
      case 26: operation = .reinit
      case 27: operation = .resurrect
      case 28, 29: operation = .isZero
      default: operation = .isDying
      }
      if permits(operation) { return operation }
    }
  }
}
