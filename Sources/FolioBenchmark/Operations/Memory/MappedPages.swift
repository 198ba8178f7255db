// SPDX-License-Identifier: MIT

// The fixture of everything that is measured on mapped pages: a device whose pages, all of them, are
// mapped by one address space or by several, and what its counters have to be.

import BenchmarkPeers
import CFolio
import FolioCore

/// Device pages that address spaces map, page `i` at address `i`.
@safe
final class MappedPages {
  static let hugePages = 1 << Int(PMD_ORDER)

  let device: Device
  /// Each maps all pages.
  let spaces: [AddressSpace]
  let isHuge: Bool
  /// The counters of a folio while it is mapped and not pinned.
  let model: FolioModel
  /// And when nobody maps it any more.
  private let idle: FolioModel

  /// - Parameters:
  ///   - pages: a power of two; of whole folios when isHuge.
  ///   - isHuge: device-dax folios of 2 MiB, each mapped by one entry; else FS_DAX pages.
  ///   - sharers: address spaces.
  init(pages: Int, isHuge: Bool = false, sharers: Int = 1) throws(Refusal) {
    self.isHuge = isHuge
    let order = isHuge ? Int(PMD_ORDER) : 0
    device = try Device(
      isHuge ? .generic : .fsdax, pages: pages, PageMap.Options(compoundOrder: order))
    idle = FolioModel(references: isHuge ? 1 : 0, order: order)
    var model = idle
    model.get(sharers)
    var spaces: [AddressSpace] = []
    for id in 1...mm_id_t(sharers) {
      spaces.append(try AddressSpace(id: id))
      if isHuge { model.mapEntirely(by: id) } else { model.map(page: 0, by: id) }
    }
    self.model = model
    self.spaces = spaces
    for space in spaces {
      guard map(space, 0..<pages) == pages else {
        throw Refusal("no memory for page tables")
      }
    }
  }

  /// Maps pages that are not. Returns how many.
  @inline(__always)
  func map(_ space: AddressSpace, _ pages: Range<Int>) -> Int {
    let first = unsafe device.base + pages.lowerBound
    let address = PageEntries.address(pages.lowerBound)
    guard isHuge else { return unsafe PageEntries.insert(space, address, first, pages.count) }
    var mapped = 0
    for page in stride(from: 0, to: pages.count, by: Self.hugePages) {
      mapped += unsafe PageEntries.insertHuge(
        space, address + PageEntries.address(page), first + page)
    }
    return mapped
  }

  /// Unmaps them. Returns how many were mapped.
  @inline(__always)
  func zap(_ space: AddressSpace, _ pages: Range<Int>) -> Int {
    let address = PageEntries.address(pages.lowerBound)
    guard isHuge else { return PageEntries.zap(space, address, pages.count) }
    var removed = 0
    for page in stride(from: 0, to: pages.count, by: Self.hugePages) {
      removed += PageEntries.zapHuge(space, address + PageEntries.address(page))
    }
    return removed
  }

  /// Compares the counters of folios, by the numbers of their first pages, with what they are while
  /// mapped, `pins` times pinned besides.
  func verify(_ heads: some Sequence<Int>, pins: Int = 0, _ verifier: inout Verifier) {
    var model = model
    model.get(isHuge ? pins : pins * Int(GUP_PIN_COUNTING_BIAS))
    if isHuge { model.pins = pins }
    device.verify(heads, model, &verifier)
  }

  /// Compares what the address spaces count.
  func verifySpaces(_ verifier: inout Verifier) {
    for space in spaces {
      let id = space.id
      verifier.expect(
        unsafe get_mm_counter(space.mm, MM_FILEPAGES), device.count,
        "pages that map \(id) counts")
      verifier.expect(
        Int(unsafe atomic_read(&space.mm.pointee.tlb_flush_pending)), 0,
        "open gathers of map \(id)")
    }
  }

  /// Compares everything, unmaps everything, compares again.
  func close(_ verifier: inout Verifier) {
    verify(stride(from: 0, to: device.count, by: 1 << model.order), &verifier)
    verifySpaces(&verifier)
    for space in spaces {
      verifier.expect(zap(space, 0..<device.count), device.count, "entries at the end")
      unsafe mm_free(space.mm)
    }
    device.close(idle, &verifier)
  }
}
