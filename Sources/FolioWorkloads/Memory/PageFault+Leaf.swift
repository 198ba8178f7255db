// SPDX-License-Identifier: MIT

// Where a leaf would lie that answers a fault: what every object with leaves asks first.

package import FolioCore

extension PageFault {
  /// The page of the object that a leaf of 2^order pages around the fault begins with; nil: it would go
  /// beyond the area, or its addresses and its pages do not begin together.
  package func firstPageOfLeaf(order: Int) -> Int? {
    let first = page & ~((1 << order) - 1)
    let bytes = MemoryMap.pageSize << UInt(order)
    let start = address & ~(bytes - 1)
    guard range.lowerBound <= start, start + bytes <= range.upperBound,
      address - start == UInt(page - first) * MemoryMap.pageSize
    else { return nil }
    return first
  }
}
