// SPDX-License-Identifier: MIT

// A page that comes back from a migration while its area gets other rights.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("mprotect against migration", .serialized)
struct ProtectMigrationTests {
  /// What runs when the first area goes, once.
  private nonisolated(unsafe) static var onClose: (() -> Void)?

  private nonisolated(unsafe) static let operations: UnsafePointer<vm_operations_struct> = {
    let table = UnsafeMutablePointer<vm_operations_struct>.allocate(capacity: 1)
    unsafe table.initialize(to: vm_operations_struct())
    unsafe table.pointee.close = { area in
      guard unsafe area.pointee.vm_pgoff == 0 else { return }
      let body = unsafe ProtectMigrationTests.onClose
      unsafe ProtectMigrationTests.onClose = nil
      body?()
    }
    unsafe table.pointee.fault = { fault in
      unsafe fault.pointee.page = folio_page(cfolio_ram_alloc_folio(0)!, 0)
      return 0
    }
    return unsafe UnsafePointer(table)
  }()

  @Test("a page that comes back while its area loses its rights has those of the new area")
  func restoredMeanwhile() throws {
    let page = MemoryMap.pageSize
    let space = try MemoryMap()
    let start = 16 * page
    for number in [UInt(0), 1] {
      var request = unsafe mmap_request()
      unsafe request.address = start + number * page
      unsafe request.placement = MMAP_FIXED
      unsafe request.pages = 1
      unsafe request.pgoff = number
      unsafe request.vm_flags = VM_READ | VM_WRITE
      unsafe request.vm_ops = Self.operations
      #expect(unsafe cfolio_mmap(space.mm, &request) > 0)
    }
    let address = start + page
    try space.store(5, at: address)
    let words = UnsafeMutablePointer<UInt>.allocate(capacity: 2)
    unsafe words.initialize(repeating: 0, count: 2)
    unsafe migrate_device_range(words, pte_pfn(entry(space, address)), 1)
    #expect(softleaf_is_migration(entry(space, address)))
    unsafe Self.onClose = { unsafe migrate_device_finalize(words, words + 1, 1) }
    try space.protect(start..<(start + 2 * page), [])
    #expect(unsafe Self.onClose == nil)
    #expect(pte_protnone(entry(space, address)))
    #expect(throws: MemoryError(.fault, address: address)) { try space.load(address) }
    try space.protect(start..<(start + 2 * page), [.read, .write])
    #expect(try space.load(address) == 5)
    #expect(space.audit().isEmpty)
    unsafe words.deallocate()
  }
}
