// SPDX-License-Identifier: MIT

// Address spaces of a scenario as users have them: FolioCore's, with tables of two entries, that map a
// file on a device. And the RAM that their private pages are made of.

import CFolio
import FolioCore

/// A file whose page n is page n of the device, or `block(n)`. One lock stands for the locks of its
/// entries: only its holder raises a page from 0.
@safe
final class ScenarioFile: FaultHandler, @unchecked Sendable {
  // @unchecked: `lock` is the seam's memory, the rest does not change while threads run.
  let answers: FaultHandlerAnswers
  private let pages: DevicePages
  private let lock: UnsafeMutablePointer<mutex>
  /// Which page of the device a page of the file is; read under `lock`.
  var block: (Int) -> Int = { $0 }
  /// log2 of the pages of its folios, formed by the scenario; 0: single pages.
  var order = 0
  /// A store to what is mapped for reading is answered by an insertion, as by dax_pfn_mkwrite().
  var insertsOnStore = false
  /// Then, still under `lock`: the address, and the frame that the file has there.
  var onStore: (UInt, UInt) -> Void = { _, _ in }

  init(_ pages: DevicePages, _ answers: FaultHandlerAnswers) throws(ScenarioMemoryError) {
    self.pages = pages
    self.answers = answers
    unsafe lock = try unsafe seamMemory(mutex.self)
    unsafe mutex_init(lock, nil)
  }

  func fault(_ fault: borrowing PageFault) -> FaultResult {
    unsafe mutex_lock(lock)
    defer { unsafe mutex_unlock(lock) }
    let index = block(fault.page)
    if fault.copyFrame != nil { return fault.insertCopy(of: pages.frame(index)) }
    // Legacy entries of device pages count nothing.
    if pages.map.rules == .legacy { return fault.insertMixed(pages.frame(index)) }
    unsafe folio_raise(pages.folio(index))
    let result = fault.insertPage(pages.frame(index))
    unsafe folio_put(pages.folio(index))
    return result
  }

  func hugeFault(_ fault: borrowing PageFault, order: Int) -> FaultResult {
    guard order == self.order, let page = fault.firstPageOfLeaf(order: order) else {
      return .fallback
    }
    unsafe mutex_lock(lock)
    defer { unsafe mutex_unlock(lock) }
    let first = block(page)
    unsafe folio_raise(pages.folio(first))
    let result = fault.insertFolio(pages.frame(first), order: order)
    unsafe folio_put(pages.folio(first))
    // Refused: the folio was taken apart.
    return result.contains(.busError) ? .fallback : result
  }

  func frameMakeWritable(_ fault: borrowing PageFault) -> FaultResult {
    guard insertsOnStore else { return [] }
    unsafe mutex_lock(lock)
    defer { unsafe mutex_unlock(lock) }
    let index = block(fault.page)
    unsafe folio_raise(pages.folio(index))
    let result = fault.insertPage(pages.frame(index))
    unsafe folio_put(pages.folio(index))
    onStore(fault.address, pages.frame(index))
    return result
  }

  /// The owner of the file changes which blocks it has.
  func locked(_ body: () -> Void) {
    unsafe mutex_lock(lock)
    body()
    unsafe mutex_unlock(lock)
  }

  func free() { unsafe cfolio_free(lock) }
}

/// A device, a file on it, and address spaces that map it.
@safe
final class MappedFile {
  let pages: DevicePages
  let file: ScenarioFile
  private var object: MappedObject?
  private var maps: [MemoryMap] = []
  private var owner: ScenarioOwner?

  /// - Parameters:
  ///   - spaces: how many; none has an area yet.
  ///   - order: of the file's folios; more than 0: the first one is formed.
  init(
    _ settings: Scenario.Settings, spaces: Int = 1, order: Int = 0,
    kind: MappedObject.Kind = .fsdax, contents: MappedObject.Contents = [],
    answers: FaultHandlerAnswers = []
  ) throws {
    pages = try DevicePages(kind == .deviceDAX ? .generic : .fsdax, settings.rules)
    file = try ScenarioFile(pages, order > 0 ? answers.union(.hugeFaults) : answers)
    file.order = order
    if order > 0 {
      let owner = try ScenarioOwner(of: pages, order: order)
      try owner.form()
      self.owner = owner
    }
    object = try MappedObject(kind, contents: contents, file)
    for _ in 0..<spaces { maps.append(try .small(settings.rules)) }
    // What scenarios of before left in the frames is no part of this one.
    for page in 0..<8 { unsafe shared_set(cfolio_frame_word(pages.frame(page))!, 0) }
  }

  func space(_ number: Int = 0) -> MemoryMap { maps[number] }

  /// Maps pages of the file at its page numbers, so that addresses are the same everywhere; page 0 of
  /// the file is page 4 of the space, where leaves of both levels may begin.
  func map(
    _ range: Range<Int>, in number: Int = 0, _ rights: AccessRights = [.read, .write],
    _ sharing: Sharing = .shared
  ) throws(MemoryError) {
    try maps[number].map(
      object, from: range.lowerBound, pages: range.count, rights, sharing,
      at: .fixed(Self.address(range.lowerBound)))
  }

