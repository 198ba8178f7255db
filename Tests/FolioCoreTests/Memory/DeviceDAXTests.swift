// SPDX-License-Identifier: MIT

// Device-dax (spec: core.md 14.4): what faults of each size answer, the counts of both schemes, the end
// of a device with faults in progress, maps and pins open.

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("Device-dax")
struct DeviceDAXTests {
  private static let page = MemoryMap.pageSize
  /// Tables of eight entries: leaves of 8 and of 64 pages.
  private static func space() throws -> MemoryMap {
    var options = MemoryMap.Options()
    options.tableShift = 3
    return try MemoryMap(options)
  }

  private static func device(
    order: Int, pages: Int = 128, _ rules: PageMap.Rules = .strict
  ) throws -> DeviceDAX {
    try DeviceDAX(PageMap(.generic, pages: pages, .init(rules: rules, compoundOrder: order)))
  }

  /// One cell of 14.4: alignment and size in orders, and the answer.
  struct Cell: Sendable, CustomTestStringConvertible {
    let alignment: Int
    let size: Int
    let answer: FaultResult
    var testDescription: String { "alignment 2^\(alignment), size 2^\(size)" }
  }

  private static let cells = [
    Cell(alignment: 0, size: 0, answer: .noPage),
    Cell(alignment: 3, size: 0, answer: .busError),
    Cell(alignment: 6, size: 0, answer: .busError),
    Cell(alignment: 0, size: 3, answer: .fallback),
    Cell(alignment: 3, size: 3, answer: .noPage),
    Cell(alignment: 6, size: 3, answer: .busError),
    Cell(alignment: 0, size: 6, answer: .fallback),
    Cell(alignment: 3, size: 6, answer: .fallback),
    Cell(alignment: 6, size: 6, answer: .noPage),
    Cell(alignment: 0, size: 5, answer: .busError),
    Cell(alignment: 3, size: 5, answer: .busError),
    Cell(alignment: 6, size: 9, answer: .busError),
  ]

  @Test(
    "a fault of each size on memory of each alignment", arguments: cells,
    [PageMap.Rules.strict, .kernel, .legacy])
  func sizes(cell: Cell, rules: PageMap.Rules) throws {
    let device = try Self.device(order: cell.alignment, rules)
    let space = try Self.space()
    let area = try space.map(device.object, pages: 64, [.read, .write], .shared)
    for write in [false, true] {
      #expect(ask(space, area.address(ofPage: 9), order: cell.size, write: write) == cell.answer)
    }
    let counted = cell.answer == .noPage && rules != .legacy ? 1 : 0
    #expect(Counts(device.map, 9) == Counts(1 + counted, counted))
    #expect(space.counters.filePages == counted << cell.size)
    #expect(device.map.audit().isEmpty)
  }

  @Test(
    "an access finds the size that the memory has", arguments: [0, 3, 6],
    [PageMap.Rules.strict, .legacy])
  func accesses(order: Int, rules: PageMap.Rules) throws {
    let device = try Self.device(order: order, rules)
    let space = try Self.space()
    let area = try space.map(device.object, from: 64, pages: 64, [.read, .write], .shared)
    try space.store(7, at: area.address(ofPage: 17))
    #expect(try space.load(area.address(ofPage: 17)) == 7)
    let level = pgtable_level(UInt32(order / 3))
    let leaf = entry(space, area.address(ofPage: 17), level)
    let first: Int = 64 + ((17 >> order) << order)
    #expect(pte_pfn(leaf) == device.map.frames.lowerBound + UInt(first))
    #expect(pte_special(leaf) == (rules == .legacy) && pte_devmap(leaf) == (rules == .legacy))
    #expect(pte_write(leaf) && pte_dirty(leaf))
    #expect(space.counters.filePages == (rules == .legacy ? 0 : 1 << order))
  }

