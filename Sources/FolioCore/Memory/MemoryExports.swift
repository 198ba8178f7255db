// SPDX-License-Identifier: MIT

// The kernel's own names for C programs (declared in folio/memory.h): what they do is said there.

public import CFolio

/// 0, or -errno of what was thrown.
private func status(_ body: () throws(MemoryError) -> Void) -> Int32 {
  do throws(MemoryError) {
    try body()
    return 0
  } catch {
    return error.code.status
  }
}

// MARK: faults

@c @implementation
public func handle_mm_fault(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt, _ flags: UInt32
) -> vm_fault_t {
  unsafe Faults.handleUnchecked(Area(vma), address, flags: flags).rawValue
}

// MARK: insertion

@c @implementation
public func vm_insert_page(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt, _ page: UnsafeMutablePointer<page>
) -> Int32 {
  unsafe PageInsertion.insertPage(Page(page), at: address, Area(vma))
}

@c @implementation
public func vm_insert_pages(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>>, _ num: UnsafeMutablePointer<UInt>
) -> Int32 {
  let (done, status) = unsafe PageInsertion.insertPages(
    pages, count: Int(clamping: num.pointee), at: address, Area(vma))
  unsafe num.pointee -= UInt(done)
  return status
}

@c @implementation
public func vm_map_pages(
  _ vma: UnsafeMutablePointer<vm_area_struct>,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>>, _ num: UInt
) -> Int32 {
  unsafe PageInsertion.mapPages(pages, count: num, from: Area(vma).pageOffset, Area(vma))
}

@c @implementation
public func vm_map_pages_zero(
  _ vma: UnsafeMutablePointer<vm_area_struct>,
  _ pages: UnsafeMutablePointer<UnsafeMutablePointer<page>>, _ num: UInt
) -> Int32 {
  unsafe PageInsertion.mapPages(pages, count: num, from: 0, Area(vma))
}

@c @implementation
public func vmf_insert_page_mkwrite(
  _ vmf: UnsafeMutablePointer<vm_fault>, _ page: UnsafeMutablePointer<page>, _ write: Bool
) -> vm_fault_t {
  let fault = unsafe FaultContext(vmf)
  return unsafe PageInsertion.insertForFault(
    Page(page), at: fault.address, fault.area, write: write
  ).rawValue
}

@c @implementation
public func vmf_insert_mixed(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt, _ pfn: UInt
) -> vm_fault_t {
  unsafe FrameInsertion.insertMixed(pfn, at: address, Area(vma), makeWritable: false).rawValue
}

@c @implementation
public func vmf_insert_mixed_mkwrite(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt, _ pfn: UInt
) -> vm_fault_t {
  unsafe FrameInsertion.insertMixed(pfn, at: address, Area(vma), makeWritable: true).rawValue
}

@c @implementation
public func vmf_insert_pfn(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt, _ pfn: UInt
) -> vm_fault_t {
  unsafe FrameInsertion.insertFrame(pfn, at: address, Area(vma), protection: Area(vma).protection)
    .rawValue
}

@c @implementation
public func vmf_insert_pfn_prot(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt, _ pfn: UInt, _ prot: UInt
) -> vm_fault_t {
  unsafe FrameInsertion.insertFrame(pfn, at: address, Area(vma), protection: prot).rawValue
}

private func insertFolio(
  _ vmf: UnsafeMutablePointer<vm_fault>, _ folio: UnsafeMutablePointer<folio>, _ level: Level,
  _ write: Bool
) -> vm_fault_t {
  let fault = unsafe FaultContext(vmf)
  return LeafInsertion.insertFolio(
    unsafe Folio(folio), at: fault.address, level, fault.area, write: write
  ).rawValue
}

private func insertFrames(
  _ vmf: UnsafeMutablePointer<vm_fault>, _ pfn: UInt, _ level: Level, _ write: Bool
) -> vm_fault_t {
  let fault = unsafe FaultContext(vmf)
  return LeafInsertion.insertFrames(pfn, at: fault.address, level, fault.area, write: write)
    .rawValue
}

@c @implementation
public func vmf_insert_folio_pmd(
  _ vmf: UnsafeMutablePointer<vm_fault>, _ folio: UnsafeMutablePointer<folio>, _ write: Bool
) -> vm_fault_t {
  unsafe insertFolio(vmf, folio, .pmd, write)
}

@c @implementation
public func vmf_insert_folio_pud(
  _ vmf: UnsafeMutablePointer<vm_fault>, _ folio: UnsafeMutablePointer<folio>, _ write: Bool
) -> vm_fault_t {
  unsafe insertFolio(vmf, folio, .pud, write)
}

@c @implementation
public func vmf_insert_pfn_pmd(
  _ vmf: UnsafeMutablePointer<vm_fault>, _ pfn: UInt, _ write: Bool
) -> vm_fault_t {
  unsafe insertFrames(vmf, pfn, .pmd, write)
}

@c @implementation
public func vmf_insert_pfn_pud(
  _ vmf: UnsafeMutablePointer<vm_fault>, _ pfn: UInt, _ write: Bool
) -> vm_fault_t {
  unsafe insertFrames(vmf, pfn, .pud, write)
}

// MARK: removal