  static func address(_ page: Int) -> UInt { AddressSpace.address(page + 4) }
  static func addresses(_ pages: Range<Int>) -> Range<UInt> {
    address(pages.lowerBound)..<address(pages.upperBound)
  }

  /// Takes the pages out of every space (unmap_mapping_pages).
  func unmapAll(_ pages: Range<Int>, includingCopies: Bool = true) {
    object!.unmap(pages: pages, includingCopies: includingCopies)
  }

  /// The folio knows of which page of the file it is.
  func associate(_ page: Int) {
    unsafe folio_associate(pages.folio(page), object!.addressSpace, UInt(page))
  }

  /// Takes the file's first folio apart unless it is in use, under the lock of its entries.
  func splitIfIdle() {
    file.locked {
      guard references(0) == 0, mappings(0) == 0 else { return }
      do throws(PageMapError) {
        try owner!.split()
      } catch {
        report("CI33", "an idle folio cannot be split")
      }
    }
  }

  func references(_ page: Int) -> Int32 { unsafe folio_ref_count(pages.folio(page)) }
  func mappings(_ page: Int) -> Int32 { unsafe folio_mapcount(pages.folio(page)) }

  /// R and M of the page, at the end.
  func require(_ page: Int, mapped count: Int32, _ invariant: StaticString = "CI1") {
    FolioWorkloads.require(references(page) == count, invariant, "references are lost or left")
    FolioWorkloads.require(mappings(page) == count, "CI4", "mappings are lost or left")
  }

  /// The map's counter says what its entries say.
  func require(filePages count: Int, in number: Int = 0) {
    FolioWorkloads.require(
      maps[number].counters.filePages == count, "CI52", "pages are counted that are not mapped")
  }

  func tearDown() {
    maps = []
    object = nil
    owner?.free()
    pages.tearDown()
    file.free()
  }
}

/// A few pages of RAM for private memory, instead of the system's. One at a time.
@safe
final class ScenarioRAM {
  private let frames: [UInt]
  /// 1: free. Taken by an exchange.
  private let isFree: [SharedWord]
  /// Per page, how often it was handed out and given back: odd while it is in use. Empty: not counted.
  private let lives: [SharedWord]
  private let previous: (free: cfolio_ram_free_t?, alloc: cfolio_ram_alloc_t?)
  private nonisolated(unsafe) static var current: ScenarioRAM?

  init(_ count: Int, countsLives: Bool = false) throws {
    var frames: [UInt] = []
    var isFree: [SharedWord] = []
    var lives: [SharedWord] = []
    for _ in 0..<count {
      let page = unsafe try SystemMemory.shared.allocate().leak()
      unsafe frames.append(folio_pfn(page))
      unsafe folio_set_count(page, 0)
      isFree.append(try SharedWord("a page of RAM is free", 1))
      if countsLives { lives.append(try SharedWord("lives of a page of RAM")) }
    }
    self.frames = frames
    self.isFree = isFree
    self.lives = lives
    let free = unsafe cfolio_ram_set_free { folio in unsafe ScenarioRAM.current?.take(back: folio) }
    let alloc = unsafe cfolio_ram_set_alloc { _ in unsafe ScenarioRAM.current?.handOut() }
    unsafe previous = (free, alloc)
    unsafe Self.current = self
  }

  private func handOut() -> UnsafeMutablePointer<folio>? {
    for (index, word) in isFree.enumerated() where word.exchange(0) != 0 {
      let page = unsafe pfn_to_page(frames[index])
      if !lives.isEmpty { _ = lives[index].add(1) }
      unsafe init_page_count(page)
      return unsafe page_folio(page)
    }
    return nil
  }

  private func take(back folio: UnsafeMutablePointer<folio>) {
    let index = unsafe frames.firstIndex(of: folio_pfn(folio))!
    unsafe cfolio_ram_init_page(pfn_to_page(frames[index]))
    if !lives.isEmpty { _ = lives[index].add(1) }
    if isFree[index].exchange(1) != 0 { report("CI22", "a page of RAM is freed twice") }
  }

  /// The word that counts the lives of the page; nil: the frame is none of these pages'.
  func lives(of frame: UInt) -> SharedWord? { frames.firstIndex(of: frame).map { lives[$0] } }

  /// At the end: so many pages are in use.
  func require(inUse count: Int) {
    let used = isFree.reduce(0) { $0 + ($1.load() == 0 ? 1 : 0) }
    FolioWorkloads.require(used == count, "CI1", "pages of RAM are lost or freed too early")
  }

  func tearDown() {
    unsafe Self.current = nil
    unsafe _ = cfolio_ram_set_free(previous.free)
    unsafe _ = cfolio_ram_set_alloc(previous.alloc)
    for (index, frame) in frames.enumerated() {
      let page = unsafe pfn_to_page(frame)
      unsafe init_page_count(page)
      unsafe put_page(page)
      isFree[index].free()
    }
    for word in lives { word.free() }
  }
}
