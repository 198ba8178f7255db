// SPDX-License-Identifier: MIT

// Objects without operations, and folios without an object.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Objects that are missing")
struct MissingObjectTests {
  private static let page = MemoryMap.pageSize

  @Test("an object without operations is no memory of the area's own")
  func noOperations() throws {
    let object = try MappedObject(.sharedMemory, AnsweringFile { _ in .busError })
    let space = try MemoryMap()
    var request = unsafe mmap_request()
    unsafe request.pages = 1
    unsafe request.vm_flags = VM_READ | VM_WRITE
    unsafe request.mapping = object.addressSpace
    let start = UInt(bitPattern: unsafe cfolio_mmap(space.mm, &request))
    #expect(throws: MemoryError(.fault, address: start)) { try space.load(start) }
    #expect(throws: MemoryError(.fault, address: start)) { try space.store(1, at: start) }
    try space.unmap(start..<(start + Self.page))
  }

  @Test("an anonymous folio has no mapping to be taken out of")
  func anonymousFolio() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 1, [.read, .write], .private)
    try space.store(5, at: area.start)
    let folio = unsafe page_folio(pfn_to_page(pte_pfn(entry(space, area.start))))
    unsafe folio_lock(folio)
    unsafe unmap_mapping_folio(folio)
    unsafe folio_unlock(folio)
    #expect(try space.load(area.start) == 5)
  }
}