  @Test("pages beyond the device are bus errors", arguments: [0, 3, 6])
  func beyond(order: Int) throws {
    // Far from where other tests' maps are.
    let first = UInt(1 << 28 + order * 4096)
    let device = try DeviceDAX(
      PageMap(.generic, pages: 512, .init(compoundOrder: order, firstFrame: first)))
    // Whose pages could be mapped just as well.
    let neighbour = try PageMap(
      .generic, pages: 512,
      .init(compoundOrder: order, firstFrame: device.map.frames.upperBound))
    let space = try Self.space()
    let area = try space.map(device.object, from: 448, pages: 128, [.read, .write], .shared)
    #expect(ask(space, area.address(ofPage: 63), order: order) == .noPage)
    #expect(ask(space, area.address(ofPage: 64), order: order) == .busError)
    #expect(throws: MemoryError(.fault, address: area.address(ofPage: 64))) {
      try space.load(area.address(ofPage: 64))
    }
    #expect(Counts(neighbour, 0) == Counts(1, 0))
  }

  @Test("private and misaligned areas are refused, and answered by bus errors")
  func areas() throws {
    let device = try Self.device(order: 3)
    let space = try Self.space()
    let area = try space.map(device.object, pages: 8, [.read, .write], .shared)
    #expect(area.start % (8 * Self.page) == 0)
    #expect(throws: MemoryError.self) { try space.map(device.object, pages: 8, .read, .private) }
    #expect(throws: MemoryError.self) { try space.map(device.object, pages: 7, .read, .shared) }
    #expect(throws: MemoryError.self) {
      try space.map(device.object, from: 4, pages: 8, .read, .shared, at: .fixed(64 * Self.page))
    }
    #expect(throws: MemoryError(.invalidArgument, address: 65 * Self.page)) {
      try space.map(device.object, pages: 8, .read, .shared, at: .fixed(65 * Self.page))
    }
    #expect(space.areas.count == 1)

    func unasked(_ page: UInt, _ pages: Int, from first: Int = 0, _ sharing: Sharing) -> UInt {
      mapUnasked(
        space, like: area.start, at: page * Self.page, pages: pages, from: first, sharing)
    }
    #expect(ask(space, unasked(512, 8, .private), order: 3) == .busError)
    #expect(ask(space, unasked(529, 7, .shared), order: 3) == .busError)
    #expect(ask(space, unasked(544, 7, .shared), order: 3) == .busError)
    #expect(ask(space, unasked(560, 8, from: 4, .shared), order: 3) == .busError)
    #expect(ask(space, unasked(576, 8, .shared), order: 3) == .noPage)
    #expect(Counts(device.map, 0) == Counts(2, 1))
  }

  @Test("areas are cut at multiples of the alignment only")
  func cuts() throws {
    let device = try Self.device(order: 3)
    let space = try Self.space()
    let area = try space.map(device.object, pages: 32, [.read, .write], .shared)
    for page in [4, 8, 16, 24] { try space.store(1, at: area.address(ofPage: page)) }
    #expect(throws: MemoryError(.invalidArgument, address: area.address(ofPage: 12))) {
      try space.unmap(area.addresses(ofPages: 8..<12))
    }
    #expect(throws: MemoryError(.invalidArgument, address: area.address(ofPage: 9))) {
      try space.protect(area.addresses(ofPages: 9..<16), .read)
    }
    #expect(Counts(device.map, 8) == Counts(2, 1))
    try space.unmap(area.addresses(ofPages: 8..<16))
    #expect(Counts(device.map, 8) == Counts(1, 0) && Counts(device.map, 16) == Counts(2, 1))
    #expect(space.areas.map(\.pages) == [8, 16])
  }

  @Test("the first fault notes where a folio lies in the device, for good", arguments: [0, 3])
  func association(order: Int) throws {
    let device = try Self.device(order: order)
    let space = try Self.space()
    let area = try space.map(device.object, from: 8, pages: 64, [.read, .write], .shared)
    let first: Int = ((8 + 21) >> order) << order
    let frame = device.map.frames.lowerBound + UInt(first)
    let folio = unsafe device.map.folio(frame)
    #expect(unsafe folio_mapping_word(folio) == 0)
    _ = try space.load(area.address(ofPage: 21))
    let mapping = unsafe UInt(bitPattern: device.object.addressSpace)
    #expect(unsafe folio_mapping_word(folio) == mapping)
    #expect(unsafe folio_index(folio) == frame - device.map.frames.lowerBound)
    let next = unsafe device.map.folio(frame + 8)
    #expect(unsafe folio_mapping_word(next) == 0)
    try space.unmap(area.range)
    #expect(unsafe folio_mapping_word(folio) == mapping)
    #expect(device.map.audit().isEmpty)
  }

  // MARK: golden traces

  private static func pins(_ map: PageMap) -> Int {
    Int(unsafe atomic_read(&map.folio(map.frames.lowerBound).pointee._pincount))
  }

  @Test(
    "GENERIC 2M: init, map, pin of 512 pages, unpin, unmap",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func golden2M(rules: PageMap.Rules) throws {
    let device = try Self.device(order: 9, pages: 512, rules)
    let (map, space) = (device.map, try MemoryMap())
    let folio = unsafe map.folio(map.frames.lowerBound)
    let mapped = rules == .legacy ? 0 : 1
    #expect(Counts(map, 0) == Counts(1, 0) && Self.pins(map) == 0)
    let area = try space.map(device.object, pages: 512, [.read, .write], .shared)
    try space.store(1, at: area.start)
    #expect(Counts(map, 0) == Counts(1 + mapped, mapped) && Self.pins(map) == 0)
    #expect(unsafe try_grab_folio(folio, 512, FOLL_PIN) == 0)
    #expect(Counts(map, 0) == Counts(513 + mapped, mapped) && Self.pins(map) == 512)
    unsafe gup_put_folio(folio, 512, FOLL_PIN)
    #expect(Counts(map, 0) == Counts(1 + mapped, mapped) && Self.pins(map) == 0)
    try space.unmap(area.range)
    #expect(Counts(map, 0) == Counts(1, 0))
    #expect(map.audit().isEmpty)
    try map.unmap()
  }

  @Test(
    "GENERIC 4K: init, map, map by a second address space, zap both",
    arguments: [PageMap.Rules.strict, .kernel, .legacy])
  func golden4K(rules: PageMap.Rules) throws {
    let device = try Self.device(order: 0, pages: 512, rules)
    let (map, one, two) = (device.map, try MemoryMap(), try MemoryMap())
    let mapped = rules == .legacy ? 0 : 1
    #expect(Counts(map, 0) == Counts(1, 0))
    let first = try one.map(device.object, pages: 1, [.read, .write], .shared)
    _ = try one.load(first.start)
    #expect(Counts(map, 0) == Counts(1 + mapped, mapped))
    let second = try two.map(device.object, pages: 1, [.read, .write], .shared)
    try two.store(1, at: second.start)
    #expect(Counts(map, 0) == Counts(1 + 2 * mapped, 2 * mapped))
    device.object.unmap()
    #expect(Counts(map, 0) == Counts(1, 0))
    #expect(map.audit().isEmpty)
  }

  // MARK: the end

  @Test(
    "a dead device has no entries, and answers faults and maps with errors", arguments: [0, 3])
  func kill(order: Int) throws {
    let device = try Self.device(order: order)
    let (one, two) = (try Self.space(), try Self.space())
    let first = try one.map(device.object, pages: 16, [.read, .write], .shared)
    let second = try two.map(device.object, from: 8, pages: 16, [.read, .write], .shared)
    try one.store(1, at: first.address(ofPage: 8))
    _ = try two.load(second.start)
    #expect(Counts(device.map, 8) == Counts(3, 2))
    let folio = unsafe device.map.folio(device.map.frames.lowerBound + 8)
    #expect(unsafe try_grab_folio(folio, 1, FOLL_PIN) == 0)
    device.kill()
    #expect(!device.isAlive)
    #expect(Counts(device.map, 8) == Counts(order == 0 ? 1025 : 2, 0))
    #expect(throws: MemoryError(.fault, address: first.address(ofPage: 8))) {
      try one.load(first.address(ofPage: 8))
    }
    #expect(ask(one, first.start, order: order) == .busError)
    #expect(throws: MemoryError(.noSuchAddress, address: 1024 * Self.page)) {
      try one.map(device.object, pages: 8, .read, .shared, at: .fixed(1024 * Self.page))
    }
    // A pin outlives the device, not its memory.
    #expect(codeOf { () throws(PageMapError) in try device.map.unmap() } == .busy)
    unsafe unpin_user_folio(folio, 1)
    device.kill()
    try device.map.unmap()
  }

  @Test("the end of a device waits for a fault that found it alive, and takes its entry away")
  func killWaits() async throws {
    let device = try Self.device(order: 0)
    let space = try Self.space()
    let area = try space.map(device.object, pages: 1, [.read, .write], .shared)
    let place = unsafe pgtable_walk(space.mm, area.start, PGTABLE_LEVEL_PGD)
    // The fault gets as far as this lock, with no table yet where a removal could wait for it.
    unsafe spin_lock(place.lock!)
    let fault = NativeThread { _ = ask(space, area.start, order: 0) }
    let folio = unsafe device.map.folio(device.map.frames.lowerBound)
    #expect(eventually { unsafe folio_mapping_word(folio) != 0 })
    let isDead = Flag()
    let kill = NativeThread {
      device.kill()
      isDead.raise()
    }
    #expect(eventually { !device.isAlive })
    let ended = poll(milliseconds: 50) { isDead.isRaised }
    #expect(!ended)
    unsafe spin_unlock(place.lock!)
    fault.join()
    kill.join()
    #expect(Counts(device.map, 0) == Counts(1, 0))
    #expect(entry(space, area.start).pte == 0)
  }

  @Test("faults on many threads and the end of the device leave nothing behind")
  func killRaces() throws {
    for _ in 0..<20 {
      let device = try Self.device(order: 3)
      let spaces = [try Self.space(), try Self.space()]
      var areas: [MemoryArea] = []
      for space in spaces {
        areas.append(try space.map(device.object, pages: 64, [.read, .write], .shared))
      }
      let loads = Counter()
      let mapped = areas
      let threads = (0..<2).map { (number: Int) -> NativeThread in
        NativeThread {
          var page = number
          do throws(MemoryError) {
            while true {
              try spaces[number].store(1, at: mapped[number].address(ofPage: page % 64))
              page += 8
              loads.add()
            }
          } catch {
            precondition(error.code == .fault)
          }
        }
      }
      #expect(eventually { loads.value > 4 })
      device.kill()
      for thread in threads { thread.join() }
      for page in stride(from: 0, to: 64, by: 8) {
        #expect(Counts(device.map, page) == Counts(1, 0))
      }
      try device.map.unmap()
    }
  }

  @Test("only maps of kind generic are device-dax")
  func kinds() throws {
    let map = try PageMap(.fsdax, pages: 1)
    #expect(throws: MemoryError(.invalidArgument)) { try DeviceDAX(map) }
  }

  @Test("a device that finds no memory for its readers is refused, and leaves nothing")
  func noMemory() async {
    // What one allocation gives another may get: in a process of its own.
    await #expect(processExitsWith: .success) {
      let map = try PageMap(.generic, pages: 1)
      var refused = 0
      for seed in 0..<UInt64(100) {
        cfolio_fault_injection(3, seed)
        defer { cfolio_fault_injection(0, 0) }
        do throws(MemoryError) {
          _ = try DeviceDAX(map)
        } catch {
          precondition(error.code == .outOfMemory)
          refused += 1
        }
      }
      precondition(refused > 20 && refused < 100, "\(refused)")
      try map.unmap()
    }
  }
}
