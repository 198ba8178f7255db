// SPDX-License-Identifier: MIT

// What an audit or a step check found wrong, as a value.

import CFolio

/// A broken invariant (ids from spec: core.md section 17), or a hazard that kernel rules keep.
public struct Violation: Hashable, Sendable, CustomStringConvertible {
  /// "CI12", or the hazard's id ("C29").
  public let invariant: String
  /// Page frame number of the page, or nil.
  public let frame: UInt?
  /// The counters, and what they should have been.
  public let message: String

  public init(_ invariant: String, frame: UInt?, _ message: String) {
    self.invariant = invariant
    self.frame = frame
    self.message = message
  }

  public var description: String {
    guard let frame else { return "\(invariant): \(message)" }
    return "\(invariant) at frame \(frame): \(message)"
  }

  /// Takes the violations that steps recorded, oldest first. Any thread.
  ///
  /// - Parameter frames: only those of these frames; nil: all, also those without a frame.
  public static func takeRecorded(in frames: Range<UInt>? = nil) -> [Violation] {
    if let frames, frames.isEmpty { return [] }
    let (first, last) = (frames?.lowerBound ?? 0, frames.map { $0.upperBound - 1 } ?? UInt.max)
    var taken: [Violation] = []
    unsafe withUnsafeTemporaryAllocation(
      of: folio_violation.self, capacity: Int(FOLIO_VIOLATIONS_MAX)
    ) { buffer in
      let count = unsafe cfolio_take_violations(
        buffer.baseAddress!, Int32(buffer.count), first, last)
      for index in 0..<Int(count) { unsafe taken.append(Violation(buffer[index])) }
    }
    return taken
  }

  private init(_ record: folio_violation) {
    var record = record
    invariant = unsafe withUnsafePointer(to: &record.invariant) {
      unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    message = unsafe withUnsafePointer(to: &record.message) {
      unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    frame = record.pfn == UInt.max ? nil : record.pfn
  }
}
