// SPDX-License-Identifier: MIT

// What an area is, as values: rights, sharing, place.

import CFolio

/// What may be done with memory (PROT_ and VM_ bits).
public struct AccessRights: OptionSet, Hashable, Sendable {
  public let rawValue: UInt
  public init(rawValue: UInt) { self.rawValue = rawValue }
  public static let read = AccessRights(rawValue: VM_READ)
  public static let write = AccessRights(rawValue: VM_WRITE)
  public static let execute = AccessRights(rawValue: VM_EXEC)
}

/// Whose stores are seen.
public enum Sharing: Sendable, Hashable, CaseIterable {
  /// Everybody's who maps the object.
  case shared
  /// Only one's own: the first store to a page makes a copy.
  case `private`
}

/// An area of an address space, as it was when it was asked for.
public struct MemoryArea: Sendable, Hashable {
  /// Bytes.
  public var range: Range<UInt>
  /// Page of the object at its start.
  public var firstPage: Int
  public var rights: AccessRights
  public var sharing: Sharing

  public var start: UInt { range.lowerBound }
  public var end: UInt { range.upperBound }
  public var pages: Int { range.count / Int(MemoryMap.pageSize) }

  /// Address of a page, counted from the start.
  public func address(ofPage page: Int) -> UInt { start + UInt(page) * MemoryMap.pageSize }

  /// Addresses of some of its pages.
  public func addresses(ofPages pages: Range<Int>) -> Range<UInt> {
    address(ofPage: pages.lowerBound)..<address(ofPage: pages.upperBound)
  }

  init(range: Range<UInt>, firstPage: Int, rights: AccessRights, sharing: Sharing) {
    self.range = range
    self.firstPage = firstPage
    self.rights = rights
    self.sharing = sharing
  }

  init(_ area: Area) {
    range = area.range
    firstPage = Int(clamping: area.pageOffset)
    rights = AccessRights(rawValue: area.flags & VM_ACCESS_FLAGS)
    sharing = area.isShared ? .shared : .private
  }
}
