// SPDX-License-Identifier: MIT

// Objects that answer a store by "done, and the locks are gone": nothing is touched behind that.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Stores that the object completed", .serialized)
struct CompletedStoreTests {
  private static let page = MemoryMap.pageSize

  /// Drops the lock that the fault holds, as who says VM_FAULT_COMPLETED does.
  private static func complete(_ fault: UnsafeMutablePointer<vm_fault>) -> vm_fault_t {
    let area = unsafe fault.pointee.vma!
    if unsafe fault.pointee.flags & FAULT_FLAG_VMA_LOCK != 0 {
      unsafe vma_end_read(area)
    } else {
      unsafe up_read(&area.pointee.vm_mm.pointee.mmap_lock)
    }
    return VM_FAULT_COMPLETED
  }

  private nonisolated(unsafe) static let operations: UnsafePointer<vm_operations_struct> = {
    let table = UnsafeMutablePointer<vm_operations_struct>.allocate(capacity: 1)
    unsafe table.initialize(to: vm_operations_struct())
    unsafe table.pointee.fault = { fault in
      let (area, address) = unsafe (fault.pointee.vma!, fault.pointee.address)
      // Page 0 is a bare frame, page 1 one that is counted.
      if unsafe fault.pointee.pgoff == 0 { return unsafe vmf_insert_mixed(area, address, 1) }
      unsafe fault.pointee.page = folio_page(cfolio_ram_alloc_folio(0)!, 0)
      return 0
    }
    unsafe table.pointee.pfn_mkwrite = { unsafe CompletedStoreTests.complete($0) }
    unsafe table.pointee.page_mkwrite = { unsafe CompletedStoreTests.complete($0) }
    return unsafe UnsafePointer(table)
  }()

  @Test("the entry stays as it is, and the answer is the fault's", arguments: [UInt(0), 1])
  func untouched(number: UInt) throws {
    let object = try MappedObject(.sharedMemory, AnsweringFile { _ in .busError })
    let space = try MemoryMap()
    var request = unsafe mmap_request()
    unsafe request.pages = 2
    unsafe request.vm_flags = VM_READ | VM_WRITE | VM_SHARED | VM_MIXEDMAP
    unsafe request.mapping = object.addressSpace
    unsafe request.vm_ops = Self.operations
    let start = UInt(bitPattern: unsafe cfolio_mmap(space.mm, &request))
    let address = start + number * Self.page
    _ = try space.load(address)
    let before = entry(space, address).pte
    unsafe down_read(&space.mm.pointee.mmap_lock)
    let area = unsafe vma_lookup(space.mm, address)!
    let result = FaultResult(rawValue: unsafe handle_mm_fault(area, address, FAULT_FLAG_WRITE))
    #expect(result.contains(.completed))
    #expect(unsafe !rwsem_is_locked(&space.mm.pointee.mmap_lock))
    #expect(entry(space, address).pte & _PAGE_RW == 0 && entry(space, address).pte == before)
    if number == 1 {
      let folio = unsafe page_folio(pfn_to_page(pte_pfn(entry(space, address))))
      #expect(unsafe folio_ref_count(folio) == 1)
      #expect(unsafe !folio_test_flag(folio, Int32(PG_locked.rawValue)))
    }
    try space.unmap(start..<(start + 2 * Self.page))
  }
}
