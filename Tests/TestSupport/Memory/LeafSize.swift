// SPDX-License-Identifier: MIT

// Leaves in address spaces of tests: their two sizes, and the C functions that map one.

package import CFolio
package import FolioCore

/// A level that has leaves, where tables have four entries.
package enum LeafSize: CaseIterable, Sendable {
  case pmd, pud

  /// log2 of a table's entries.
  package static let shift = 2
  package var order: Int { self == .pmd ? Self.shift : 2 * Self.shift }
  package var pages: Int { 1 << order }
  package var level: pgtable_level { self == .pmd ? PGTABLE_LEVEL_PMD : PGTABLE_LEVEL_PUD }

  /// Maps a folio at the fault (`vmf_insert_folio_pmd`, `_pud`).
  package func insert(
    _ fault: UnsafeMutablePointer<vm_fault>, _ folio: UnsafeMutablePointer<folio>, write: Bool
  ) -> vm_fault_t {
    self == .pmd
      ? unsafe vmf_insert_folio_pmd(fault, folio, write)
      : unsafe vmf_insert_folio_pud(fault, folio, write)
  }

  /// Maps frames, which are not counted (`vmf_insert_pfn_pmd`, `_pud`).
  package func insert(
    _ fault: UnsafeMutablePointer<vm_fault>, frame: UInt, write: Bool
  ) -> vm_fault_t {
    self == .pmd
      ? unsafe vmf_insert_pfn_pmd(fault, frame, write)
      : unsafe vmf_insert_pfn_pud(fault, frame, write)
  }
}

extension InsertionWorld {
  /// Maps the folio of page `number` by a leaf around page `place` of the area.
  package func insertLeaf(
    _ size: LeafSize, folio number: Int, at place: Int, write: Bool = false
  ) -> FaultResult {
    unsafe withFault(space, address(place), write: write) {
      unsafe size.insert($0, folio(number), write: write)
    }
  }

  /// Maps frames by a leaf around page `place` of the area.
  package func insertLeaf(
    _ size: LeafSize, frame: UInt, at place: Int, write: Bool = false
  ) -> FaultResult {
    unsafe withFault(space, address(place), write: write) {
      unsafe size.insert($0, frame: frame, write: write)
    }
  }
}
