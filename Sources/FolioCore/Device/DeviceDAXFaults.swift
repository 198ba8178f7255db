// SPDX-License-Identifier: MIT

// Faults on device-dax memory, at three sizes (spec: core.md 14.4). Mirrors dev_dax_huge_fault() and
// what hangs on it.

import CFolio

/// Answers for the areas of one device.
///
/// | size | alignment > size | alignment < size | else |
/// |---|---|---|---|
/// | page | bus error | cannot be | `vmf_insert_page_mkwrite` |
/// | PMD, PUD | bus error | fallback | `vmf_insert_folio_pmd`, `_pud` |
///
/// and a bus error for other sizes, for a leaf that goes beyond its area or the device, in private and
/// in misaligned areas, and when the device is dead. Under legacy rules entries count nothing.
final class DeviceDAXFaults: FaultHandler {
  private let map: PageMap
  private let liveness: Liveness
  private let order: Int

  init(_ map: PageMap, _ liveness: Liveness) {
    self.map = map
    self.liveness = liveness
    order = unsafe Int(map.pgmap.pointee.vmemmap_shift)
  }

  var answers: FaultHandlerAnswers { [.hugeFaults, .cuts, .maps] }
  var alignment: Int { 1 << order }

  /// Why the area may not map the device (`check_vma`); nil: it may. Context: a use of the device.
  private func refusal(_ range: Range<UInt>, _ sharing: Sharing) -> MemoryError.Code? {
    guard sharing == .shared else { return .invalidArgument }
    return isAligned(range.lowerBound) && isAligned(range.upperBound) ? nil : .invalidArgument
  }

  private func isAligned(_ address: UInt) -> Bool {
    address % (UInt(alignment) * MemoryMap.pageSize) == 0
  }

  /// That a page of the device has to be as aligned as its address is an assumption: without it a leaf
  /// would map another folio than the one asked for.
  func map(_ area: borrowing NewArea) -> MemoryError.Code? {
    guard let use = liveness.enter() else { return .noSuchAddress }
    defer { liveness.leave(use) }
    let shape = area.shape
    if let refusal = refusal(shape.range, shape.sharing) { return refusal }
    return shape.firstPage % alignment == 0 ? nil : .invalidArgument
  }

  func mayCut(_ area: MemoryArea, at address: UInt) -> Bool { isAligned(address) }

  func fault(_ fault: borrowing PageFault) -> FaultResult { hugeFault(fault, order: 0) }

  func hugeFault(_ fault: borrowing PageFault, order size: Int) -> FaultResult {
    guard let use = liveness.enter() else { return .busError }
    defer { liveness.leave(use) }
    guard refusal(fault.range, fault.sharing) == nil, fault.hasEntries(order: size),
      order <= size
    else { return .busError }
    guard order == size else { return .fallback }
    let bytes = UInt(alignment) * MemoryMap.pageSize
    let start = fault.address & ~(bytes - 1)
    guard fault.range.lowerBound <= start, bytes <= fault.range.upperBound - start else {
      return .busError
    }
    let page = fault.page - Int((fault.address - start) / MemoryMap.pageSize)
    guard page >= 0, page % alignment == 0, page <= map.pages - alignment else {
      return .busError
    }
    let frame = map.frames.lowerBound + UInt(page)
    fault.associate(frame, withPage: page)
    return insert(frame, fault)
  }

  private func insert(_ frame: UInt, _ fault: borrowing PageFault) -> FaultResult {
    if map.rules == .legacy {
      return order == 0 ? fault.insertMixed(frame) : fault.insertFrames(frame, order: order)
    }
    return order == 0 ? fault.insertPage(frame) : fault.insertFolio(frame, order: order)
  }
}