@c @implementation
public func zap_page_range_single(
  _ vma: UnsafeMutablePointer<vm_area_struct>, _ address: UInt, _ size: UInt
) {
  let area = unsafe Area(vma)
  let (end, overflow) = address.addingReportingOverflow(size)
  let range = (address..<(overflow ? UInt.max : end)).clamped(to: area.range)
  guard !range.isEmpty else { return }
  var removal = Removal(area.space)
  removal.zap(range, of: area)
  removal.finish()
}

@c @implementation
public func unmap_mapping_range(
  _ mapping: UnsafeMutablePointer<address_space>, _ holebegin: UInt, _ holelen: UInt,
  _ even_cows: Bool
) {
  unsafe MappingRemoval.unmap(
    Mapping(mapping), pages: MappingRemoval.pages(ofBytes: holebegin, count: holelen),
    takesCopies: even_cows)
}

@c @implementation
public func unmap_mapping_pages(
  _ mapping: UnsafeMutablePointer<address_space>, _ start: UInt, _ nr: UInt, _ even_cows: Bool
) {
  unsafe MappingRemoval.unmap(
    Mapping(mapping), pages: MappingRemoval.pages(from: start, count: nr), takesCopies: even_cows)
}

@c @implementation
public func unmap_mapping_folio(_ folio: UnsafeMutablePointer<folio>) {
  MappingRemoval.unmap(unsafe Folio(folio))
}

// MARK: address spaces

@c @implementation
public func cfolio_mm_create(
  _ options: UnsafePointer<mm_options>
) -> UnsafeMutablePointer<mm_struct>? {
  guard unsafe 1...9 ~= options.pointee.table_shift else { return nil }
  do throws(MemoryError) {
    return unsafe try SpaceLife.make(options.pointee).pointer
  } catch {
    return nil
  }
}

@c @implementation
public func cfolio_mm_destroy(_ mm: UnsafeMutablePointer<mm_struct>) {
  SpaceLife.end(unsafe Space(mm))
}

@c @implementation
public func dup_mmap(
  _ mm: UnsafeMutablePointer<mm_struct>, _ oldmm: UnsafeMutablePointer<mm_struct>
) -> Int32 {
  status { () throws(MemoryError) in try Fork.copy(unsafe Space(oldmm), to: unsafe Space(mm)) }
}

@c @implementation
public func cfolio_mm_fork(
  _ mm: UnsafeMutablePointer<mm_struct>
) -> UnsafeMutablePointer<mm_struct>? {
  let parent = unsafe Space(mm)
  do throws(MemoryError) {
    let child = try SpaceLife.make(parent.options)
    do throws(MemoryError) {
      try Fork.copy(parent, to: child)
    } catch {
      SpaceLife.end(child)
      throw error
    }
    return unsafe child.pointer
  } catch {
    return nil
  }
}

@c @implementation
public func cfolio_mmap(
  _ mm: UnsafeMutablePointer<mm_struct>, _ request: UnsafePointer<mmap_request>
) -> Int {
  do throws(MemoryError) {
    return Int(bitPattern: unsafe try Areas.map(Space(mm), request.pointee))
  } catch {
    return Int(error.code.status)
  }
}

@c @implementation
public func cfolio_munmap(
  _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ size: UInt
) -> Int32 {
  status { () throws(MemoryError) in
    try unsafe Areas.unmap(Space(mm), bytes(address, size))
  }
}

@c @implementation
public func cfolio_mprotect(
  _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ size: UInt, _ prot: UInt
) -> Int32 {
  status { () throws(MemoryError) in
    try unsafe Protection.protect(Space(mm), bytes(address, size), rights: prot)
  }
}

@c @implementation
public func cfolio_mremap(
  _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ old_size: UInt, _ new_size: UInt,
  _ target: UInt
) -> Int {
  do throws(MemoryError) {
    return Int(
      bitPattern: try Move.remap(
        unsafe Space(mm), bytes(address, old_size), size: new_size,
        target: target == UInt.max ? nil : target, mayMove: true))
  } catch {
    return Int(error.code.status)
  }
}

@c @implementation
public func cfolio_madvise_dontneed(
  _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ size: UInt
) -> Int32 {
  status { () throws(MemoryError) in
    try unsafe Areas.discard(Space(mm), bytes(address, size))
  }
}

@c @implementation
public func cfolio_mm_load(
  _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ value: UnsafeMutablePointer<UInt>
) -> Int32 {
  status { () throws(MemoryError) in
    try unsafe Access.perform(Space(mm), address, isWrite: false) {
      unsafe value.pointee = shared_read($1)
    }
  }
}

@c @implementation
public func cfolio_mm_store(
  _ mm: UnsafeMutablePointer<mm_struct>, _ address: UInt, _ value: UInt
) -> Int32 {
  status { () throws(MemoryError) in
    try unsafe Access.perform(Space(mm), address, isWrite: true) { unsafe shared_set($1, value) }
  }
}

/// - Throws: `overflow` for bytes that wrap.
private func bytes(_ address: UInt, _ size: UInt) throws(MemoryError) -> Range<UInt> {
  let (end, overflow) = address.addingReportingOverflow(size)
  guard !overflow else { throw MemoryError(.invalidArgument, address: address) }
  return address..<end
}
