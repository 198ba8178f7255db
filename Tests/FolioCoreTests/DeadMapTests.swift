// SPDX-License-Identifier: MIT

// What is left to do with a map that was unmapped: every call that needs it is refused with `dead`,
// every question has its answer, and nothing touches memory that is gone.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("A map that was unmapped")
struct DeadMapTests {
  private func code(_ body: () throws(PageMapError) -> Void) -> PageMapError.Code? {
    do throws(PageMapError) { try body() } catch { return error.code }
    return nil
  }

  @Test("every call that needs the map is refused", arguments: PageMap.Kind.allCases)
  func refused(kind: PageMap.Kind) throws {
    for rules in PageMap.Rules.allCases {
      let map = try PageMap(kind, pages: 512, .init(rules: rules))
      let frame = map.frames.lowerBound
      var owner = try map.claim(frame: frame, order: 2)
      try map.unmap()
      var codes: [PageMapError.Code?] = []
      do throws(PageMapError) { try owner.form() } catch { codes.append(error.code) }
      do throws(PageMapError) { try owner.split() } catch { codes.append(error.code) }
      do throws(PageMapError) { _ = try owner.raise().frame } catch { codes.append(error.code) }
      #expect(codes == [.dead, .dead, .dead])
      #expect(code { () throws(PageMapError) in try map.unmap() } == .dead)
      #expect(code { () throws(PageMapError) in try map.startAuditing() } == .dead)
      #expect(code { () throws(PageMapError) in _ = try map.claim(frame: frame).frame } == .dead)
      #expect(code { () throws(PageMapError) in try map.waitUntilIdle(frame: frame) } == .dead)
      #expect(
        code { () throws(PageMapError) in
          try map.waitUntilIdle(frame: frame, timeout: .seconds(1))
        } == .dead)
      owner.shareCount = 5
      let share = owner.shareCount
      #expect(share == 0)
    }
  }

  @Test("so are tasks that want to wait")
  func refusedTask() async throws {
    let map = try PageMap(.fsdax, pages: 512)
    try map.unmap()
    do throws(PageMapError) {
      try await map.idle(frame: map.frames.lowerBound)
      Issue.record("the map is dead")
    } catch {
      #expect(error.code == .dead && error.frame == map.frames.lowerBound)
    }
  }

  @Test("questions have their answer when the struct pages are gone")
  func questions() throws {
    for rules in PageMap.Rules.allCases {
      let map = try PageMap(.fsdax, pages: 512, .init(rules: rules))
      try map.unmap()
      #expect(!map.isLive)
      for frame in [map.frames.lowerBound, map.frames.upperBound - 1] {
        #expect(map.isIdle(frame: frame))
        #expect(map.isIdle(frame: frame, .idle) && map.isIdle(frame: frame, .unpinned))
        #expect(!canReference(frame))
      }
      #expect(map.firstBusyFrame == nil)
      #expect(map.mapReferenceCount == 0)
      #expect(map.audit().isEmpty)
      map.stopAuditing()
    }
  }

  @Test("and while a reference keeps them")
  func retired() throws {
    let map = try PageMap(.generic, pages: 512, .init(strictTeardown: false))
    let held = try reference(to: map.frames.lowerBound + 7)
    try map.unmap()
    #expect(map.firstBusyFrame == held.frame)
    #expect(!map.isIdle(frame: held.frame))
    #expect(map.isIdle(frame: held.frame + 1))
    let frame = held.frame
    held.release()
    #expect(map.isIdle(frame: frame))
    #expect(map.firstBusyFrame == nil)
  }

  @Test("a dead map's frames made anew are not its own")
  func successor() throws {
    // Frames that no other test is given.
    let first: UInt = (1 << 28) + (1 << 20)
    let map = try PageMap(.generic, pages: 512, .init(firstFrame: first))
    try map.unmap()
    let next = try PageMap(.generic, pages: 512, .init(firstFrame: first))
    let held = try reference(to: first)
    #expect(map.isIdle(frame: first) && map.firstBusyFrame == nil)
    #expect(!next.isIdle(frame: first) && next.firstBusyFrame == first)
    held.release()
    try next.unmap()
  }
}
