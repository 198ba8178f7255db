// SPDX-License-Identifier: MIT

// Faults and areas by the C structures, for what the library's own paths never ask an object: sizes that
// no level has, areas that it would refuse.

package import CFolio
package import FolioCore

/// A fault at the address, in the area that is there, for the functions that take one. Context: mmap_lock
/// is taken for reading here.
package func withFault(
  _ space: MemoryMap, _ address: UInt, write: Bool = false,
  _ body: (UnsafeMutablePointer<vm_fault>) -> vm_fault_t
) -> FaultResult {
  let mm = unsafe space.mm
  unsafe down_read(&mm.pointee.mmap_lock)
  defer { unsafe up_read(&mm.pointee.mmap_lock) }
  guard let area = unsafe vma_lookup(mm, address) else { return .accessViolation }
  let start = address & ~(MemoryMap.pageSize - 1)
  var fault = unsafe vm_fault()
  unsafe fault.vma = area
  unsafe fault.address = start
  unsafe fault.pgoff = area.pointee.vm_pgoff + (start - area.pointee.vm_start) / MemoryMap.pageSize
  unsafe fault.flags = write ? FAULT_FLAG_WRITE : 0
  return FaultResult(rawValue: unsafe body(&fault))
}

/// What the object of the area at the address answers when it is asked for 2^order pages there.
package func ask(
  _ space: MemoryMap, _ address: UInt, order: Int, write: Bool = false
) -> FaultResult {
  unsafe withFault(space, address, write: write) { fault in
    let operations = unsafe fault.pointee.vma.pointee.vm_ops!
    if order == 0 { return unsafe operations.pointee.fault!(fault) }
    return unsafe operations.pointee.huge_fault!(fault, UInt32(order))
  }
}

/// Runs the body with mmap_lock for writing.
package func withWriteLock<Result>(_ space: MemoryMap, _ body: () -> Result) -> Result {
  let mm = unsafe space.mm
  unsafe down_write(&mm.pointee.mmap_lock)
  defer { unsafe up_write(&mm.pointee.mmap_lock) }
  return body()
}

/// An area of the same object as the one at `model`, which the object is not asked about; where it
/// begins.
package func mapUnasked(
  _ space: MemoryMap, like model: UInt, at address: UInt, pages: Int, from page: Int = 0,
  _ sharing: Sharing
) -> UInt {
  let area = unsafe vma_lookup(space.mm, model)!
  var request = unsafe mmap_request()
  unsafe request.address = address
  unsafe request.pages = UInt(pages)
  unsafe request.pgoff = UInt(page)
  unsafe request.placement = MMAP_FIXED
  unsafe request.vm_flags = VM_READ | VM_WRITE | (sharing == .shared ? VM_SHARED : 0)
  unsafe request.mapping = area.pointee.mapping
  unsafe request.vm_ops = area.pointee.vm_ops
  unsafe request.vm_private_data = area.pointee.vm_private_data
  // The reference that the area's end gives back.
  unsafe area.pointee.vm_ops!.pointee.open!(area)
  let start = unsafe cfolio_mmap(space.mm, &request)
  precondition(start >= 0, "cfolio_mmap: \(start)")
  return UInt(bitPattern: start)
}

/// The entry of a level at the address, or none.
package func entry(
  _ space: MemoryMap, _ address: UInt, _ level: pgtable_level = PGTABLE_LEVEL_PTE
) -> pte_t {
  guard let place = unsafe pgtable_walk(space.mm, address, level).entry else { return pte_t() }
  return unsafe ptep_get(place)
}

/// Why a device map refuses; nil: it does not.
package func codeOf(_ body: () throws(PageMapError) -> Void) -> PageMapError.Code? {
  do throws(PageMapError) {
    try body()
    return nil
  } catch {
    return error.code
  }
}
