// SPDX-License-Identifier: MIT

// The kernel's own names of migration for C programs (declared in folio/migrate.h): what they do is said
// there.

public import CFolio

@c @implementation
public func migrate_vma_setup(_ args: UnsafeMutablePointer<migrate_vma>) -> Int32 {
  unsafe MigrateUnmap.setUp(args)
}

@c @implementation
public func migrate_vma_pages(_ migrate: UnsafeMutablePointer<migrate_vma>) {
  let area = unsafe Area(migrate.pointee.vma)
  unsafe MigratePages.move(
    migrate.pointee.src, to: migrate.pointee.dst, Int(migrate.pointee.npages),
    area: (area, migrate.pointee.start), faultPage: migrate.pointee.fault_page)
}

@c @implementation
public func migrate_vma_finalize(_ migrate: UnsafeMutablePointer<migrate_vma>) {
  unsafe MigratePages.finish(
    migrate.pointee.src, migrate.pointee.dst, Int(migrate.pointee.npages),
    faultPage: migrate.pointee.fault_page)
}

@c @implementation
public func migrate_device_range(
  _ src_pfns: UnsafeMutablePointer<UInt>, _ start: UInt, _ npages: UInt
) -> Int32 {
  unsafe MigrateUnmap.lock(src_pfns, Int(npages)) { start + UInt($0) }
  return 0
}

@c @implementation
public func migrate_device_pfns(_ src_pfns: UnsafeMutablePointer<UInt>, _ npages: UInt) -> Int32 {
  unsafe MigrateUnmap.lock(src_pfns, Int(npages)) { unsafe src_pfns[$0] }
  return 0
}

@c @implementation
public func migrate_device_pages(
  _ src_pfns: UnsafeMutablePointer<UInt>, _ dst_pfns: UnsafeMutablePointer<UInt>, _ npages: UInt
) {
  unsafe MigratePages.move(src_pfns, to: dst_pfns, Int(npages), area: nil, faultPage: nil)
}

@c @implementation
public func migrate_device_finalize(
  _ src_pfns: UnsafeMutablePointer<UInt>, _ dst_pfns: UnsafeMutablePointer<UInt>, _ npages: UInt
) {
  unsafe MigratePages.finish(src_pfns, dst_pfns, Int(npages), faultPage: nil)
}

@c @implementation
public func migrate_device_coherent_folio(_ folio: UnsafeMutablePointer<folio>) -> Int32 {
  MigratePages.bringToRAM(unsafe Folio(folio))
}

@c @implementation
public func folio_migrate_mapping(
  _ mapping: UnsafeMutablePointer<address_space>?, _ newfolio: UnsafeMutablePointer<folio>,
  _ folio: UnsafeMutablePointer<folio>, _ extra_count: Int32
) -> Int32 {
  MigrateMapping.move(
    unsafe Folio(folio), to: unsafe Folio(newfolio), in: unsafe mapping.map { unsafe Mapping($0) },
    extra: extra_count)
}
