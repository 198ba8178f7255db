// SPDX-License-Identifier: MIT
//
// Owners of the objects that programs map: a device whose folios are inserted by faults, and shared
// memory in RAM that is handed over. What file systems and drivers do, in the order of core.md 9.6.

import CFolio
import FolioCore

/// `PageOwner` and `FolioReference` cannot be copied, so arrays hold boxes.
final class Box<Value: ~Copyable & Sendable>: Sendable {
  let value: Value
  init(_ value: consuming Value) { self.value = value }
}

/// A device with DAX, or a device-dax device: page n of the object is frame n of the map.
final class DeviceMemory: FaultHandler {
  let map: PageMap
  let answers: FaultHandlerAnswers
  private let leafOrder: Int
  private let folioOrder: Int
  private let isCounted: Bool
  private let owners: [Box<PageOwner>]

  init(
    _ object: MemoryObject, _ configuration: MemoryConfiguration
  ) throws(PageMapError) {
    let isFile = object.isFileSystemDAX
    leafOrder = configuration.leafLevel(object) * configuration.tableShift
    folioOrder = configuration.folioOrder(object)
    isCounted = configuration.isCounted(object)
    map = try PageMap(
      isFile ? .fsdax : .generic, pages: configuration.pages(of: object),
      .init(rules: configuration.rules.rules, compoundOrder: isFile ? 0 : folioOrder))
    var answers: FaultHandlerAnswers = leafOrder > 0 ? .hugeFaults : []
    if isFile { answers.insert(.frameStores) }
    if object == .deviceLeaf { answers.insert(.cuts) }
    self.answers = answers
    var owners: [Box<PageOwner>] = []
    for first in stride(from: 0, to: map.pages, by: 1 << folioOrder) {
      var owner = try map.claim(frame: map.frames.lowerBound + UInt(first), order: folioOrder)
      if isFile && folioOrder > 0 { try owner.form() }
      owners.append(Box(owner))
    }
    self.owners = owners
  }

  private func frame(_ page: Int) -> UInt { map.frames.lowerBound + UInt(page) }

  /// A reference on the page's folio, from 0 if it has none: held while an entry is made.
  private func raise(_ page: Int) -> FolioReference {
    do {
      return try owners[page >> folioOrder].value.raise()
    } catch {
      fatalError("raising page \(page): \(error)")
    }
  }

  func fault(_ fault: borrowing PageFault) -> FaultResult {
    let page = fault.page
    guard page < map.pages else { return .busError }
    if fault.isWrite && fault.sharing == .private { return copy(page, fault) }
    guard isCounted else { return fault.insertMixed(frame(page)) }
    let reference = raise(page)
    let result = fault.insertPage(frame(page))
    reference.release()
    return result
  }

  private func copy(_ page: Int, _ fault: borrowing PageFault) -> FaultResult {
    guard let target = fault.copyFrame else { return .busError }
    guard let from = unsafe cfolio_frame_word(frame(page)),
      let to = unsafe cfolio_frame_word(target)
    else { return .outOfMemory }
    unsafe shared_set(to, shared_read(from))
    let result = fault.finish()
    return result.isError || result.contains(.noPage) ? result : result.union(.copied)
  }

  func hugeFault(_ fault: borrowing PageFault, order: Int) -> FaultResult {
    let page = fault.page
    guard order == leafOrder, page < map.pages, !(fault.isWrite && fault.sharing == .private),
      let first = fault.firstPageOfLeaf(order: order)
    else { return .fallback }
    guard isCounted else { return fault.insertFrames(frame(first), order: order) }
    let reference = raise(page)
    let result = fault.insertFolio(frame(first), order: order)
    reference.release()
    return result
  }

  /// Between folios only.
  func mayCut(_ area: MemoryArea, at address: UInt) -> Bool {
    let page = area.firstPage + Int((address - area.start) / MemoryMap.pageSize)
    return page & ((1 << leafOrder) - 1) == 0
  }
}

/// Shared memory: pages of RAM that this owner holds.
final class SharedMemory: FaultHandler {
  let answers: FaultHandlerAnswers = .pageStores
  private let pages: [Box<FolioReference>]

  init(pages count: Int) throws(PageMapError) {
    var pages: [Box<FolioReference>] = []
    for _ in 0..<count {
      let reference = try SystemMemory.shared.allocate()
      let frame = reference.frame
      let folio = unsafe page_folio(pfn_to_page(frame))
      unsafe folio_set_flag(folio, Int32(PG_swapbacked.rawValue))
      if let word = unsafe cfolio_frame_word(frame) { unsafe shared_set(word, 0) }
      pages.append(Box(reference))
    }
    self.pages = pages
  }

  func frame(_ page: Int) -> UInt { pages[page].value.frame }

  /// The object that the pages are of; nil: of none any more.
  func associate(with object: MappedObject?) {
    for (index, page) in pages.enumerated() {
      let folio = unsafe page_folio(pfn_to_page(page.value.frame))
      if let object {
        unsafe folio_associate(folio, object.addressSpace, UInt(index))
      } else {
        unsafe shared_set(&folio.pointee.mapping, 0)
      }
    }
  }

  func fault(_ fault: borrowing PageFault) -> FaultResult {
    guard fault.page < pages.count else { return .busError }
    fault.hand(over: pages[fault.page].value.clone())
    return []
  }
}
