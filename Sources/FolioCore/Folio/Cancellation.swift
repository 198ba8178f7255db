// SPDX-License-Identifier: MIT

// What stands for signals of a task: a token that any thread may fire.

import CFolio

/// Ends waits early. One token may watch any number of waits on any number of threads.
@safe
public final class Cancellation: @unchecked Sendable {
  // @unchecked: the C token has its own lock.
  @unsafe let token: UnsafeMutablePointer<cancellation>

  public init() {
    unsafe token = .allocate(capacity: 1)
    unsafe cancellation_init(token)
  }

  deinit {
    unsafe token.deallocate()
  }

  /// Ends every interruptible wait that watches the token, now and later; a fatal one ends killable
  /// waits too. Any thread. Uninterruptible waits go on.
  public func fire(fatal: Bool = false) {
    unsafe cancellation_fire(token, fatal)
  }

  /// Makes the token usable again. Stops when a wait still watches it.
  public func reset() {
    unsafe cancellation_reset(token)
  }
}

/// How a wait may end early.
public enum WaitMode: Sendable, Hashable {
  /// Only when its condition holds (`TASK_UNINTERRUPTIBLE`).
  case uninterruptible
  /// Also when the token fires (`TASK_INTERRUPTIBLE`).
  case interruptible(Cancellation)
  /// Also when the token fires fatally (`TASK_KILLABLE`).
  case killable(Cancellation)

  public static func == (left: Self, right: Self) -> Bool {
    switch (left, right) {
    case (.uninterruptible, .uninterruptible): true
    case (.interruptible(let one), .interruptible(let other)): one === other
    case (.killable(let one), .killable(let other)): one === other
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .uninterruptible: hasher.combine(0)
    case .interruptible(let token): hasher.combine(ObjectIdentifier(token))
    case .killable(let token): hasher.combine(ObjectIdentifier(token))
    }
  }

  var options: wait_options {
    var options = unsafe wait_options()
    switch self {
    case .uninterruptible:
      unsafe options.state = TASK_UNINTERRUPTIBLE
    case .interruptible(let cancellation):
      unsafe options.state = TASK_INTERRUPTIBLE
      unsafe options.token = cancellation.token
    case .killable(let cancellation):
      unsafe options.state = TASK_KILLABLE
      unsafe options.token = cancellation.token
    }
    return unsafe options
  }
}
