// SPDX-License-Identifier: MIT

// The fixture of everything that is measured on mapped pages: a device-dax device whose pages, all of
// them, are mapped by one address space or by several, and what its counters have to be.

import BenchmarkPeers
import CFolio
import FolioCore

/// A device, an object that maps it, and address spaces that map all of the object at one address.
@safe
final class MappedPages {
  static let hugePages = 1 << Int(PMD_ORDER)
  /// Where every space maps page 0.
  static let start: UInt = 1 << 30

  let device: Device
  let object: MappedObject
  private(set) var spaces: [MemoryMap] = []
  /// Of folios, each mapped by one leaf; 0: pages.
  let order: Int
  var isHuge: Bool { order > 0 }
  /// The counters of a folio while it is mapped and not pinned.
  let model: FolioModel
  /// And when nobody maps it any more.
  private let idle: FolioModel

  /// - Parameters:
  ///   - pages: a power of two, of whole folios.
  ///   - order: of folios: 0, or that of a leaf.
  init(pages: Int, order: Int = 0, sharers: Int = 1) throws(Refusal) {
    self.order = order
    device = try Device(.generic, pages: pages, PageMap.Options(compoundOrder: order))
    idle = FolioModel(references: 1, order: order)
    var model = idle
    do throws(MemoryError) {
      // Mixed: what is mapped by hand, faults cannot bring back, so that a fork copies entries.
      object = try MappedObject(
        .deviceDAX, contents: order > 0 ? [] : .mixed, Handler(device.map, order: order))
      for _ in 0..<sharers {
        let space = try MemoryMap()
        try space.map(object, pages: pages, [.read, .write], .shared, at: .fixed(Self.start))
        let id = unsafe space.mm.pointee.mm_id
        model.get()
        if order > 0 { model.mapEntirely(by: id) } else { model.map(page: 0, by: id) }
        spaces.append(space)
      }
    } catch {
      throw Refusal("no address space: \(error)")
    }
    self.model = model
    for space in spaces {
      guard map(space, 0..<pages) == pages else { throw Refusal("no memory for page tables") }
    }
  }

  /// Answers faults: page n of the object is page n of the device.
  private final class Handler: FaultHandler {
    let answers: FaultHandlerAnswers
    private let first: UInt
    private let order: Int

    init(_ map: PageMap, order: Int) {
      self.order = order
      answers = order > 0 ? .hugeFaults : []
      first = map.frames.lowerBound
    }

    func fault(_ fault: borrowing PageFault) -> FaultResult {
      fault.insertPage(first + UInt(fault.page))
    }

    func hugeFault(_ fault: borrowing PageFault, order: Int) -> FaultResult {
      guard order == self.order else { return .fallback }
      return fault.insertFolio(first + UInt(fault.page & ~(1 << order - 1)), order: order)
    }
  }

  static func address(_ page: Int) -> UInt { start &+ UInt(page) &<< UInt(PAGE_SHIFT) }

  static func addresses(_ pages: Range<Int>) -> Range<UInt> {
    address(pages.lowerBound)..<address(pages.upperBound)
  }

  // MARK: entries

  /// Maps pages that are not mapped: pages by vm_insert_pages(), folios by faults. Returns how many.
  func map(_ space: MemoryMap, _ pages: Range<Int>) -> Int {
    isHuge ? touch(space, pages) : unsafe insert(space.mm, pages)
  }

  /// In runs of the pages of a table, whose list is made on the stack.
  private func insert(_ mm: UnsafeMutablePointer<mm_struct>, _ pages: Range<Int>) -> Int {
    var mapped = 0
    unsafe down_read(&mm.pointee.mmap_lock)
    defer { unsafe up_read(&mm.pointee.mmap_lock) }
    guard let area = unsafe vma_lookup(mm, Self.address(pages.lowerBound)) else { return 0 }
    var next = pages.lowerBound
    while next < pages.upperBound {
      let count = min(Self.hugePages, pages.upperBound - next)
      let first = unsafe device.base + next
      let left = unsafe withUnsafeTemporaryAllocation(
        of: UnsafeMutablePointer<page>.self, capacity: Self.hugePages
      ) { list in
        for index in 0..<count { unsafe list[index] = unsafe first + index }
        var left = UInt(count)
        _ = unsafe CFolio.vm_insert_pages(area, Self.address(next), list.baseAddress!, &left)
        return Int(left)
      }
      mapped += count - left
      if left > 0 { break }
      next += count
    }
    return mapped
  }

  /// Stores to each page, or folio, as a CPU does: those that are not mapped are, by faults. Returns
  /// the pages that the stores have reached.
  func touch(_ space: MemoryMap, _ pages: Range<Int>) -> Int {
    let step = 1 << order
    var page = pages.lowerBound
    while page < pages.upperBound {
      do throws(MemoryError) {
        try space.store(1, at: Self.address(page))
      } catch {
        break
      }
      page += step
    }
    return page - pages.lowerBound
  }

  /// Unmaps pages (MADV_DONTNEED). False: refused.
  func zap(_ space: MemoryMap, _ pages: Range<Int>) -> Bool {
    do throws(MemoryError) {
      try space.discard(Self.addresses(pages))
      return true
    } catch {
      return false
    }
  }

  // MARK: checks

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
    for (number, space) in spaces.enumerated() {
      verifier.expect(
        space.counters.filePages, device.count, "pages that space \(number) counts")
      verifier.expect(
        Int(unsafe atomic_read(&space.mm.pointee.tlb_flush_pending)), 0,
        "open gathers of space \(number)")
    }
  }

  /// Compares everything, unmaps everything, compares again.
  func close(_ verifier: inout Verifier) {
    verify(stride(from: 0, to: device.count, by: 1 << model.order), &verifier)
    verifySpaces(&verifier)
    for (number, space) in spaces.enumerated() {
      do throws(MemoryError) {
        try space.unmap(Self.addresses(0..<device.count))
        verifier.expect(space.counters.filePages, 0, "pages that space \(number) counts at the end")
      } catch {
        verifier.expect("\(error)", "unmapped", "munmap")
      }
    }
    spaces = []
    device.close(idle, &verifier)
  }
}
