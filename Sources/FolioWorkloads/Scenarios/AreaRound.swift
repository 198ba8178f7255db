// SPDX-License-Identifier: MIT

// Map, unmap, protect, move and discard against faults, in one address space (spec: core.md sections 9
// and 10, CI40, CI52, CI53). Each thread changes a window of its own and knows exactly what is there;
// windows meet in page tables, so tables are made and freed under the neighbours. Others load and pin
// there all the time: they find nothing, or what is the window's.

import CFolio
package import FolioCore

package final class AreaRound: StressRound {
  package static let scenario = StressScenario(
    "memory-areas", "map, unmap, protect and move against faults in the same area and beside it"
  ) { try AreaRound($0) }

  /// Pages of a window: with tables of four entries the last table of one is the next one's first.
  private static let window = 26
  /// Pages of the file that a window may map.
  private static let filePages = 8

  package let maps: [PageMap] = []
  package let coverage: [CoverageItem]
  private enum Item: Int { case map, unmap, protect, move, refused, visit, pin, discard }
  private let settings: RoundSettings
  private let space: MemoryMap
  private let file: ExtentFile
  private let object: MappedObject
  private let serial = SharedCount()
  private let leaks: MemoryLeaks

  /// What the window's thread knows of one page.
  private struct Page {
    var rights: AccessRights
    /// Of the file; nil: private memory.
    var filePage: Int?
    /// Of private memory.
    var word: UInt = 0
  }

  init(_ settings: RoundSettings) throws {
    self.settings = settings
    var shift = 2
    while 1 << (4 * shift) <= Self.window * settings.threads { shift += 1 }
    space = try settings.makeSpace(tableShift: shift)
    file = try ExtentFile(settings, order: 0, extents: Self.filePages * settings.threads)
    object = try MappedObject(.fsdax, file)
    leaks = MemoryLeaks()
    let isShared = settings.threads > 1
    coverage = [
      CoverageItem("an area mapped"), CoverageItem("pages unmapped"),
      CoverageItem("rights changed"), CoverageItem("pages moved"),
      CoverageItem("an access refused"),
      CoverageItem("another's page read", isRequired: isShared),
      CoverageItem("another's page pinned", isRequired: isShared),
      CoverageItem("memory discarded"),
    ]
  }

  private func address(_ window: Int, _ page: Int) -> UInt {
    UInt(window * Self.window + page) * MemoryMap.pageSize
  }

  private func addresses(_ window: Int, _ pages: Range<Int>) -> Range<UInt> {
    address(window, pages.lowerBound)..<address(window, pages.upperBound)
  }

  /// Whose words the private memory of a window holds: no page of the file's.
  private static func owner(_ window: Int) -> Int { 1 << 30 | window }

  package func work(_ worker: inout Worker) {
    var pages = [Page?](repeating: nil, count: Self.window)
    while worker.isRunning {
      let window = worker.index
      do throws(MemoryError) {
        switch worker.pick(16) {
        case 0: try map(&pages, window, &worker)
        case 1: try unmap(&pages, window, &worker)
        case 2: try protect(&pages, window, &worker)
        case 3: try move(&pages, window, &worker)
        case 4: try discard(&pages, window, &worker)
        case 5...10:
          let page = worker.pick(Self.window)
          try access(page, &pages[page], window, isStore: worker.pick(2) == 0, &worker)
        default: try visit(worker.pick(settings.threads), &worker)
        }
      } catch {
        settings.note(error, "an operation on areas")
      }
      worker.did()
    }
    for page in 0..<Self.window {
      settings.insist("a last load") {
        try access(page, &pages[page], worker.index, isStore: false, &worker)
      }
    }
  }

  private func range(_ worker: inout Worker) -> Range<Int> {
    let first = worker.pick(Self.window)
    return first..<(first + 1 + worker.pick(min(8, Self.window - first)))
  }

  // MARK: one's own window

  /// What failed in the middle leaves a hole at most: it is made one.
  private func clear(_ pages: inout [Page?], _ window: Int, _ range: Range<Int>) {
    settings.unmap(addresses(window, range), of: space)
    for page in range { pages[page] = nil }
  }

  private func map(
    _ pages: inout [Page?], _ window: Int, _ worker: inout Worker
  ) throws(MemoryError) {
    let range = range(&worker)
    let ofFile = worker.pick(2) == 0
    let rights: AccessRights = worker.pick(4) == 0 ? .read : [.read, .write]
    let first = window * Self.filePages + worker.pick(Self.filePages)
    let length = ofFile ? min(range.count, (window + 1) * Self.filePages - first) : range.count
    let taken = range.lowerBound..<(range.lowerBound + length)
    do throws(MemoryError) {
      try space.map(
        ofFile ? object : nil, from: ofFile ? first : 0, pages: length, rights,
        ofFile ? .shared : .private, at: .fixed(address(window, taken.lowerBound)))
    } catch {
      clear(&pages, window, taken)
      throw error
    }
    for page in taken {
      pages[page] = Page(
        rights: rights, filePage: ofFile ? first + page - taken.lowerBound : nil)
    }
    worker.cover(Item.map)
  }

  private func unmap(
    _ pages: inout [Page?], _ window: Int, _ worker: inout Worker
  ) throws(MemoryError) {
    let range = range(&worker)
    try space.unmap(addresses(window, range))
    for page in range { pages[page] = nil }
    worker.cover(Item.unmap)
  }

  private func protect(
    _ pages: inout [Page?], _ window: Int, _ worker: inout Worker
  ) throws(MemoryError) {
    let range = range(&worker)
    let rights: AccessRights = [[], .read, [.read, .write]][worker.pick(3)]
    let hasHole = range.contains { pages[$0] == nil }
    do throws(MemoryError) {
      try space.protect(addresses(window, range), rights)
    } catch {
      guard hasHole && error.code == .outOfMemory else { throw error }
      return
    }
    settings.log.require(!hasHole, "VMA", "rights of a range with a hole were changed")
    for page in range { pages[page]?.rights = rights }
    worker.cover(Item.protect)
  }

  /// To a place that the range does not reach.
  private func move(
    _ pages: inout [Page?], _ window: Int, _ worker: inout Worker
  ) throws(MemoryError) {
    let from = range(&worker)
    let start = worker.pick(Self.window - from.count + 1)
    let to = start..<(start + from.count)
    guard !from.overlaps(to) else { return }
    do throws(MemoryError) {
      try space.remap(
        addresses(window, from), pages: from.count, to: address(window, to.lowerBound))
    } catch {
      clear(&pages, window, to)
      // The range is not of one area, as one page that is there is.
      guard error.code == .fault, from.count > 1 || pages[from.lowerBound] == nil else {
        throw error
      }
      return
    }
    for (old, new) in zip(from, to) {
      settings.log.require(pages[old] != nil, "VMA", "a hole was moved")
      (pages[new], pages[old]) = (pages[old], nil)
    }
    worker.cover(Item.move)
  }

  private func discard(
    _ pages: inout [Page?], _ window: Int, _ worker: inout Worker
  ) throws(MemoryError) {
    let range = range(&worker)
    let hasHole = range.contains { pages[$0] == nil }
    for page in range { pages[page]?.word = 0 }
    do throws(MemoryError) {
      try space.discard(addresses(window, range))
    } catch {
      guard hasHole && error.code == .outOfMemory else { throw error }
    }
    worker.cover(Item.discard)
  }

  /// One access, whose outcome is known.
  private func access(
    _ number: Int, _ page: inout Page?, _ window: Int, isStore: Bool, _ worker: inout Worker
  ) throws(MemoryError) {
    let address = address(window, number)
    let isAllowed =
      page.map { isStore ? $0.rights.contains(.write) : !$0.rights.isEmpty } ?? false
    do throws(MemoryError) {
      if isStore {
        let word = PageWord.of(page?.filePage ?? Self.owner(window), serial.add())
        try space.store(word, at: address)
        page?.word = word
      } else {
        let found = try space.load(address)
        if let filePage = page?.filePage {
          file.check(found, of: filePage, "a load of")
        } else if let page {
          settings.log.require(
            found == page.word, "CI40",
            "page \(number) holds \(String(found, radix: 16)), not \(String(page.word, radix: 16))")
        }
      }
    } catch {
      guard !isAllowed && error.code == .fault else { throw error }
      worker.cover(Item.refused)
      return
    }
    settings.log.require(isAllowed, "VMA", "an access without right, or area, was let through")
  }

  // MARK: another's

  /// A word that a window's pages may hold.
  private func check(_ word: UInt, _ window: Int, _ way: String, _ frame: UInt? = nil) {
    let owner = PageWord.page(of: word)
    let files = (window * Self.filePages)..<((window + 1) * Self.filePages)
    settings.log.require(
      word == 0 || owner == Self.owner(window) || files.contains(owner), "CI40",
      frame: frame, "\(way) window \(window) found \(String(word, radix: 16))")
  }

  private func visit(_ window: Int, _ worker: inout Worker) throws(MemoryError) {
    let address = address(window, worker.pick(Self.window))
    do throws(MemoryError) {
      guard worker.pick(2) == 0 else {
        check(try space.load(address), window, "a visitor of")
        worker.cover(Item.visit)
        return
      }
      let isFast = worker.pick(2) == 0
      let pins = try space.pin(
        address..<(address + MemoryMap.pageSize), isFast ? .lockFree : [])
      for turn in 0..<2 {
        if turn > 0 && worker.pick(2) == 0 { cfolio_yield() }
        guard let word = unsafe cfolio_frame_word(pins[0]) else { break }
        check(unsafe shared_read(word), window, "a holder of a page of", pins[0])
      }
      pins.release()
      worker.cover(Item.pin)
    } catch {
      // Whether there is a page is the window's business.
      guard [.fault, .tryAgain].contains(error.code) else { throw error }
    }
    if worker.pick(8) == 0 {
      file.punch(window * Self.filePages + worker.pick(Self.filePages), object)
    }
  }

  package func settle() {
    settings.finish([file.map], mappedBy: [space], leaks)
  }

  package func close() throws(PageMapError) { try file.map.unmap() }
}
