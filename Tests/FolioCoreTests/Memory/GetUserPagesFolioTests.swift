// SPDX-License-Identifier: MIT

// Folios of a file by their place in it (spec: core.md 16, rows 102 and 119).

import CFolio
import FolioCore
import TestSupport
import Testing

@Suite("get_user_pages: folios of a file")
struct GetUserPagesFolioTests {
  /// Shared memory with folios of RAM, as their owner keeps them.
  @safe
  private final class File {
    let mapping: UnsafeMutablePointer<address_space>
    private(set) var folios: [FolioBox] = []
    let found: UnsafeMutablePointer<UnsafeMutablePointer<folio>?>

    final class FolioBox {
      let reference: FolioReference
      init(_ reference: consuming FolioReference) { self.reference = reference }
    }

    /// - Parameter orders: of consecutive folios; nil: a hole of one page.
    init(_ kind: address_space_kind = ADDRESS_SPACE_SHMEM, orders: [Int?]) throws {
      unsafe mapping = .allocate(capacity: 1)
      unsafe address_space_init(mapping, kind)
      unsafe found = .allocate(capacity: 64)
      unsafe found.initialize(repeating: nil, count: 64)
      var index: UInt = 0
      for order in orders {
        guard let order else {
          index += 1
          continue
        }
        let box = FolioBox(try SystemMemory.shared.allocate(order: order))
        folios.append(box)
        let pages = UInt(1) << UInt(order)
        let result = unsafe xa_store_range(
          &mapping.pointee.i_pages, index, index + pages - 1, box.reference.folio)
        #expect(unsafe result == nil)
        index += pages
      }
    }

    deinit {
      unsafe xa_destroy(&mapping.pointee.i_pages)
      unsafe address_space_destroy(mapping)
      unsafe mapping.deallocate()
      unsafe found.deallocate()
    }

    /// What the owner keeps at a page.
    func store(_ index: UInt, _ entry: UnsafeMutableRawPointer?) {
      let old = unsafe xa_store(&mapping.pointee.i_pages, index, entry)
      #expect(unsafe !xa_is_err(old))
    }

    func pin(_ bytes: ClosedRange<Int>, _ capacity: Int = 64) -> (count: Int, offset: UInt) {
      var offset = UInt.max
      let count = unsafe memfd_pin_folios(
        mapping, bytes.lowerBound, bytes.upperBound, found, UInt32(capacity), &offset)
      return (count, offset)
    }

    func unpin(_ count: Int) {
      guard count > 0 else { return }
      unsafe found.withMemoryRebound(to: UnsafeMutablePointer<folio>.self, capacity: count) {
        unsafe unpin_folios($0, UInt(count))
      }
    }

    func counts(_ number: Int) -> (R: Int, isPinned: Bool) {
      (folios[number].reference.referenceCount, folios[number].reference.mayBePinned)
    }
  }

  @Test("each folio that holds bytes of the range, once, in order")
  func folios() throws {
    let file = try File(orders: [0, 0, 1, 2, 0])
    // Pages 0, 1, 2-3, 4-7, 8.
    let (count, offset) = file.pin((3 * 4096 + 5)...(8 * 4096))
    #expect(count == 3 && offset == 4096 + 5)
    #expect((0..<3).allSatisfy { unsafe file.found[$0] == file.folios[$0 + 2].reference.folio })
    #expect(file.counts(2) == (2, true) && file.counts(3) == (2, true))
    #expect(file.counts(4) == (1025, true) && file.counts(1) == (1, false))
    file.unpin(3)
    #expect((0..<5).allSatisfy { file.counts($0) == (1, false) })
    #expect(file.pin(0...0).count == 1)
    file.unpin(1)
    #expect(file.pin(0...(9 * 4096 - 1), 2).count == 2, "room for two")
    file.unpin(2)
  }

  @Test("what it refuses; holes end it")
  func refusals() throws {
    let file = try File(orders: [0, nil, 0])
    #expect(file.pin(0...(3 * 4096)).count == 1, "up to the hole")
    file.unpin(1)
    #expect(file.pin(4096...8191) == (-14, UInt.max))
    #expect(file.pin(0...0, 0).count == -22)
    #expect(file.pin(-4096...0).count == -22)
    var offset: UInt = 0
    #expect(unsafe memfd_pin_folios(file.mapping, 4096, 0, file.found, 1, &offset) == -22)
    #expect(unsafe memfd_pin_folios(file.mapping, 0, 0, nil, 1, &offset) == -22)
    for kind in [ADDRESS_SPACE_FILE, ADDRESS_SPACE_FSDAX, ADDRESS_SPACE_DEVICE_DAX] {
      #expect(try File(kind, orders: [0]).pin(0...0).count == -22)
    }
  }

  @Test("pages that cannot stay are not pinned for good")
  func movable() throws {
    let map = try PageMap(.deviceCoherent, pages: 512)
    let file = try File(orders: [0])
    map.handOut(0)
    unsafe file.store(1, map.folio(map.frame(0)))
    #expect(file.pin(0...4096).count == -16)
    #expect(file.counts(0) == (1, false) && map.references(0) == 1)
    #expect(file.pin(0...4095).count == 1)
    file.unpin(1)
    map.takeBack(0)
  }

  @Test("a lookup takes a reference on what is there, not on values or nothing")
  func lookup() throws {
    let file = try File(orders: [0, 2, nil])
    for index in 1...4 {
      let folio = unsafe filemap_get_entry(file.mapping, UInt(index))
      #expect(unsafe folio == file.folios[1].reference.folio)
    }
    #expect(file.counts(1).R == 5)
    for _ in 1...4 { unsafe folio_put(file.folios[1].reference.folio) }
    #expect(unsafe filemap_get_entry(file.mapping, 5) == nil)
    unsafe file.store(5, xa_mk_value(7))
    #expect(unsafe filemap_get_entry(file.mapping, 5) == nil)
  }

  @Test(
    "a folio that is replaced while it is looked up is not returned",
    .enabled(if: FaultPoint.isSupported))
  func replaced() throws {
    // Struct pages 64 apart are in different 4 KiB: the point is the first touch of the old folio.
    let map = try PageMap(.fsdax, pages: 512)
    let file = try File(orders: [])
    let (old, new) = unsafe (map.folio(map.frame(0)), map.folio(map.frame(64)))
    unsafe folio_ref_inc(old)
    unsafe folio_ref_inc(new)
    let mapping = unsafe file.mapping
    unsafe file.store(0, old)
    var found: UnsafeMutablePointer<folio>?
    let wasMet = unsafe FaultPoint.run(
      at: old,
      step: { unsafe file.store(0, new) },
      body: { unsafe found = filemap_get_entry(mapping, 0) })
    #expect(wasMet)
    #expect(unsafe found == new)
    #expect(unsafe folio_ref_count(old) == 1 && folio_ref_count(new) == 2)
    unsafe folio_put(new)
    unsafe folio_put(new)
    unsafe folio_put(old)
  }
}
