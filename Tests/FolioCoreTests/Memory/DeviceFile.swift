// SPDX-License-Identifier: MIT

// A device whose pages are mapped by faults: what file systems and drivers do, in a few lines. Under
// legacy rules it inserts entries that count nothing.

import CFolio
import FolioCore
import FolioWorkloads
import Synchronization
import TestSupport

/// Page n of the object is frame n of the map, in folios of 2^order pages where `order` says so.
final class DeviceFile: FaultHandler {
  let map: PageMap
  let answers: FaultHandlerAnswers
  /// log2 of the pages of its folios.
  let order: Int
  private let owners: Mutex<[UInt: PageOwnerBox]> = Mutex([:])
  /// First pages of what are no folios of its order any more.
  private let inPieces: Mutex<Set<Int>> = Mutex([])
  let faults = Atomic<Int>(0)
  let hugeFaults = Atomic<Int>(0)
  let stores = Atomic<Int>(0)

  /// `PageOwner` cannot be copied, so a dictionary holds boxes.
  final class PageOwnerBox: Sendable {
    let owner: PageOwner
    init(_ owner: consuming PageOwner) { self.owner = owner }
  }

  init(_ map: PageMap, order: Int = 0, answers: FaultHandlerAnswers = []) {
    self.map = map
    self.order = order
    self.answers = order > 0 ? answers.union(.hugeFaults) : answers
  }

  /// log2 of the pages of the folio that the page is in.
  private func order(ofFolioAt page: Int) -> Int {
    let first = page & ~((1 << order) - 1)
    return inPieces.withLock { $0.contains(first) } ? 0 : order
  }

  /// Takes the folio of the page apart; from now on its pages are single. Context: it is idle.
  func split(_ page: Int) {
    let first = page & ~((1 << order) - 1)
    inPieces.withLock { _ = $0.insert(first) }
    guard owners.withLock({ $0.removeValue(forKey: UInt(first)) }) != nil, map.kind == .fsdax
    else { return }
    do {
      var owner = try map.claim(frame: map.frame(first), order: order)
      try owner.split()
    } catch {
      fatalError("\(error)")
    }
  }

  /// A reference to the folio of the page, raised by its owner where it has none.
  private func raise(_ page: Int) -> FolioReference {
    let order = order(ofFolioAt: page)
    let first = page & ~((1 << order) - 1)
    let owner = owners.withLock { owners in
      if let owner = owners[UInt(first)] { return owner }
      do {
        var claimed = try map.claim(frame: map.frame(first), order: order)
        if order > 0 && map.kind == .fsdax { try claimed.form() }
        let box = PageOwnerBox(claimed)
        owners[UInt(first)] = box
        return box
      } catch {
        fatalError("\(error)")
      }
    }
    do {
      return try owner.owner.raise()
    } catch {
      fatalError("\(error)")
    }
  }

  func fault(_ fault: borrowing PageFault) -> FaultResult {
    faults.add(1, ordering: .relaxed)
    guard fault.page < map.pages else { return .busError }
    if fault.copyFrame != nil { return fault.insertCopy(of: map.frame(fault.page)) }
    if map.rules == .legacy { return fault.insertMixed(map.frame(fault.page)) }
    // One reference while the entry is made (9.6).
    let reference = raise(fault.page)
    let result = fault.insertPage(map.frame(fault.page))
    reference.release()
    return result
  }

  func hugeFault(_ fault: borrowing PageFault, order wanted: Int) -> FaultResult {
    hugeFaults.add(1, ordering: .relaxed)
    guard wanted == order, order(ofFolioAt: fault.page) == order else { return .fallback }
    guard let first = fault.firstPageOfLeaf(order: order) else { return .fallback }
    if map.rules == .legacy { return fault.insertFrames(map.frame(first), order: order) }
    let reference = raise(first)
    let result = fault.insertFolio(map.frame(first), order: order)
    reference.release()
    return result
  }

  func frameMakeWritable(_ fault: borrowing PageFault) -> FaultResult {
    stores.add(1, ordering: .relaxed)
    return []
  }

  func pageMakeWritable(_ fault: borrowing PageFault) -> FaultResult {
    stores.add(1, ordering: .relaxed)
    return []
  }
}
