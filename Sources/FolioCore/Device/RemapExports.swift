// SPDX-License-Identifier: MIT

// The kernel's own names for C programs (declared in folio/pagemap.h). Errors become negative errno
// values; where the kernel warns, so does this.

public import CFolio

private func status(_ body: () throws(PageMapError) -> Void) -> Int32 {
  do throws(PageMapError) {
    try body()
    return 0
  } catch {
    if let warning = error.warning {
      unsafe cfolio_warn_text(
        UnsafeRawPointer(warning.utf8Start).assumingMemoryBound(to: CChar.self))
    }
    return -error.code.errno
  }
}

/// `memremap_pages`: see folio/pagemap.h.
@c @implementation
public func memremap_pages(_ map: UnsafeMutablePointer<dev_pagemap>, _ node: Int32) -> Int32 {
  status { () throws(PageMapError) in try unsafe Remap.remap(map) }
}

/// `memunmap_pages`: see folio/pagemap.h. Blocks until the map is drained.
@c @implementation
public func memunmap_pages(_ map: UnsafeMutablePointer<dev_pagemap>) {
  unsafe _ = Teardown.unmap(map)
}

/// The action of a device that owns a map.
private let unmapOfDevice: devm_action_t = { map in
  unsafe memunmap_pages(map!.assumingMemoryBound(to: dev_pagemap.self))
}

/// `devm_memremap_pages`: see folio/pagemap.h.
@c @implementation
public func devm_memremap_pages(
  _ device: UnsafeMutablePointer<device>, _ map: UnsafeMutablePointer<dev_pagemap>
) -> Int32 {
  let result = unsafe memremap_pages(map, 0)
  guard result == 0 else { return result }
  return unsafe devm_add_action_or_reset(device, unmapOfDevice, map)
}

/// `devm_memunmap_pages`: see folio/pagemap.h. Blocks until the map is drained.
@c @implementation
public func devm_memunmap_pages(
  _ device: UnsafeMutablePointer<device>, _ map: UnsafeMutablePointer<dev_pagemap>
) {
  unsafe devm_release_action(device, unmapOfDevice, map)
}

/// A free range of frames for a map: see folio/pagemap.h.
@c @implementation
public func cfolio_choose_frames(_ count: UInt, _ order: UInt32) -> UInt {
  guard cfolio_vmemmap_init() else { return UInt.max }
  let alignment = max(FrameSpace.subsection, UInt(1) << UInt(order))
  return FrameSpace.retired.withLock { retired in
    FrameSpace.choose(count: count, alignment: alignment, avoiding: retired)?.lowerBound
      ?? UInt.max
  }
}
