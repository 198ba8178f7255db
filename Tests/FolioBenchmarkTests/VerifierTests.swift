// SPDX-License-Identifier: MIT

// The comparison of a folio with its model: each counter is moved by one behind the model's back,
// and the comparison must say which one it was.

import CFolio
import FolioBenchmark
import FolioCore
import Testing

@Suite struct VerifierTests {
  private static let largeOrder = 3

  /// A map of one folio.
  private static func makeMap(order: Int) throws -> PageMap {
    try PageMap(.generic, pages: 1 << order, .init(compoundOrder: order))
  }

  private static func failures(_ model: FolioModel, _ map: PageMap) -> [String] {
    var verifier = Verifier()
    unsafe model.verify(map.page(map.frames.lowerBound), "f", &verifier)
    return verifier.failures
  }

  /// Something that a model must notice in a large folio.
  struct Change: Sendable, CustomTestStringConvertible {
    /// How the failure begins.
    let counter: String
    /// Offset of the counter in struct folio (core.md 1.1 and 1.2) that grows by one.
    var offset: Int?
    /// Bit of _mm_ids that is set.
    var bit: Int32?

    var testDescription: String { counter }

    init(_ counter: String, at offset: Int? = nil, bit: Int32? = nil) {
      self.counter = counter
      self.offset = offset
      self.bit = bit
    }

    func make(_ folio: UnsafeMutablePointer<folio>, by step: Int32) {
      if let offset {
        let word = unsafe UnsafeMutableRawPointer(folio) + offset
        unsafe atomic_add(step, word.assumingMemoryBound(to: atomic_t.self))
      }
      guard let bit else { return }
      if step > 0 {
        unsafe set_bits(&folio.pointee._mm_ids, 1 << UInt(bit))
      } else {
        unsafe clear_bits(&folio.pointee._mm_ids, 1 << UInt(bit))
      }
    }
  }

  static let changes = [
    Change("f: R is 2", at: 52),
    Change("f: M is 1", at: 80),
    Change("f: pages is 9", at: 120),
    Change("f: EM is 1", at: 88),
    Change("f: PC is 1", at: 92),
    Change("f: NM is 1", at: 84),
    Change("f: mappings of an empty mm slot is 1", at: 96),
    Change("f: mappings by mm is [1: 0]", bit: 0),
    Change("f: SHARED is true", bit: FOLIO_MM_IDS_SHARED_BITNUM),
    Change("f: mm slots locked is true", bit: FOLIO_MM_IDS_LOCK_BITNUM),
    Change("f: PM[0] is 1", at: 48),
    Change("f: PM[1] is 1", at: 112),
    Change("f: R of tail 1 is 1", at: 116),
  ]

  @Test("every counter of a large folio that is off by one is named", arguments: changes)
  func offByOne(_ change: Change) throws {
    let map = try Self.makeMap(order: Self.largeOrder)
    let model = FolioModel(references: 1, order: Self.largeOrder)
    #expect(Self.failures(model, map) == [])
    let folio = unsafe map.folio(map.frames.lowerBound)
    unsafe change.make(folio, by: 1)
    let failures = Self.failures(model, map)
    unsafe change.make(folio, by: -1)
    #expect(failures.contains { $0.hasPrefix(change.counter) }, "\(failures)")
    #expect(Self.failures(model, map) == [])
    try map.unmap()
  }

  @Test("mappings of two mms are told apart, and make the folio shared while both last")
  func twoMMs() throws {
    let map = try Self.makeMap(order: Self.largeOrder)
    let folio = unsafe map.folio(map.frames.lowerBound)
    let pages = unsafe map.page(map.frames.lowerBound)
    var model = FolioModel(references: 1, order: Self.largeOrder)
    unsafe folio_add_file_rmap_pte(folio, pages + 2, 7)
    model.map(page: 2, by: 7)
    #expect(Self.failures(model, map) == [])
    unsafe folio_add_file_rmap_pte(folio, pages + 2, 8)
    var other = model
    model.map(page: 2, by: 8)
    #expect(Self.failures(model, map) == [])
    // The same pages by the wrong mm: only the slots can tell.
    other.map(page: 2, by: 7)
    let failures = Self.failures(other, map)
    #expect(failures.count == 2, "\(failures)")
    #expect(failures.allSatisfy { $0.contains("SHARED") || $0.contains("by mm") })
    unsafe folio_remove_rmap_pte(folio, pages + 2, 7)
    model.unmap(page: 2, by: 7)
    #expect(Self.failures(model, map) == [])
    unsafe folio_remove_rmap_pte(folio, pages + 2, 8)
    try map.unmap()
  }

  @Test("a share and an unfinished free path of a small folio are noticed")
  func smallFolio() throws {
    let map = try Self.makeMap(order: 0)
    let folio = unsafe map.folio(map.frames.lowerBound)
    let model = FolioModel(references: 1)
    unsafe folio_set_share(folio, 1)
    #expect(Self.failures(model, map).map { $0.contains("share is 1") } == [true])
    unsafe folio_set_share(folio, 0)
    // The note of folio_raise(), at its offset in struct page.
    let note = unsafe UnsafeMutableRawPointer(folio) + 56
    unsafe note.storeBytes(of: 1, as: UInt.self)
    #expect(Self.failures(model, map).map { $0.contains("free path under way") } == [true])
    unsafe note.storeBytes(of: 0, as: UInt.self)
    #expect(Self.failures(model, map) == [])
    try map.unmap()
  }
}
