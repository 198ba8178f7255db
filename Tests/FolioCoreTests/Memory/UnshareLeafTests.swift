// SPDX-License-Identifier: MIT

// Pins for good of what a private area maps by a leaf: its pages become the area's own first.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Pins of private leaves")
struct UnshareLeafTests {
  @Test(
    "a long-term pin for reading takes a private leaf apart, and then a copy", arguments: [3, 6])
  func longTermRead(order: Int) throws {
    var options = MemoryMap.Options()
    options.tableShift = 3
    let space = try MemoryMap(options)
    let map = try PageMap(.fsdax, pages: 64)
    let file = DeviceFile(map, order: order)
    let object = try MappedObject(.sharedMemory, file)
    let bytes = UInt(64) * MemoryMap.pageSize
    let area = try space.map(object, pages: 64, [.read, .write], .private, at: .fixed(bytes))
    let address = area.address(ofPage: 3)
    unsafe shared_set(cfolio_frame_word(map.frame(3))!, 9)
    #expect(try space.load(address) == 9)
    #expect(pmd_leaf(entry(space, address, order == 3 ? PGTABLE_LEVEL_PMD : PGTABLE_LEVEL_PUD)))
    let pins = try space.pin(address..<(address + MemoryMap.pageSize), .longTerm)
    let frame = pins[0]
    #expect(frame != map.frame(3))
    #expect(try space.load(address) == 9 && pte_pfn(entry(space, address)) == frame)
    pins.release()
    try space.unmap(area.range)
    #expect(map.firstBusyFrame == nil)
  }
}
