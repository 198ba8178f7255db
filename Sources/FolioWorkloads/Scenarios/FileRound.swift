// SPDX-License-Identifier: MIT

// Files on a device mapped by several address spaces, by pages and by leaves of two sizes (spec: core.md
// T3, T10, CI17-CI19, CI40, CI41). Two scenarios of one world: pins against removals, and faults against
// removals. Blocks change their pages all the time: an entry, a translation or a pin that outlives its
// removal reads another page's word.

import CFolio
package import FolioCore

package final class FileRound: StressRound {
  package static let pins = StressScenario(
    "memory-pins", "fast and slow pins against discards, unmaps and punches of the same pages"
  ) { try FileRound($0, .pins) }
  package static let faults = StressScenario(
    "memory-faults", "faults of pages and leaves against their removal, splits against fast pins"
  ) { try FileRound($0, .faults) }

  /// What threads do most.
  enum Mix: Sendable { case pins, faults }

  /// log2 of the entries of a table.
  private static let shift = 3
  private static let ownPages = 8

  /// Audited in `settle()`, with the address spaces.
  package let maps: [PageMap] = []
  package let coverage: [CoverageItem]
  private enum Item: Int { case access, remove, punch, fast, slow, own, split, hold }
  private let settings: RoundSettings
  private let mix: Mix
  private let files: [File]
  private let spaces: [Space]
  private let leaks: MemoryLeaks

  private struct File: Sendable {
    let file: ExtentFile
    let object: MappedObject
  }

  private struct Space: Sendable {
    let map: MemoryMap
    let own: OwnPages
    let places: [Place]
  }

  /// A file in an address space.
  private struct Place: Sendable {
    let file: File
    let start: UInt
    /// Unmapped and mapped again all the time.
    let isMoving: Bool
    let sharing: Sharing

    func addresses(_ pages: Range<Int>) -> Range<UInt> {
      let size = MemoryMap.pageSize
      return (start + UInt(pages.lowerBound) * size)..<(start + UInt(pages.upperBound) * size)
    }
  }

  init(_ settings: RoundSettings, _ mix: Mix) throws {
    self.settings = settings
    self.mix = mix
    let size = MemoryMap.pageSize
    let files = try [(0, 12), (Self.shift, 4), (2 * Self.shift, 2)].map { order, extents in
      let file = try ExtentFile(settings, order: order, extents: extents)
      return File(file: file, object: try MappedObject(.fsdax, file))
    }
    let maps = try (0..<3).map { _ in try settings.makeSpace(tableShift: Self.shift) }
    leaks = MemoryLeaks()
    spaces = try maps.map { map in
      var places: [Place] = []
      for (number, file) in files.enumerated() {
        // At a multiple of the largest leaf; off it, so that only pages fit; and privately.
        let starts = [256, 1025, 2048].map { UInt($0 + 256 * number) * size }
        places += [
          Place(file: file, start: starts[0], isMoving: false, sharing: .shared),
          Place(file: file, start: starts[1], isMoving: true, sharing: .shared),
          Place(file: file, start: starts[2], isMoving: false, sharing: .private),
        ]
      }
      for place in places { try Self.map(place, map) }
      let own = try OwnPages(
        settings, map, pages: Self.ownPages, at: 3072 * size, isDiscarded: true)
      return Space(map: map, own: own, places: places)
    }
    self.files = files
    let isShared = settings.threads > 1
    coverage = [
      CoverageItem("a page accessed"), CoverageItem("pages removed"),
      CoverageItem("a block taken away"),
      CoverageItem("a pin by the fast walk alone"),
      CoverageItem("a pin with faults"),
      CoverageItem("a page of its own written while pinned", isRequired: mix == .pins),
      CoverageItem("part of a leaf removed"),
      CoverageItem("a block kept by somebody inside", isRequired: isShared && mix == .pins),
    ]
  }

  private static func map(_ place: Place, _ map: MemoryMap) throws(MemoryError) {
    try map.map(
      place.file.object, pages: place.file.file.pages, [.read, .write], place.sharing,
      at: .fixed(place.start))
  }

  package func work(_ worker: inout Worker) {
    // Percentages: accesses, removals, punches, pins of files, the rest on pages of its own.
    let bounds = mix == .pins ? [25, 40, 50, 85] : [55, 80, 90, 99]
    while worker.isRunning {
      let space = spaces[worker.pick(spaces.count)]
      let place = space.places[worker.pick(space.places.count)]
      let choice = worker.pick(100)
      do throws(MemoryError) {
        if choice < bounds[0] {
          try access(space, place, &worker)
        } else if choice < bounds[1] {
          try remove(space, place, &worker)
        } else if choice < bounds[2] {
          punch(place.file, &worker)
        } else if choice < bounds[3] {
          try worker.pick(4) == 0
            ? pinOften(space, place, &worker) : pin(space, place, &worker)
        } else {
          try write(space, &worker)
        }
      } catch {
        // A moving area is not always there; pins and accesses may fault then.
        settings.note(
          error, "an operation on a file", accepting: place.isMoving ? [.fault, .outOfMemory] : [])
      }
      worker.did()
    }
  }

  private func access(
    _ space: Space, _ place: Place, _ worker: inout Worker
  ) throws(MemoryError) {
    for _ in 0..<4 {
      let page = worker.pick(place.file.file.pages)
      let address = place.addresses(page..<(page + 1)).lowerBound
      if worker.pick(3) == 0 {
        try space.map.store(PageWord.of(page, worker.pick(1 << 20)), at: address)
      } else {
        place.file.file.check(try space.map.load(address), of: page, "a load of")
      }
      worker.cover(Item.access)
    }
  }

  /// Some pages of the file.
  private func range(_ file: ExtentFile, _ worker: inout Worker, longest: Int) -> Range<Int> {
    let first = worker.pick(file.pages)
    return first..<min(first + 1 + worker.pick(longest), file.pages)
  }

  private func remove(
    _ space: Space, _ place: Place, _ worker: inout Worker
  ) throws(MemoryError) {
    let file = place.file.file
    let pages = range(file, &worker, longest: 1 << file.order)
    switch worker.pick(place.isMoving ? 4 : 3) {
    case 0:
      let addresses = place.addresses(pages)
      let hadLeaf = pages.count < 1 << file.order && isLeaf(space.map, addresses.lowerBound, file)
      try space.map.discard(addresses)
      if hadLeaf { worker.cover(Item.split) }
    case 1:
      place.file.object.unmap(pages: pages, includingCopies: worker.pick(2) == 0)
    case 2:
      try space.map.discard(place.addresses(0..<file.pages))
    default:
      if worker.pick(2) == 0 {
        try space.map.unmap(place.addresses(pages))
      } else {
        try space.map.unmap(place.addresses(0..<file.pages))
      }
      try Self.map(place, space.map)
    }
    worker.cover(Item.remove)
  }

  /// Whether one entry maps the file's block there. A snapshot.
  private func isLeaf(_ map: MemoryMap, _ address: UInt, _ file: ExtentFile) -> Bool {
    rcu_read_lock()
    defer { rcu_read_unlock() }
    let level = file.order > Self.shift ? PGTABLE_LEVEL_PUD : PGTABLE_LEVEL_PMD
    guard let entry = unsafe pgtable_walk(map.mm, address, level).entry else { return false }
    return unsafe pmd_leaf(ptep_get(entry))
  }

  private func punch(_ file: File, _ worker: inout Worker) {
    for _ in 0..<8 {
      let run = worker.pick(2) == 0 ? worker.pick(4) : worker.pick(file.file.runs)
      switch file.file.punch(min(run, file.file.runs - 1), file.object) {
      case .taken: worker.cover(Item.punch)
      case .kept: worker.cover(Item.hold)
      case .nothing: break
      }
    }
  }

  // MARK: pins

  private func pin(
    _ space: Space, _ place: Place, _ worker: inout Worker
  ) throws(MemoryError) {
    let pages = range(place.file.file, &worker, longest: 8)
    var options: UserPageOptions = worker.pick(2) == 0 ? .write : []
    let isFast = worker.pick(2) == 0
    if isFast { options.insert(.lockFree) }
    do throws(MemoryError) {
      if worker.pick(4) == 0 {
        let held = try space.map.get(place.addresses(pages), options)
        check(held.frames, place, pages.lowerBound, &worker)
        held.release()
      } else {
        let pins = try space.map.pin(place.addresses(pages), options)
        check(pins.frames, place, pages.lowerBound, &worker)
        if options.contains(.write) && place.sharing == .shared {
          write(pins.frames, pages.lowerBound, &worker)
        }
        if worker.pick(4) == 0 { pins.releaseDirty() } else { pins.release() }
      }
      worker.cover(isFast ? Item.fast : .slow)
    } catch {
      guard isFast && error.code == .tryAgain else { throw error }
    }
  }

  /// Nothing but the fast walk, so that whoever loses the processor loses it there.
  private func pinOften(
    _ space: Space, _ place: Place, _ worker: inout Worker
  ) throws(MemoryError) {
    for _ in 0..<256 {
      let page = worker.pick(min(place.file.file.pages, 4))
      do throws(MemoryError) {
        let pins = try space.map.pin(place.addresses(page..<(page + 1)), .lockFree)
        if let word = unsafe cfolio_frame_word(pins[0]) {
          place.file.file.check(
            unsafe shared_read(word), of: page, frame: pins[0], "a fast pin of")
        }
        pins.release()
      } catch {
        guard error.code == .tryAgain else { throw error }
        // It is removed: somebody has to bring it back.
        _ = try space.map.load(place.addresses(page..<(page + 1)).lowerBound)
      }
    }
    worker.cover(Item.fast)
  }

  /// Context: the frames are pinned or held.
  private func check(
    _ frames: [UInt], _ place: Place, _ first: Int, _ worker: inout Worker
  ) {
    for turn in 0..<2 {
      if turn > 0 && worker.pick(2) == 0 { cfolio_yield() }
      for (number, frame) in frames.enumerated() {
        guard let word = unsafe cfolio_frame_word(frame) else { continue }
        place.file.file.check(
          unsafe shared_read(word), of: first + number, frame: frame, "a holder of")
      }
    }
  }

  /// What a device does with pins. Context: as above.
  private func write(_ frames: [UInt], _ first: Int, _ worker: inout Worker) {
    for (number, frame) in frames.enumerated() {
      guard let word = unsafe cfolio_frame_word(frame) else { continue }
      unsafe shared_set(word, PageWord.of(first + number, worker.pick(1 << 20)))
    }
  }

  private func write(_ space: Space, _ worker: inout Worker) throws(MemoryError) {
    if worker.pick(4) == 0 {
      try space.map.discard(space.own.area.range)
    } else if try space.own.write(&worker, pinning: worker.pick(2) == 0) == .pinned {
      worker.cover(Item.own)
    }
  }

  package func settle() {
    settings.finish(files.map(\.file.map), mappedBy: spaces.map(\.map), leaks)
  }

  package func close() throws(PageMapError) {
    for file in files { try file.file.map.unmap() }
  }
}
