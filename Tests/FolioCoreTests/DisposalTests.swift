// SPDX-License-Identifier: MIT

// Maps that are dropped: with and without unmap(), idle and in use. What is left of them goes when
// the last reference goes, and costs no thread each.

import CFolio
import FolioCore
import Glibc
import Testing

@Suite("A dropped map")
struct DisposalTests {
  /// Threads of this process.
  private static func threads() throws -> Int {
    let directory = unsafe opendir("/proc/self/task")
    guard let directory = unsafe directory else { throw DisposalError.noThreads }
    defer { unsafe closedir(directory) }
    var count = 0
    while let entry = unsafe readdir(directory) {
      // Not "." and "..".
      if unsafe entry.pointee.d_name.0 != 46 { count += 1 }
    }
    return count
  }

  private enum DisposalError: Error { case noThreads }

  /// The first page, in use, of a map of 512 that is gone.
  private static func leave(unmapping: Bool) throws -> FolioReference {
    let map = try PageMap(.fsdax, pages: 512, .init(strictTeardown: false))
    let reference = try map.claim(frame: map.frames.lowerBound).raise()
    if unmapping { try map.unmap() }
    return reference
  }

  /// Waits until the frames from there can be had again: their struct pages are gone.
  private static func expectFree(_ frame: UInt) throws {
    for _ in 0..<60_000 {
      do throws(PageMapError) {
        let map = try PageMap(.fsdax, pages: 512, .init(firstFrame: frame))
        try map.unmap()
        return
      } catch {
        try #require(error.code == .overlap, "\(error)")
        cfolio_sleep_ns(1_000_000)
      }
    }
    Issue.record("frame \(frame) is not free after a minute")
  }

  @Test(
    "pages outlive their map, whether it was unmapped or only dropped", arguments: [true, false])
  func outlive(unmapping: Bool) throws {
    let reference = try Self.leave(unmapping: unmapping)
    let (count, frame) = (reference.referenceCount, reference.frame)
    #expect(count == 1)
    #expect(throws: PageMapError.self, "the struct pages are in use") {
      _ = try PageMap(.fsdax, pages: 512, .init(firstFrame: frame))
    }
    reference.release()
    try Self.expectFree(frame)
  }

  @Test("what is left of fifty maps needs one thread, and goes with the references")
  func oneThread() async {
    await #expect(processExitsWith: .success) {
      let before = try DisposalTests.threads()
      var folios: [UInt] = []
      var frames: [UInt] = []
      for _ in 0..<50 {
        let reference = try DisposalTests.leave(unmapping: true)
        frames.append(reference.frame)
        folios.append(UInt(bitPattern: unsafe reference.leak()))
      }
      // Beside the watch there may be the thread that ends grace periods.
      let after = try DisposalTests.threads()
      #expect(after <= before + 2, "\(before) threads, then \(after)")
      for folio in folios { unsafe folio_put(UnsafeMutablePointer(bitPattern: folio)!) }
      for frame in frames { try DisposalTests.expectFree(frame) }
    }
  }

  @Test("an idle map that was unmapped goes at once, inside a read scope too")
  func scope() throws {
    var map: PageMap? = try PageMap(.fsdax, pages: 512)
    let frame = try #require(map?.frames.lowerBound)
    try map?.unmap()
    withReadScope { _ in map = nil }
    try Self.expectFree(frame)
  }
}
