// SPDX-License-Identifier: MIT

// The example of README.md, compiled and run. Tools/check-readme.sh compares the lines between the
// two marks with the README's first Swift block.

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
}
