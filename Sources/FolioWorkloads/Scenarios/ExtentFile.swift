// SPDX-License-Identifier: MIT

// A file on a device with DAX, whose pages get blocks of the device by faults and lose them when the
// file is punched: as file systems do it, under an entry lock. What a block holds names the page that
// it belongs to, so who reaches a block by a stale way reads, or destroys, what is another page's.

import CFolio
import FolioCore

final class ExtentFile: FaultHandler {
  let map: PageMap
  /// log2 of the pages of a block, which is one folio and may be mapped by one leaf.
  let order: Int
  private let settings: RoundSettings
  private let extents: [Extent]
  private let owners: [Box<PageOwner>]
  /// Per block: 1 while it belongs to no page.
  private let isFree: [SharedCount]
  private let serial = SharedCount()

  /// One run of pages of the file.
  private struct Extent: Sendable {
    /// The entry lock.
    let isLocked = SharedCount()
    /// -1: a hole.
    let block = SharedCount(-1)
  }

  /// - Parameter count: runs of 2^order pages that the file has; the device has two more.
  init(_ settings: RoundSettings, order: Int, extents count: Int) throws(PageMapError) {
    self.settings = settings
    self.order = order
    let blocks = count + 2
    map = try settings.makeMap(.fsdax, pages: blocks << order) {
      $0.perPageMapcount = settings.seed / 4 % 2 == 0
      $0.ownerTracking = settings.seed / 8 % 2 == 0
    }
    var owners: [Box<PageOwner>] = []
    // Legacy device pages form no folios.
    let folioOrder = settings.rules == .legacy ? 0 : order
    for first in stride(from: 0, to: map.pages, by: 1 << folioOrder) {
      var owner = try map.claim(frame: map.frames.lowerBound + UInt(first), order: folioOrder)
      if folioOrder > 0 { try owner.form() }
      owners.append(Box(owner))
    }
    self.owners = owners
    extents = (0..<count).map { _ in Extent() }
    isFree = (0..<blocks).map { _ in SharedCount(1) }
    Self.clear(map.frames)
  }

  var answers: FaultHandlerAnswers { order > 0 ? [.hugeFaults, .frameStores] : .frameStores }

  /// Pages of the file.
  var pages: Int { extents.count << order }

  // MARK: contents

  /// A free block holds 0.
  private static func clear(_ frames: Range<UInt>) {
    for frame in frames {
      if let word = unsafe cfolio_frame_word(frame) { unsafe shared_set(word, 0) }
    }
  }

  /// Notes a word that is not the page's.
  func check(_ word: UInt, of page: Int, frame: UInt? = nil, _ way: String) {
    settings.log.require(
      PageWord.page(of: word) == page, "CI40", frame: frame,
      "\(way) page \(page) found \(String(word, radix: 16))")
  }

  // MARK: blocks

  private func frames(of block: Int) -> Range<UInt> {
    let first = map.frames.lowerBound + UInt(block) << UInt(order)
    return first..<(first + UInt(1) << UInt(order))
  }

  private func lock(_ extent: Extent) {
    while !extent.isLocked.tryLock() { cfolio_yield() }
  }

  /// The first frame of the run's block, which it gets if it has none. Context: its lock.
  private func block(of number: Int) -> UInt {
    let extent = extents[number]
    if extent.block.value >= 0 { return frames(of: extent.block.value).lowerBound }
    // There are more blocks than runs, and only their locks' owners have blocks.
    var block = 0
    while !isFree[block].takeOne() { block = (block + 1) % isFree.count }
    for (offset, frame) in frames(of: block).enumerated() {
      guard let word = unsafe cfolio_frame_word(frame) else { continue }
      let found = unsafe shared_read(word)
      settings.log.require(
        found == 0, "CI40", frame: frame, "a free block was written: \(String(found, radix: 16))")
      unsafe shared_set(word, PageWord.of(number << order + offset, serial.add()))
    }
    extent.block.set(block)
    return frames(of: block).lowerBound
  }

  /// What came of the attempt to take a block away. `nothing`: the run is locked, or a hole; `kept`:
  /// somebody stays inside.
  enum Punch { case taken, nothing, kept }

  /// Takes a run's block away, as a truncation does: no new entries, no entries, nobody inside, then it
  /// is another's.
  @discardableResult
  func punch(_ number: Int, _ object: MappedObject) -> Punch {
    let extent = extents[number]
    guard extent.isLocked.tryLock() else { return .nothing }
    defer { extent.isLocked.unlock() }
    let block = extent.block.value
    guard block >= 0 else { return .nothing }
    object.unmap(pages: (number << order)..<((number + 1) << order))
    let frames = frames(of: block)
    for _ in 0..<64 {
      guard frames.allSatisfy({ map.isIdle(frame: $0, .idle) }) else {
        cfolio_yield()
        continue
      }
      let folio = unsafe map.folio(frames.lowerBound)
      settings.log.require(
        unsafe folio_mapcount(folio) == 0, "CI18", frame: frames.lowerBound,
        "idle, and mapped behind the removal")
      Self.clear(frames)
      extent.block.set(-1)
      isFree[block].set(1)
      return .taken
    }
    // Who stays inside has no entry.
    settings.requireUnmapped(map, frames.lowerBound, "CI19", "behind the removal")
    return .kept
  }

  /// Runs of the file.
  var runs: Int { extents.count }

  // MARK: faults

  /// A reference on the folio of the frame, from idle if need be: held while an entry is made.
  private func raise(_ frame: UInt) -> FolioReference {
    do throws(PageMapError) {
      return try owners[Int(frame - map.frames.lowerBound) >> order].value.raise()
    } catch {
      fatalError("raising frame \(frame): \(error)")
    }
  }

  func fault(_ fault: borrowing PageFault) -> FaultResult {
    guard fault.page < pages else { return .busError }
    let number = fault.page >> order
    lock(extents[number])
    defer { extents[number].isLocked.unlock() }
    let frame = block(of: number) + UInt(fault.page & ((1 << order) - 1))
    if fault.copyFrame != nil { return fault.insertCopy(of: frame) }
    if map.rules == .legacy { return fault.insertMixed(frame) }
    let reference = raise(frame)
    let result = fault.insertPage(frame)
    reference.release()
    return result
  }

  func hugeFault(_ fault: borrowing PageFault, order wanted: Int) -> FaultResult {
    guard wanted == order, fault.page < pages, !(fault.isWrite && fault.sharing == .private),
      let first = fault.firstPageOfLeaf(order: order)
    else { return .fallback }
    let number = first >> order
    lock(extents[number])
    defer { extents[number].isLocked.unlock() }
    let frame = block(of: number)
    if map.rules == .legacy { return fault.insertFrames(frame, order: order) }
    let reference = raise(frame)
    let result = fault.insertFolio(frame, order: order)
    reference.release()
    return result
  }

  func frameMakeWritable(_ fault: borrowing PageFault) -> FaultResult { [] }
}
