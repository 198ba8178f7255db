// SPDX-License-Identifier: MIT

// Requests at the edges: pages of an object that no number counts, rights that are none, objects
// without operations.

import CFolio
import FolioCore
import Testing

@Suite("Areas at the edges")
struct AreaEdgeTests {
  private static let page = MemoryMap.pageSize

  private static func map(
    _ space: MemoryMap, pages: UInt = 1, from page: UInt, flags: UInt = VM_READ,
    alignment: UInt = 0
  ) -> Int {
    var request = unsafe mmap_request()
    unsafe request.pages = pages
    unsafe request.pgoff = page
    unsafe request.vm_flags = flags
    unsafe request.alignment = alignment
    return unsafe cfolio_mmap(space.mm, &request)
  }

  @Test("a page of the object whose byte no word counts is one like any other")
  func farPages() throws {
    let space = try MemoryMap()
    let page = UInt(1) << 60 | 3
    let start = Self.map(space, from: page, alignment: 8 * Self.page)
    #expect(start > 0 && UInt(start) / Self.page % 8 == 3)
    #expect(Self.map(space, pages: 2, from: UInt.max - 1) == -75)
  }

  @Test("an area does not grow past the last page of its object")
  func growthPastAll() throws {
    let space = try MemoryMap()
    let start = UInt(Self.map(space, from: UInt.max - 3))
    #expect(unsafe cfolio_mremap(space.mm, start, Self.page, 8 * Self.page, UInt.max) == -22)
    #expect(
      unsafe cfolio_mremap(space.mm, start, Self.page, 8 * Self.page, 64 * Self.page) == -22)
    #expect(unsafe cfolio_mremap(space.mm, start, Self.page, 3 * Self.page, UInt.max) > 0)
  }

  @Test("an area of bare frames does not grow: nobody has frames for the rest")
  func growthOfFrames() throws {
    let space = try MemoryMap()
    let start = UInt(Self.map(space, pages: 2, from: 0, flags: VM_READ | VM_PFNMAP))
    #expect(unsafe cfolio_mremap(space.mm, start, 2 * Self.page, 3 * Self.page, UInt.max) == -14)
    #expect(unsafe cfolio_mremap(space.mm, start, 2 * Self.page, Self.page, UInt.max) == Int(start))
  }

  @Test("a size in pages whose bytes no word counts is refused")
  func hugeSizes() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 1, .read, .private)
    #expect(throws: MemoryError(.invalidArgument, address: area.start)) {
      try space.remap(area.range, pages: .max)
    }
    #expect(throws: MemoryError(.overflow)) {
      try space.map(pages: .max, .read, .private)
    }
  }

  @Test("bits that are no rights are refused", arguments: [VM_SHARED, VM_PFNMAP, VM_MIXEDMAP])
  func otherBits(bit: UInt) throws {
    let space = try MemoryMap()
    #expect(throws: MemoryError(.invalidArgument)) {
      try space.map(pages: 1, [.read, AccessRights(rawValue: bit)], .private)
    }
  }
}
