// SPDX-License-Identifier: MIT

// What can go wrong when a device map is made, used or taken down, as one error with a code. Misuse
// that would corrupt counts is not an error: it stops the process with the invariant's name.

import CFolio

/// Why an operation on a device map was refused. Nothing was changed.
public struct PageMapError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of refusal; `errno` says what the kernel returns for it.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    private enum Value: String {
      case invalidConfiguration, misaligned, outOfRange, invalidOrder, overlap, systemMemory
      case outOfMemory, dead, busy, unowned, alreadyAudited, interrupted, timedOut
    }
    private let value: Value
    public var description: String { value.rawValue }

    /// No range, or callbacks that the type needs are missing. `EINVAL`.
    public static let invalidConfiguration = Code(value: .invalidConfiguration)
    /// A frame is not aligned to the subsection (512 frames) or to the order. `EINVAL`.
    public static let misaligned = Code(value: .misaligned)
    /// A frame lies outside the map or the frame space. `EINVAL`.
    public static let outOfRange = Code(value: .outOfRange)
    /// The order is above 18, or not the one the operation needs. `EINVAL`.
    public static let invalidOrder = Code(value: .invalidOrder)
    /// Another map has frames of the range. `ENOMEM`.
    public static let overlap = Code(value: .overlap)
    /// The range meets system RAM. `ENXIO`.
    public static let systemMemory = Code(value: .systemMemory)
    /// No memory, or no free range of frames. `ENOMEM`.
    public static let outOfMemory = Code(value: .outOfMemory)
    /// The map was unmapped or is being unmapped. `ENXIO`.
    public static let dead = Code(value: .dead)
    /// The page has references, mappings or pins, or another owner. `EBUSY`.
    public static let busy = Code(value: .busy)
    /// The page is not of the type or in the state that the operation needs. `EINVAL`.
    public static let unowned = Code(value: .unowned)
    /// The map's ledger is already running. `EBUSY`.
    public static let alreadyAudited = Code(value: .alreadyAudited)
    /// A cancellation ended the wait. `ERESTARTSYS` in the kernel, `EINTR` to C.
    public static let interrupted = Code(value: .interrupted)
    /// Time ran out with the page still busy. `ETIMEDOUT`.
    public static let timedOut = Code(value: .timedOut)

    /// The errno that the kernel gives for it, positive.
    public var errno: Int32 {
      switch value {
      case .invalidConfiguration, .misaligned, .outOfRange, .invalidOrder, .unowned: 22
      case .overlap, .outOfMemory: 12
      case .systemMemory, .dead: 6
      case .busy, .alreadyAudited: 16
      case .interrupted: 4
      case .timedOut: 110
      }
    }
  }

  public let code: Code
  /// The frame concerned, or nil.
  public let frame: UInt?
  /// The kernel warns (WARN) when it refuses for this reason.
  let warning: StaticString?

  init(_ code: Code, frame: UInt? = nil, warning: StaticString? = nil) {
    self.code = code
    self.frame = frame
    self.warning = warning
  }

  public var description: String {
    guard let frame else { return "\(code)" }
    return "\(code) at frame \(frame)"
  }

  public static func == (left: Self, right: Self) -> Bool {
    left.code == right.code && left.frame == right.frame
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(code)
    hasher.combine(frame)
  }
}
