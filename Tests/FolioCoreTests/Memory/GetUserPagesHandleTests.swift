// SPDX-License-Identifier: MIT

// Pins and references as handles (spec: core.md CI44, CI45, CI57, CI58): what they hold, what they have
// not, and that they give it back as they took it.

import CFolio
import FolioCore
import FolioWorkloads
import TestSupport
import Testing

@Suite("get_user_pages: handles")
struct GetUserPagesHandleTests {
  private func leaf() throws -> (MemoryMap, PageMap, MemoryArea) {
    let map = try PageMap(.fsdax, pages: 512)
    let space = try MemoryMap()
    let file = try MappedObject(.deviceDAX, DeviceFile(map, order: 9))
    let area = try space.map(file, pages: 512, [.read, .write], .shared)
    try space.store(1, at: area.start)
    return (space, map, area)
  }

  @Test("a handle holds until it goes")
  func life() throws {
    let (space, map, area) = try leaf()
    do {
      let pins = try space.pin(area.addresses(ofPages: 3..<7), .write)
      let (count, range, frames, third) = (pins.count, pins.range, pins.frames, pins[2])
      #expect(count == 4 && range == area.addresses(ofPages: 3..<7))
      #expect(frames == (3..<7).map { map.frame($0) } && third == map.frame(5))
      let rest = pins.rest
      #expect(rest.isEmpty && map.pins(0) == [5, 4])
      let held = try space.get(area.addresses(ofPages: 0..<512))
      let heldCount = held.count
      #expect(heldCount == 512 && map.pins(0) == [517, 4])
      held.release()
      #expect(map.pins(0) == [5, 4])
    }
    #expect(map.pins(0) == [1, 0])
    let one = try space.pin(area.addresses(ofPages: 9..<10))
    #expect(map.pins(0) == [2, 1])
    // It outlives what it was found by.
    try space.unmap(area.range)
    #expect(map.pins(0) == [1, 1])
    let frame = one[0]
    one.release()
    #expect(frame == map.frame(9) && map.pins(0) == [0, 0])
  }

  @Test("dirty pages are marked before they go back")
  func dirty() throws {
    let (space, map, area) = try leaf()
    let folio = unsafe map.folio(map.frame(0))
    func isDirty() -> Bool { unsafe folio_test_flag(folio, Int32(PG_dirty.rawValue)) }
    unsafe folio_clear_flag(folio, Int32(PG_dirty.rawValue))
    try space.pin(area.addresses(ofPages: 0..<4)).release()
    #expect(!isDirty())
    try space.pin(area.addresses(ofPages: 0..<4)).releaseDirty()
    #expect(isDirty() && map.pins(0) == [1, 0])
    unsafe folio_clear_flag(folio, Int32(PG_dirty.rawValue))
    try space.pin(area.addresses(ofPages: 0..<1)).releaseDirty()
    #expect(isDirty() && map.pins(0) == [1, 0])
  }

