// SPDX-License-Identifier: MIT

// Faults on device-dax memory of three alignments against the end of the device (spec: core.md 14.4,
// CI25, CI40, CI59). When the end returns nothing maps the device, and no fault maps it again; references and
// pins hold its map up. Then another device takes its place.

import CFolio
package import FolioCore
import Synchronization

package final class DeviceDAXRound: StressRound {
  package static let scenario = StressScenario(
    "memory-dax", "faults and pins of device-dax memory against the end of the device"
  ) { try DeviceDAXRound($0) }

  /// log2 of the entries of a table.
  private static let shift = 2
  /// Folios of a device.
  private static let folios = 3

  package let maps: [PageMap] = []
  package let coverage: [CoverageItem]
  private enum Item: Int { case access, pin, kill, dead, inside }
  private let settings: RoundSettings
  private let spaces: [MemoryMap]
  private let order: Int
  private let device: SharedValue<Device>
  /// 1 while a thread ends the device.
  private let isGoing = SharedCount()
  /// The last device whose end has returned.
  private let ended = SharedCount(-1)
  /// Threads between the beginning and the end of an access.
  private let accesses = SharedCount()
  private let leaks: MemoryLeaks

  private struct Device: Sendable {
    let dax: DeviceDAX
    let number: Int
  }

  init(_ settings: RoundSettings) throws {
    self.settings = settings
    order = Self.shift * (Int(settings.seed / 2 % 3))
    spaces = try (0..<3).map { _ in try settings.makeSpace(tableShift: Self.shift) }
    leaks = MemoryLeaks()
    device = SharedValue(
      Device(dax: try Self.make(settings, order: order, number: 0), number: 0))
    let isShared = settings.threads > 1
    coverage = [
      CoverageItem("memory accessed"), CoverageItem("memory pinned"),
      CoverageItem("a device ended"),
      CoverageItem("an access that came too late", isRequired: isShared),
      CoverageItem("a device ended beside an access", isRequired: isShared),
    ]
  }

  private static func make(
    _ settings: RoundSettings, order: Int, number: Int
  ) throws -> DeviceDAX {
    let map = try settings.makeMap(.generic, pages: Self.folios << order) {
      $0.compoundOrder = order
    }
    for (page, frame) in map.frames.enumerated() {
      guard let word = unsafe cfolio_frame_word(frame) else { continue }
      unsafe shared_set(word, Self.word(number, page))
    }
    return try DeviceDAX(map)
  }

  /// What a page of a device holds, whoever writes it.
  private static func word(_ number: Int, _ page: Int) -> UInt {
    PageWord.of(page, number)
  }

  package func work(_ worker: inout Worker) {
    while worker.isRunning {
      if worker.pick(40) == 0 {
        end(&worker)
      } else {
        let device = device.withLock { $0 }
        accesses.add()
        do throws(MemoryError) {
          try use(device, spaces[worker.pick(spaces.count)], &worker)
        } catch {
          if error.code == .fault || error.code == .noSuchAddress { worker.cover(Item.dead) }
          settings.note(
            error, "an operation on device-dax memory",
            accepting: device.dax.isAlive ? [] : [.fault, .noSuchAddress])
        }
        accesses.add(-1)
      }
      worker.did()
    }
  }

  /// Maps the device, uses it and unmaps it again; in between it may end.
  private func use(
    _ device: Device, _ space: MemoryMap, _ worker: inout Worker
  ) throws(MemoryError) {
    let first = worker.pick(Self.folios)
    let pages = (1 + worker.pick(Self.folios - first)) << order
    let area = try space.map(
      device.dax.object, from: first << order, pages: pages, [.read, .write], .shared)
    var failure: MemoryError?
    do throws(MemoryError) {
      for _ in 0..<4 { try access(device, space, area, &worker) }
    } catch {
      failure = error
    }
    settings.unmap(area.range, of: space)
    if let failure { throw failure }
  }

  private func access(
    _ device: Device, _ space: MemoryMap, _ area: MemoryArea, _ worker: inout Worker
  ) throws(MemoryError) {
    let number = worker.pick(area.pages)
    let (address, page) = (area.address(ofPage: number), area.firstPage + number)
    let word = Self.word(device.number, page)
    let isOver = ended.value >= device.number
    switch worker.pick(4) {
    case 0:
      try space.store(word, at: address)
    case 1:
      check(try space.load(address), word, nil)
    case 2:
      return try space.discard(area.range)
    default:
      let pins = try space.pin(address..<(address + MemoryMap.pageSize), .write)
      for turn in 0..<2 {
        if turn > 0 && worker.pick(4) == 0 { cfolio_yield() }
        guard let memory = unsafe cfolio_frame_word(pins[0]) else { break }
        check(unsafe shared_read(memory), word, pins[0])
      }
      pins.release()
      worker.cover(Item.pin)
    }
    worker.cover(Item.access)
    settings.log.require(
      !isOver, "CI59", frame: device.dax.map.frames.lowerBound + UInt(page),
      "reached when the device had ended")
  }

  private func check(_ found: UInt, _ word: UInt, _ frame: UInt?) {
    settings.log.require(
      found == word, "CI40", frame: frame,
      "\(String(found, radix: 16)) was found, not \(String(word, radix: 16)): another device's page"
    )
  }

  private func end(_ worker: inout Worker) {
    guard isGoing.tryLock() else { return }
    defer { isGoing.unlock() }
    let old = device.withLock { $0 }
    let map = old.dax.map
    let inside = accesses.value
    old.dax.kill()
    worker.cover(Item.kill)
    if inside > 0 { worker.cover(Item.inside) }
    ended.set(old.number)
    for frame in map.frames {
      settings.requireUnmapped(map, frame, "CI59", "when the device has ended")
    }
    settings.takeDown(map, &worker) { () throws(PageMapError) in try map.unmap() }
    let number = old.number + 1
    let new = settings.insist("a device", "CI31") {
      try Self.make(settings, order: order, number: number)
    }
    if let new { device.withLock { $0 = Device(dax: new, number: number) } }
  }

  package func settle() {
    settings.finish([device.withLock { $0.dax.map }], mappedBy: spaces, leaks)
  }

  package func close() throws(PageMapError) {
    let dax = device.withLock { $0.dax }
    dax.kill()
    try dax.map.unmap()
  }
}
