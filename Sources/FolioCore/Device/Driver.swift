// SPDX-License-Identifier: MIT

// The driver half of a map made in Swift: callbacks of dev_pagemap_ops that end in a closure. Only
// for the types whose pages a driver hands out.

import CFolio

/// What a Swift-made map keeps behind `dev_pagemap.owner`.
final class Driver: Sendable {
  private let onFree: (@Sendable (UInt) -> Void)?

  private init(onFree: (@Sendable (UInt) -> Void)?) {
    self.onFree = onFree
  }

  /// VM_FAULT_SIGBUS: a fault on a private page finds no address space to bring it back to.
  private static let sigbus: UInt32 = 0x2

  /// One table for all maps: it holds no state.
  private nonisolated(unsafe) static let operations: UnsafePointer<dev_pagemap_ops> = {
    let operations = UnsafeMutablePointer<dev_pagemap_ops>.allocate(capacity: 1)
    unsafe operations.initialize(
      to: dev_pagemap_ops(
        page_free: { page in unsafe Driver.pageFree(page) },
        migrate_to_ram: { _ in Driver.sigbus },
        memory_failure: nil))
    return unsafe UnsafePointer(operations)
  }()

  static func attach(
    _ map: UnsafeMutablePointer<dev_pagemap>, onFree: (@Sendable (UInt) -> Void)?
  ) {
    unsafe map.pointee.ops = operations
    unsafe map.pointee.owner = Unmanaged.passRetained(Driver(onFree: onFree)).toOpaque()
  }

  /// Undoes `attach` when the map's memory is about to go; other maps are left alone.
  static func detach(_ map: UnsafeMutablePointer<dev_pagemap>) {
    guard unsafe map.pointee.ops == operations, let owner = unsafe map.pointee.owner else { return }
    unsafe Unmanaged<Driver>.fromOpaque(owner).release()
    unsafe map.pointee.owner = nil
  }

  private static func pageFree(_ page: UnsafeMutablePointer<page>) {
    guard let map = unsafe page_pgmap(page), let owner = unsafe map.pointee.owner else { return }
    let driver = unsafe Unmanaged<Driver>.fromOpaque(owner).takeUnretainedValue()
    driver.onFree?(unsafe page_to_pfn(page))
    // The pool's reference on the map: the other types' is dropped by the free path itself.
    if unsafe map.pointee.type == MEMORY_DEVICE_PCI_P2PDMA { unsafe put_dev_pagemap(map) }
  }
}
