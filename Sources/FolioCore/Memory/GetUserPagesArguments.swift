// SPDX-License-Identifier: MIT

// Which flags may be asked for, and together (spec: core.md 12.2). What a caller may not give warns once
// per kind; what each function returns then is said in GetUserPagesExports.swift.

import CFolio

/// Where pages are recorded, in order; at least as many as are asked for.
typealias UserPageArray = UnsafeMutablePointer<UnsafeMutablePointer<page>?>

enum UserPageArguments {
  static let internalFlags =
    FOLL_TOUCH | FOLL_TRIED | FOLL_REMOTE | FOLL_PIN | FOLL_FAST_ONLY | FOLL_UNLOCKABLE
    | FOLL_MADV_POPULATE

  /// What the fast functions take.
  static let fastFlags =
    FOLL_WRITE | FOLL_LONGTERM | FOLL_FORCE | FOLL_PIN | FOLL_GET | FOLL_FAST_ONLY | FOLL_NOFAULT
    | FOLL_PCI_P2PDMA | FOLL_HONOR_NUMA_FAULT

  private static let internalFlag = Warning("get_user_pages with a flag that is not the caller's")
  private static let notLocked = Warning("get_user_pages with *locked other than 1")
  private static let bothKinds = Warning("get_user_pages with FOLL_GET and FOLL_PIN")
  private static let longGet = Warning("FOLL_LONGTERM without FOLL_PIN")
  private static let nowhere = Warning("FOLL_GET or FOLL_PIN without an array for pages")
  private static let longPeer = Warning("FOLL_LONGTERM with FOLL_PCI_P2PDMA")
  private static let slowFlag = Warning("a fast function with a flag that it does not know")

  /// `is_valid_gup_args`: the flags with those that the function adds, or nil.
  static func check(
    _ flags: UInt32, adding added: UInt32, hasPages: Bool, locked: Int32? = nil
  ) -> UInt32? {
    guard flags & internalFlags == 0 else { return refuse(internalFlag) }
    var flags = flags | added
    if let locked {
      guard locked == 1 else { return refuse(notLocked) }
      flags |= FOLL_UNLOCKABLE
    }
    let kinds = flags & (FOLL_GET | FOLL_PIN)
    guard kinds != FOLL_GET | FOLL_PIN else { return refuse(bothKinds) }
    let isLong = flags & FOLL_LONGTERM != 0
    guard !isLong || kinds == FOLL_PIN else { return refuse(longGet) }
    guard kinds == 0 || hasPages else { return refuse(nowhere) }
    guard !isLong || flags & FOLL_PCI_P2PDMA == 0 else { return refuse(longPeer) }
    return flags
  }

  /// Whether a fast function takes the flags.
  static func areFast(_ flags: UInt32) -> Bool {
    guard flags & ~fastFlags == 0 else {
      slowFlag.raise()
      return false
    }
    return true
  }

  private static func refuse(_ warning: Warning) -> UInt32? {
    warning.raise()
    return nil
  }
}

/// How a walk may be asked to end early: the walk's fatal signals, and with FOLL_INTERRUPTIBLE all.
@safe
struct StopRequest: @unchecked Sendable {
  // @unchecked: the token has its own lock.
  private let token: UnsafeMutablePointer<cancellation>?
  private let isInterruptible: Bool

  /// It cannot.
  static let never = unsafe StopRequest(token: nil, isInterruptible: false)

  private init(token: UnsafeMutablePointer<cancellation>?, isInterruptible: Bool) {
    unsafe self.token = token
    self.isInterruptible = isInterruptible
  }

  /// Context: the mode's token outlives it.
  init(_ mode: WaitMode) {
    switch mode {
    case .uninterruptible: self = .never
    case .interruptible(let cancellation):
      self = unsafe StopRequest(token: cancellation.token, isInterruptible: true)
    case .killable(let cancellation):
      self = unsafe StopRequest(token: cancellation.token, isInterruptible: false)
    }
  }

  /// The flag that a walk with it has.
  var flag: UInt32 { isInterruptible ? FOLL_INTERRUPTIBLE : 0 }

  /// Somebody fired (`gup_signal_pending`).
  var isPending: Bool {
    unsafe signal_pending_state(isInterruptible ? TASK_INTERRUPTIBLE : TASK_KILLABLE, token)
  }
}
