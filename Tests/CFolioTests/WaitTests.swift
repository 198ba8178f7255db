// SPDX-License-Identifier: MIT

// Keyed waits, cancellation and timeouts (spec: core.md section 13, rows 108-110; CI46-CI49).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Waiting")
struct WaitTests {
  @Test("a wait on an idle page returns at once")
  func idleAlready() throws {
    let map = try PageMap(.fsdax, pages: 512)
    try map.waitUntilIdle(frame: map.frames.lowerBound)
    try map.waitUntilIdle(frame: map.frames.lowerBound, timeout: .seconds(1))
  }

  @Test("a wait with a timeout ends when time is up and leaves no waiter behind")
  func timeout() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let owner = try map.claim(frame: map.frames.lowerBound)
    let held = try owner.raise()
    #expect(throws: PageMapError.self) {
      try map.waitUntilIdle(frame: map.frames.lowerBound, timeout: .milliseconds(5))
    }
    held.release()
  }

  @Test("a fired token ends interruptible waits, a fatal one also killable waits")
  func cancellation() throws {
    let map = try PageMap(.fsdax, pages: 512)
    let owner = try map.claim(frame: map.frames.lowerBound)
    let held = try owner.raise()
    let token = Cancellation()
    token.fire()
    #expect(throws: PageMapError.self) {
      try map.waitUntilIdle(frame: map.frames.lowerBound, mode: .interruptible(token))
    }
    // A signal that is not fatal does not end a killable wait: time does.
    do throws(PageMapError) {
      try map.waitUntilIdle(
        frame: map.frames.lowerBound, timeout: .milliseconds(5), mode: .killable(token))
      Issue.record("the page is busy")
    } catch {
      #expect(error.code == .timedOut)
    }
    token.fire(fatal: true)
    do throws(PageMapError) {
      try map.waitUntilIdle(frame: map.frames.lowerBound, mode: .killable(token))
      Issue.record("the page is busy")
    } catch {
      #expect(error.code == .interrupted)
    }
    held.release()
  }

  @Test("ten thousand tasks wait for ten thousand pages without a thread each")
  func manyTasks() async throws {
    let map = try PageMap(.fsdax, pages: 10_240)
    let frames = Array(map.frames.prefix(10_000))
    for frame in frames {
      let held = try map.claim(frame: frame).raise()
      _ = unsafe held.leak()
    }
    let finished = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for frame in frames {
        group.addTask {
          try await map.idle(frame: frame)
          finished.add()
        }
      }
      // Every task is either suspended on its page or has not begun: none may finish yet.
      for _ in 0..<100 { await Task.yield() }
      #expect(finished.value == 0)
      for frame in frames { unsafe folio_put(map.folio(frame)) }
      try await group.waitForAll()
    }
    #expect(finished.value == 10_000)
    #expect(map.audit().isEmpty)
  }

  @Test("a cancelled task stops waiting; one whose page is idle does not fail")
  func cancelledTask() async throws {
    let map = try PageMap(.fsdax, pages: 512)
    let frame = map.frames.lowerBound
    let owner = try map.claim(frame: frame)
    let held = try owner.raise()
    let task = Task { () -> PageMapError.Code? in
      do throws(PageMapError) { try await map.idle(frame: frame) } catch { return error.code }
      return nil
    }
    task.cancel()
    #expect(await task.value == .interrupted)
    held.release()
    let second = Task { () -> PageMapError.Code? in
      do throws(PageMapError) { try await map.idle(frame: frame) } catch { return error.code }
      return nil
    }
    second.cancel()
    #expect(await second.value == nil)
  }
}
