// SPDX-License-Identifier: MIT

// What tests of insertions share: an address space with one area that maps nothing by itself, and all
// that an insertion may count, so that a refused one can be seen to have counted nothing (CI54, CI55).

import CFolio
import FolioCore

/// An address space, a device, and one area of an object that answers no fault, and is told of stores:
/// entries for loads have no right to them.
struct InsertionWorld {
  let space: MemoryMap
  let map: PageMap
  let area: MemoryArea

  init(
    _ map: PageMap, kind: MappedObject.Kind = .deviceDAX, contents: MappedObject.Contents = [],
    answers: FaultHandlerAnswers = .frameStores, pages: Int = 16, from page: Int = 0,
    _ rights: AccessRights = [.read, .write], _ sharing: Sharing = .shared,
    _ options: MemoryMap.Options = MemoryMap.Options()
  ) throws {
    self.map = map
    space = try MemoryMap(options)
    let object = try MappedObject(
      kind, contents: contents, AnsweringFile(answers) { _ in .busError })
    area = try space.map(
      object, from: page, pages: pages, rights, sharing, at: .fixed(64 * MemoryMap.pageSize))
  }

  /// The area, for the C functions.
  @unsafe var vma: UnsafeMutablePointer<vm_area_struct> {
    unsafe vma_lookup(space.mm, area.start)!
  }

  func address(_ page: Int) -> UInt { area.address(ofPage: page) }
  func page(_ number: Int) -> UnsafeMutablePointer<page> { unsafe map.page(map.frame(number)) }
  func folio(_ number: Int) -> UnsafeMutablePointer<folio> { unsafe map.folio(map.frame(number)) }
  func entry(_ page: Int, _ level: pgtable_level = PGTABLE_LEVEL_PTE) -> pte_t {
    FolioCoreTests.entry(space, address(page), level)
  }

  /// A reference of the test's on a page, so that it may be mapped.
  func hold(_ pages: Range<Int>) {
    for number in pages { unsafe folio_ref_inc(folio(number)) }
  }

  /// What the first pages count, and what the address space does.
  func ledger(_ pages: Int = 16) -> Ledger {
    Ledger(
      pages: (0..<pages).map { Counts(map, $0) }, filePages: space.counters.filePages,
      tables: space.counters.tables)
  }

  struct Ledger: Hashable {
    var pages: [Counts]
    var filePages: Int
    var tables: Int
  }

  /// The entry's bits, and what it leads to, in a form that reads.
  func bits(_ page: Int, _ level: pgtable_level = PGTABLE_LEVEL_PTE) -> Set<String> {
    let entry = entry(page, level)
    let names: [(String, Bool)] = [
      ("present", pte_present(entry)), ("write", pte_write(entry)), ("dirty", pte_dirty(entry)),
      ("young", pte_young(entry)), ("special", pte_special(entry)), ("devmap", pte_devmap(entry)),
    ]
    return Set(names.filter(\.1).map(\.0))
  }
}
