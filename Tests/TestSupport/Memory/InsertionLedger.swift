// SPDX-License-Identifier: MIT

// What tests of insertions share: an address space with one area that maps nothing by itself, and all
// that an insertion may count, so that a refused one can be seen to have counted nothing (CI54, CI55).

package import CFolio
package import FolioCore

/// An address space, a device, and one area of an object that answers no fault, and is told of stores:
/// entries for loads have no right to them.
package struct InsertionWorld {
  package let space: MemoryMap
  package let map: PageMap
  package let area: MemoryArea

  package init(
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
  @unsafe package var vma: UnsafeMutablePointer<vm_area_struct> {
    unsafe vma_lookup(space.mm, area.start)!
  }

  package func address(_ page: Int) -> UInt { area.address(ofPage: page) }
  package func page(_ number: Int) -> UnsafeMutablePointer<page> {
    unsafe map.page(map.frame(number))
  }
  package func folio(_ number: Int) -> UnsafeMutablePointer<folio> {
    unsafe map.folio(map.frame(number))
  }
  package func entry(_ page: Int, _ level: pgtable_level = PGTABLE_LEVEL_PTE) -> pte_t {
    TestSupport.entry(space, address(page), level)
  }

  /// A reference of the test's on a page, so that it may be mapped.
  package func hold(_ pages: Range<Int>) {
    for number in pages { unsafe folio_ref_inc(folio(number)) }
  }

  /// What the first pages count, and what the address space does.
  package func ledger(_ pages: Int = 16) -> Ledger {
    Ledger(
      pages: (0..<pages).map { Counts(map, $0) }, filePages: space.counters.filePages,
      tables: space.counters.tables)
  }

  package struct Ledger: Hashable {
    package var pages: [Counts]
    package var filePages: Int
    package var tables: Int
  }

  /// The entry's bits, and what it leads to, in a form that reads.
  package func bits(_ page: Int, _ level: pgtable_level = PGTABLE_LEVEL_PTE) -> Set<String> {
    let entry = entry(page, level)
    let names: [(String, Bool)] = [
      ("present", pte_present(entry)), ("write", pte_write(entry)), ("dirty", pte_dirty(entry)),
      ("young", pte_young(entry)), ("special", pte_special(entry)), ("devmap", pte_devmap(entry)),
    ]
    return Set(names.filter(\.1).map(\.0))
  }
}
