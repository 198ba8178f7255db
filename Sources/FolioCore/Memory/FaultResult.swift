// SPDX-License-Identifier: MIT

// What comes of a fault, and why an operation on an address space was refused.

import CFolio

/// What came of a fault (`vm_fault_t`; spec: core.md 9.1). Empty: done, nothing more to say.
public struct FaultResult: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// No memory for a table or a page.
  public static let outOfMemory = FaultResult(rawValue: VM_FAULT_OOM)
  /// No page there: outside of the area or the device, a page that may not be mapped.
  public static let busError = FaultResult(rawValue: VM_FAULT_SIGBUS)
  /// The page had to be brought in.
  public static let major = FaultResult(rawValue: VM_FAULT_MAJOR)
  /// The page is poisoned.
  public static let poisoned = FaultResult(rawValue: VM_FAULT_HWPOISON)
  /// No right to the access.
  public static let accessViolation = FaultResult(rawValue: VM_FAULT_SIGSEGV)
  /// The entry is in place, by this fault or by another one.
  public static let noPage = FaultResult(rawValue: VM_FAULT_NOPAGE)
  /// The page that is handed over is locked.
  public static let locked = FaultResult(rawValue: VM_FAULT_LOCKED)
  /// Again, under the map's lock.
  public static let retry = FaultResult(rawValue: VM_FAULT_RETRY)
  /// A smaller leaf, please.
  public static let fallback = FaultResult(rawValue: VM_FAULT_FALLBACK)
  /// The handler has filled the private copy.
  public static let copied = FaultResult(rawValue: VM_FAULT_DONE_COW)
  /// The file system has to be synchronised first.
  public static let needsSynchronisation = FaultResult(rawValue: VM_FAULT_NEEDDSYNC)
  /// Done, and the locks are gone.
  public static let completed = FaultResult(rawValue: VM_FAULT_COMPLETED)

  /// The results that are errors.
  public static let errors: FaultResult = [
    .outOfMemory, .busError, .accessViolation, .poisoned, .fallback,
    FaultResult(rawValue: VM_FAULT_HWPOISON_LARGE),
  ]

  public var isError: Bool { !isDisjoint(with: .errors) }

  /// Whoever was asked has done, or will do, what there is to do; no error.
  static let handled: FaultResult = [.noPage, .retry, .copied, .completed]
  /// Nothing is left to do for this fault.
  var endsFault: Bool { isError || !isDisjoint(with: .handled) }
}

/// Why an operation on an address space was refused. Nothing was changed, except where an operation
/// says that it stops in the middle.
public struct MemoryError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of refusal; `errno` is what the kernel returns for it.
  public enum Code: String, Hashable, Sendable, CaseIterable {
    /// `EINTR`: a fatal signal, or the request to stop a wait.
    case interrupted
    /// `ENXIO`: beyond the end of the object.
    case noSuchAddress
    /// `EAGAIN`.
    case tryAgain
    /// `ENOMEM`: no memory, no room, or no area there.
    case outOfMemory
    /// `EACCES`: the object allows no such right.
    case accessDenied
    /// `EFAULT`: no area there, or no right to the access.
    case fault
    /// `EBUSY`: something is there already, or in use.
    case busy
    /// `EEXIST`: the place is taken; or, for pins, an entry without a page.
    case exists
    /// `ENODEV`: the device is gone.
    case noDevice
    /// `EINVAL`.
    case invalidArgument
    /// `EOVERFLOW`: the range wraps.
    case overflow
    /// `EOPNOTSUPP`: a long-term pin of a file's page.
    case notSupported
    /// `EREMOTEIO`: peer-to-peer memory without leave for it.
    case remoteIO
    /// `EHWPOISON`.
    case poisoned

    /// Positive; Linux's number.
    public var errno: Int32 {
      switch self {
      case .interrupted: 4
      case .noSuchAddress: 6
      case .tryAgain: 11
      case .outOfMemory: 12
      case .accessDenied: 13
      case .fault: 14
      case .busy: 16
      case .exists: 17
      case .noDevice: 19
      case .invalidArgument: 22
      case .overflow: 75
      case .notSupported: 95
      case .remoteIO: 121
      case .poisoned: 133
      }
    }

    /// What C says: 0 or -errno.
    var status: Int32 { -errno }
  }

  public let code: Code
  /// The address concerned, in bytes, or nil.
  public let address: UInt?

  public init(_ code: Code, address: UInt? = nil) {
    self.code = code
    self.address = address
  }

  /// The error of a status that is not 0; -errno values that no operation gives are a fault.
  init(status: Int32, address: UInt? = nil) {
    self.init(Code.allCases.first { $0.status == status } ?? .fault, address: address)
  }

  public var description: String {
    guard let address else { return "\(code.rawValue)" }
    return "\(code.rawValue) at address 0x\(String(address, radix: 16))"
  }

  /// Throws what the status says, unless it is 0.
  static func check(_ status: Int32, address: UInt? = nil) throws(MemoryError) {
    guard status == 0 else { throw MemoryError(status: status, address: address) }
  }
}
