// SPDX-License-Identifier: MIT

// The examples of README.md, compiled and run. Tools/check-readme.sh compares the lines between the
// marks with the README's Swift blocks.

import FolioCore
import TestSupport
import Testing

@Suite("README")
struct ReadmeExampleTests {
  @Test("the example of the README does what its comments say")
  func example() async throws {
    // README: begin
    let device = try PageMap(.fsdax, pages: 1 << 16)  // memremap_pages(), strict rules
    try device.startAuditing()
    let frame = device.frames.lowerBound
    var owner = try device.claim(frame: frame, order: 9)
    try owner.form()  // prep_compound_page(): 512 pages, one folio

    let first = try owner.raise()  // R: 0 -> 1
    let second = FolioReference(tryGet: frame + 100)  // lock-free, by any frame of the folio
    async let idle: Void = device.idle(frame: frame)  // parks no thread
    first.release()  // R: 2 -> 1
    second?.release()  // R: 1 -> 0, wakes the waiter
    try await idle

    try owner.split()  // 512 pages again
    precondition(device.audit().isEmpty)  // every counter equals what the ledger says
    try device.unmap()  // memunmap_pages()
    // README: end
    #expect(!device.isLive)
    #expect(!canReference(frame))
  }

  @Test("the example of address spaces does what its comments say")
  func addressSpaces() throws {
    // README: begin
    final class DeviceFile: FaultHandler {  // vm_operations_struct
      let device: PageMap
      init(_ device: PageMap) { self.device = device }
      func fault(_ fault: borrowing PageFault) -> FaultResult {
        fault.insertPage(device.frames.lowerBound + UInt(fault.page))
      }
    }

    let memory = try PageMap(.generic, pages: 512)
    let file = try MappedObject(.deviceDAX, DeviceFile(memory))
    let space = try MemoryMap()  // mm_struct, four levels of tables
    let area = try space.map(file, pages: 16, [.read, .write], .shared)
    try space.store(42, at: area.start)  // faults: one reference, one mapping
    let child = try space.fork()
    let seen = try child.load(area.start)  // by an entry of its own
    precondition(seen == 42)

    let pins = try child.pin(area.range, .write)  // pin_user_pages_fast(): R += 1024 each
    file.unmap()  // unmap_mapping_range(): all entries of both go, after a real flush
    precondition(pins.count == 16)  // and the pins stay
    pins.release()
    precondition(space.audit().isEmpty && child.audit().isEmpty)
    // README: end
    #expect(memory.firstBusyFrame == nil)
  }
}
