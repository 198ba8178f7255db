// SPDX-License-Identifier: MIT

// Where a child's area is among those of an object: who takes pages out of all areas meets it behind the
// one that it is a copy of.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Order of an object's areas")
struct ForkOrderTests {
  /// The address spaces of the object's areas, in the order in which they are found.
  private static func spaces(_ object: MappedObject) -> [UnsafeMutablePointer<mm_struct>] {
    let mapping = unsafe object.addressSpace
    var found: [UnsafeMutablePointer<mm_struct>] = unsafe []
    var area = unsafe vma_interval_next(mapping, nil, 0, UInt.max)
    while let next = unsafe area {
      unsafe found.append(next.pointee.vm_mm)
      unsafe area = vma_interval_next(mapping, next, 0, UInt.max)
    }
    return unsafe found
  }

  @Test("a child's area comes behind its parent's: no copy is made behind who removes pages")
  func childBehindParent() throws {
    let file = try MappedObject(.sharedMemory, contents: .mixed, AnsweringFile { _ in .busError })
    let other = try MemoryMap()
    try other.map(file, pages: 4, .read, .shared)
    let parent = try MemoryMap()
    try parent.map(file, pages: 4, .read, .shared)
    let last = try MemoryMap()
    try last.map(file, pages: 4, .read, .shared)
    let child = try parent.fork()
    let grandchild = try child.fork()
    let order = unsafe Self.spaces(file)
    let places = [parent, child, grandchild].map { space in
      unsafe order.firstIndex(of: space.mm)!
    }
    #expect(unsafe order.count == 5)
    #expect(places == places.sorted(), "removal looks at \(places)")
  }
}
