// SPDX-License-Identifier: MIT

// What a device gives back by itself: actions in reverse order, and the devm_ forms of device maps.

import CFolio
import FolioCore
import Testing

@Suite("Resources of a device")
struct DeviceResourceTests {
  /// A device and what its actions leave behind.
  @unsafe private struct Bench: ~Copyable {
    let device = UnsafeMutablePointer<CFolio.device>.allocate(capacity: 1)
    let log = UnsafeMutablePointer<Int>.allocate(capacity: 1)

    init() {
      unsafe device_initialize(device)
      unsafe log.initialize(to: 0)
    }

    deinit {
      unsafe devres_release_all(device)
      unsafe log.deallocate()
      unsafe device.deallocate()
    }
  }

  /// An FS_DAX map that nobody made yet.
  private static func map() -> UnsafeMutablePointer<dev_pagemap> {
    let memory = unsafe cfolio_zalloc(MemoryLayout<dev_pagemap>.size)!
    let map = unsafe memory.bindMemory(to: dev_pagemap.self, capacity: 1)
    unsafe map.pointee.type = MEMORY_DEVICE_FS_DAX
    return unsafe map
  }

  /// Makes it over 512 free frames, for the device; its first frame.
  private static func make(
    _ map: UnsafeMutablePointer<dev_pagemap>, _ device: UnsafeMutablePointer<CFolio.device>
  ) throws -> UInt {
    while true {
      let frame = cfolio_choose_frames(512, 9)
      unsafe map.pointee.nr_range = 1
      unsafe map.pointee.ranges.0 = pfn_range(start: frame, end: frame + 511)
      let result = unsafe devm_memremap_pages(device, map)
      // Another test may take the frames first.
      if result == -12 { continue }
      try #require(result == 0)
      return frame
    }
  }

  @Test("actions run last first, each once, and not when they were taken out")
  func order() {
    let bench = unsafe Bench()
    let scale: devm_action_t = { unsafe $0!.assumingMemoryBound(to: Int.self).pointee *= 10 }
    let raise: devm_action_t = { unsafe $0!.assumingMemoryBound(to: Int.self).pointee += 3 }
    let other: devm_action_t = { unsafe $0!.assumingMemoryBound(to: Int.self).pointee += 100 }
    #expect(unsafe devm_add_action(bench.device, scale, bench.log) == 0)
    #expect(unsafe devm_add_action(bench.device, raise, bench.log) == 0)
    #expect(unsafe devm_add_action(bench.device, other, bench.log) == 0)
    #expect(unsafe devm_remove_action_nowarn(bench.device, other, bench.log))
    #expect(unsafe !devm_remove_action_nowarn(bench.device, other, bench.log))
    unsafe devres_release_all(bench.device)
    #expect(unsafe bench.log.pointee == 30)
    unsafe devres_release_all(bench.device)
    #expect(unsafe bench.log.pointee == 30)
  }

  @Test("a map goes down when its device lets go")
  func letGo() throws {
    let bench = unsafe Bench()
    let map = unsafe Self.map()
    // By devm_memremap_pages().
    let frame = try unsafe Self.make(map, bench.device)
    let found = unsafe get_dev_pagemap(frame)
    #expect(unsafe found == map)
    unsafe put_dev_pagemap(found)
    unsafe devres_release_all(bench.device)
    let after = unsafe get_dev_pagemap(frame)
    #expect(unsafe after != map)
    unsafe put_dev_pagemap(after)
    unsafe cfolio_free(map)
  }

  @Test("a map that was taken down early is not taken down again")
  func early() throws {
    let bench = unsafe Bench()
    let map = unsafe Self.map()
    let frame = try unsafe Self.make(map, bench.device)
    unsafe devm_memunmap_pages(bench.device, map)
    let after = unsafe get_dev_pagemap(frame)
    #expect(unsafe after != map)
    unsafe put_dev_pagemap(after)
    unsafe devres_release_all(bench.device)
    _ = try unsafe Self.make(map, bench.device)
    unsafe devres_release_all(bench.device)
    unsafe cfolio_free(map)
  }

  @Test("a map that cannot be made is no resource of the device")
  func refused() {
    let bench = unsafe Bench()
    let map = unsafe Self.map()
    unsafe map.pointee.nr_range = 0
    #expect(unsafe devm_memremap_pages(bench.device, map) == -22)
    unsafe devres_release_all(bench.device)
    unsafe cfolio_free(map)
  }
}