  @Test("what cannot be had all is had in part; the rest says why not")
  func partial() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 3, [.read, .write], .private)
    let range = area.start..<(area.end + 2 * MemoryMap.pageSize)
    let pins = try space.pin(range, .write)
    let (count, taken, rest) = (pins.count, pins.range, pins.rest)
    #expect(count == 3 && taken == area.range && rest == area.end..<range.upperBound)
    #expect(throws: MemoryError(.fault, address: area.end)) { try space.pin(rest).release() }
    let held = try space.get(range)
    let (heldCount, heldRest) = (held.count, held.rest)
    #expect(heldCount == 3 && heldRest == rest)
  }

  @Test("ranges and options that make no sense")
  func invalid() throws {
    let space = try MemoryMap()
    let area = try space.map(pages: 1, [.read, .write], .private)
    cfolio_warnings_quiet(true)
    defer { cfolio_warnings_quiet(false) }
    let ranges = [
      area.start..<area.start, area.start..<(area.end - 1), (area.start + 1)..<area.end,
      area.start..<(space.end + MemoryMap.pageSize),
    ]
    for range in ranges {
      #expect(throws: MemoryError(.invalidArgument, address: range.lowerBound)) {
        try space.pin(range).release()
      }
    }
    let wrong = MemoryError(.invalidArgument, address: area.start)
    #expect(throws: wrong) { try space.get(area.range, .longTerm).release() }
    #expect(throws: wrong) { try space.pin(area.range, [.longTerm, .peerToPeer]).release() }
    #expect(throws: wrong) { try space.pin(area.range, [.lockFree, .anonymousOnly]).release() }
    #expect(throws: MemoryError(.tryAgain, address: area.start)) {
      try space.pin(area.range, .lockFree).release()
    }
    #expect(throws: MemoryError(.fault, address: area.start)) {
      try space.pin(area.range, .noFaults).release()
    }
    try space.pin(area.range, [.write, .anonymousOnly]).release()
    try space.pin(area.range, [.write, .lockFree]).release()
    try space.populate(area.range, forWriting: true)
    #expect(throws: MemoryError(.outOfMemory, address: area.end)) {
      try space.populate(area.start..<(area.end + MemoryMap.pageSize))
    }
  }

  @Test("pins of many pages need one allocation, of one page none")
  func allocations() async {
    await #expect(processExitsWith: .success) {
      let space = try MemoryMap()
      let area = try space.map(pages: 512, [.read, .write], .private)
      try space.populate(area.range, forWriting: true)
      // Every allocation of the C core is refused.
      cfolio_fault_injection(1, 1)
      try space.pin(area.addresses(ofPages: 0..<1)).release()
      precondition(cfolio_faults_injected() == 0)
      do throws(MemoryError) {
        try space.pin(area.range).release()
        preconditionFailure("no memory for the pages of the handle")
      } catch {
        precondition(error.code == .outOfMemory)
      }
      precondition(cfolio_faults_injected() == 1)
      cfolio_fault_injection(0, 0)
      let pins = try space.pin(area.range)
      let count = pins.count
      precondition(count == 512)
    }
  }

  @Test("pages acquired and released are those that were pinned (CI45)")
  func statistics() async {
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.fsdax, pages: 1024)
      let space = try MemoryMap()
      let file = try MappedObject(.deviceDAX, DeviceFile(map, order: 9))
      let area = try space.map(file, pages: 1024, [.read, .write], .shared)
      let own = try space.map(pages: 4, [.read, .write], .private)
      try space.store(1, at: area.start)
      func open() -> Int { PinStatistics.current.acquired - PinStatistics.current.released }
      precondition(PinStatistics.current == PinStatistics(acquired: 0, released: 0))
      // By the fast walk; by both; by the slow one; of what does not count.
      let fast = try space.pin(area.addresses(ofPages: 1..<100))
      precondition(open() == 99)
      let both = try space.pin(area.addresses(ofPages: 500..<700))
      precondition(open() == 299)
      let slow = try space.pin(own.addresses(ofPages: 0..<2), .write)
      precondition(open() == 301)
      let zeros = try space.pin(own.addresses(ofPages: 2..<4))
      let zeroPages = zeros.count
      precondition(open() == 301 && zeroPages == 2)
      let held = try space.get(area.range)
      precondition(open() == 301)
      held.release()
      // Long-term pins that cannot be: acquired and released.
      let coherent = try PageMap(.deviceCoherent, pages: 512)
      unsafe zone_device_page_init(coherent.page(coherent.frames.lowerBound))
      unsafe folio_unlock(coherent.folio(coherent.frames.lowerBound))
      let frame = coherent.frames.lowerBound
      let other = try space.map(
        try MappedObject(.sharedMemory, AnsweringFile { $0.insertPage(frame) }), pages: 1,
        .read, .shared)
      do throws(MemoryError) {
        try space.pin(other.range, .longTerm).release()
        preconditionFailure("a long-term pin of coherent memory")
      } catch {
        precondition(error.code == .busy)
      }
      precondition(open() == 301)
      fast.release()
      precondition(open() == 202)
      both.releaseDirty()
      precondition(open() == 2)
      slow.release()
      zeros.release()
      precondition(open() == 0 && PinStatistics.current.acquired == 302)
      try space.unmap(other.range)
      unsafe put_page(coherent.page(frame))
    }
  }

  @Test(
    "pins given back at once are those given back one by one (CI57), and are seen meanwhile (CI58)",
    arguments: Seed.these([57]))
  func equivalence(seed: Seed) throws {
    var random = SeededRandom(seed: seed.value)
    for order in [0, 9] {
      let map = try PageMap(.fsdax, pages: 1024)
      let space = try MemoryMap()
      let file = try MappedObject(.deviceDAX, DeviceFile(map, order: order))
      let area = try space.map(file, pages: 1024, [.read, .write], .shared)
      try space.populate(area.range)
      for _ in 0..<50 {
        let first = random.number(in: 0...1023)
        let pages = first..<random.number(in: (first + 1)...1024)
        let whole = try space.pin(area.addresses(ofPages: pages))
        let frames = whole.frames
        #expect(frames == pages.map { map.frame($0) })
        #expect(frames.allSatisfy { unsafe folio_maybe_dma_pinned(map.folio($0)) })
        var singles: [Single] = []
        for page in pages {
          singles.append(Single(try space.pin(area.addresses(ofPages: page..<(page + 1)))))
        }
        whole.release()
        let isSeen = frames.allSatisfy { unsafe folio_maybe_dma_pinned(map.folio($0)) }
        #expect(isSeen)
        singles.removeAll()
        #expect(frames.allSatisfy { unsafe !folio_maybe_dma_pinned(map.folio($0)) })
        #expect(map.pins(first) == (order == 0 ? [1] : [1, 0]))
      }
    }
  }

  /// Arrays hold what can be copied.
  private final class Single {
    let pins: PinnedPages
    init(_ pins: consuming PinnedPages) { self.pins = pins }
  }

  @Test("threads that pin, store, discard and fork leave every counter as it was")
  func threads() throws {
    let map = try PageMap(.generic, pages: 512)
    let space = try MemoryMap()
    let file = try MappedObject(.deviceDAX, DeviceFile(map))
    let shared = try space.map(file, pages: 16, [.read, .write], .shared)
    let own = try space.map(pages: 16, [.read, .write], .private)
    let isOver = Counter()
    func run(_ body: @escaping @Sendable (Int) throws -> Void) -> NativeThread {
      NativeThread {
        var round = 0
        do {
          while isOver.value == 0 {
            try body(round)
            round += 1
          }
        } catch {
          Issue.record("\(error)")
        }
      }
    }
    let threads = [
      run { round in
        try space.pin(shared.addresses(ofPages: round % 8..<16), .write).release()
        try space.pin(own.addresses(ofPages: round % 8..<16), .write).release()
      },
      run { round in
        let pins = try space.pin(own.addresses(ofPages: round % 16..<16))
        try space.get(shared.range).release()
        pins.release()
      },
      run { round in
        try space.store(1, at: own.address(ofPage: round % 16))
        file.unmap(pages: round % 16..<16)
        if round % 4 == 0 { try space.discard(own.addresses(ofPages: round % 16..<16)) }
      },
    ]
    for _ in 0..<100 {
      let child = try space.fork()
      try child.store(2, at: own.start)
    }
    isOver.add()
    for thread in threads { thread.join() }
    try space.unmap(shared.range)
    for page in 0..<16 { #expect(map.references(page) == 1) }
    #expect(map.audit().isEmpty)
  }
}
