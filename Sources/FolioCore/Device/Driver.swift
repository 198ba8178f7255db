// SPDX-License-Identifier: MIT

// The driver half of a map made in Swift: callbacks of dev_pagemap_ops that end in a closure. Only
// for the types whose pages a driver hands out.

import CFolio

/// What a Swift-made map keeps behind `dev_pagemap.owner`.
final class Driver: Sendable {
  private let onFree: (@Sendable (UInt) -> Void)?
  private let onAccess: PageMap.Options.AccessHandler?

  private init(_ options: PageMap.Options) {
    onFree = options.onFree
    onAccess = options.onAccess
  }

  /// One table for all maps: it holds no state.
  private nonisolated(unsafe) static let operations: UnsafePointer<dev_pagemap_ops> = {
    let operations = UnsafeMutablePointer<dev_pagemap_ops>.allocate(capacity: 1)
    unsafe operations.initialize(
      to: dev_pagemap_ops(
        page_free: { page in unsafe Driver.pageFree(page) },
        migrate_to_ram: { fault in unsafe Driver.migrateToRAM(fault) },
        memory_failure: nil))
    return unsafe UnsafePointer(operations)
  }()

  static func attach(
    _ map: UnsafeMutablePointer<dev_pagemap>, _ options: PageMap.Options
  ) {
    unsafe map.pointee.ops = operations
    unsafe map.pointee.owner = Unmanaged.passRetained(Driver(options)).toOpaque()
  }

  /// Undoes `attach` when the map's memory is about to go; other maps are left alone.
  static func detach(_ map: UnsafeMutablePointer<dev_pagemap>) {
    guard unsafe map.pointee.ops == operations, let owner = unsafe map.pointee.owner else { return }
    unsafe Unmanaged<Driver>.fromOpaque(owner).release()
    unsafe map.pointee.owner = nil
  }

  /// A bus error where the driver brings nothing back. Context: see `SoftLeafFault`.
  private static func migrateToRAM(_ fault: UnsafeMutablePointer<vm_fault>) -> UInt32 {
    let fault = unsafe FaultContext(fault)
    guard let owner = unsafe fault.page?.folio.pageMap?.pointee.owner else {
      return FaultResult.busError.rawValue
    }
    let driver = unsafe Unmanaged<Driver>.fromOpaque(owner).takeUnretainedValue()
    guard let onAccess = driver.onAccess else { return FaultResult.busError.rawValue }
    return onAccess(PageFault(fault)).rawValue
  }

  private static func pageFree(_ page: UnsafeMutablePointer<page>) {
    guard let map = unsafe page_pgmap(page), let owner = unsafe map.pointee.owner else { return }
    let driver = unsafe Unmanaged<Driver>.fromOpaque(owner).takeUnretainedValue()
    driver.onFree?(unsafe page_to_pfn(page))
    // The pool's reference on the map: the other types' is dropped by the free path itself.
    if unsafe map.pointee.type == MEMORY_DEVICE_PCI_P2PDMA { unsafe put_dev_pagemap(map) }
  }
}
