// SPDX-License-Identifier: MIT

// memremap_pages() for a C driver that filled its dev_pagemap in wrongly (spec: core.md 6.3, row 51):
// the kernel's error, never a trap, and nothing is left half done.

import CFolio
import FolioCore
import Glibc
import TestSupport
import Testing

@Suite("memremap_pages with bad input", .serialized)
struct RemapInputTests {
  /// Frames that no other test is given.
  private static let first: UInt = 1 << 26

  /// What memremap_pages() returns for a map of 512 frames that `change` has altered; a map that it
  /// made is taken down again.
  private func result(
    _ type: memory_type = MEMORY_DEVICE_FS_DAX,
    _ change: (UnsafeMutablePointer<dev_pagemap>) -> Void
  ) -> Int32 {
    let map = UnsafeMutablePointer<dev_pagemap>.allocate(capacity: 1)
    defer { unsafe map.deallocate() }
    unsafe UnsafeMutableRawPointer(map).initializeMemory(
      as: UInt8.self, repeating: 0, count: MemoryLayout<dev_pagemap>.size)
    unsafe map.pointee.type = type
    unsafe map.pointee.nr_range = 1
    unsafe map.pointee.ranges.0 = pfn_range(start: Self.first, end: Self.first + 511)
    unsafe change(map)
    let ranges = unsafe map.pointee.nr_range
    let result = unsafe memremap_pages(map, 0)
    if result == 0 { unsafe memunmap_pages(map) }
    #expect(unsafe map.pointee.nr_range == ranges)
    rcu_read_lock()
    #expect(unsafe cfolio_pgmap_lookup(Self.first) == nil, "left in the registry")
    rcu_read_unlock()
    return result
  }

  private func quietly(_ body: () throws -> Void) rethrows {
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    try body()
  }

  @Test("a good map is made")
  func good() {
    #expect(unsafe result { _ in } == 0)
    let order9 = unsafe result(MEMORY_DEVICE_GENERIC) { unsafe $0.pointee.vmemmap_shift = 9 }
    #expect(order9 == 0)
  }

  @Test("no range, too many, an impossible folio order, an unknown type")
  func shape() {
    quietly {
      for count: Int32 in [0, -1, Int32.min, FOLIO_PGMAP_RANGES_MAX + 1, Int32.max] {
        #expect(unsafe result { unsafe $0.pointee.nr_range = count } == -EINVAL, "\(count) ranges")
      }
      for shift: UInt in [19, 63, 64, UInt.max] {
        #expect(unsafe result { unsafe $0.pointee.vmemmap_shift = shift } == -EINVAL, "2^\(shift)")
      }
      for type: UInt32 in [0, 6, UInt32.max] {
        #expect(unsafe result(memory_type(type)) { _ in } == -EINVAL, "type \(type)")
      }
    }
  }

  @Test("a private or coherent map lacks an operation or its owner")
  func operations() {
    let operations = UnsafeMutablePointer<dev_pagemap_ops>.allocate(capacity: 1)
    defer { unsafe operations.deallocate() }
    let all = unsafe dev_pagemap_ops(
      page_free: { _ in }, migrate_to_ram: { _ in 0 }, memory_failure: nil)
    func result(_ type: memory_type, _ given: dev_pagemap_ops?, owner: Bool = true) -> Int32 {
      if let given { unsafe operations.pointee = given }
      let hasOperations = given != nil
      return unsafe self.result(type) { map in
        if hasOperations { unsafe map.pointee.ops = UnsafePointer(operations) }
        if owner { unsafe map.pointee.owner = UnsafeMutableRawPointer(map) }
      }
    }
    quietly {
      var noFree = all
      unsafe noFree.page_free = nil
      var noMigration = all
      unsafe noMigration.migrate_to_ram = nil
      for type in [MEMORY_DEVICE_PRIVATE, MEMORY_DEVICE_COHERENT] {
        #expect(result(type, all) == 0)
        #expect(result(type, nil) == -EINVAL)
        #expect(result(type, noFree) == -EINVAL)
        #expect(result(type, all, owner: false) == -EINVAL)
        #expect(
          result(type, noMigration) == (type == MEMORY_DEVICE_PRIVATE ? -EINVAL : 0))
      }
    }
  }

  @Test("a range that ends at the last number, before it begins, or outside the frame space")
  func ranges() {
    let first = Self.first
    quietly {
      for (start, end) in [
        (first, UInt.max), (0, UInt.max), (UInt.max, UInt.max), (first, first - 1),
        (first + 512, first), (UInt.max, 0), (first, 1 << 30), ((1 << 30) - 512, 1 << 30),
      ] as [(UInt, UInt)] {
        let range = pfn_range(start: start, end: end)
        #expect(unsafe result { unsafe $0.pointee.ranges.0 = range } == -EINVAL, "\(range)")
        // As the second of two, which is found before the first is made.
        let second = unsafe result { map in
          unsafe map.pointee.nr_range = 2
          unsafe map.pointee.ranges.1 = range
        }
        #expect(second == -EINVAL, "\(range)")
      }
      let odd = pfn_range(start: first + 1, end: first + 512)
      #expect(unsafe result { unsafe $0.pointee.ranges.0 = odd } == -EINVAL)
      let memory = pfn_range(start: 512, end: 1023)
      #expect(unsafe result { unsafe $0.pointee.ranges.0 = memory } == -ENXIO)
    }
  }

  @Test("an altmap larger than its range, or one for two ranges")
  func altmaps() {
    func result(reserve: UInt, free: UInt, ranges: Int32 = 1) -> Int32 {
      unsafe self.result { map in
        unsafe map.pointee.flags = UInt32(PGMAP_ALTMAP_VALID)
        unsafe map.pointee.altmap.reserve = reserve
        unsafe map.pointee.altmap.free = free
        unsafe map.pointee.nr_range = ranges
        unsafe map.pointee.ranges.1 = pfn_range(start: Self.first + 1024, end: Self.first + 1535)
      }
    }
    quietly {
      #expect(result(reserve: 8, free: 100) == 0)
      #expect(result(reserve: 512, free: 0) == 0)
      #expect(result(reserve: 600, free: 0) == -EINVAL)
      #expect(result(reserve: 300, free: 213) == -EINVAL)
      #expect(result(reserve: UInt.max, free: 1) == -EINVAL)
      #expect(result(reserve: UInt.max, free: UInt.max) == -EINVAL)
      #expect(result(reserve: 8, free: 8, ranges: 2) == -EINVAL)
    }
  }

  @Test("frames of another map; the ranges made before the refused one are taken down again")
  func overlap() throws {
    let start = Self.first + (1 << 20)
    let other = try PageMap(.fsdax, pages: 512, .init(firstFrame: start))
    let taken = pfn_range(start: start, end: start + 511)
    quietly {
      #expect(unsafe result { unsafe $0.pointee.ranges.0 = taken } == -ENOMEM)
      let second = unsafe result { map in
        unsafe map.pointee.nr_range = 2
        unsafe map.pointee.ranges.1 = taken
      }
      #expect(second == -ENOMEM)
      // A map's own ranges may not meet either.
      let twice = unsafe result { map in
        unsafe map.pointee.nr_range = 2
        unsafe map.pointee.ranges.1 = map.pointee.ranges.0
      }
      #expect(twice == -ENOMEM)
    }
    #expect(unsafe result { _ in } == 0)
    #expect(other.audit().isEmpty)
    try other.unmap()
  }
}
