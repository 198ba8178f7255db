// SPDX-License-Identifier: MIT

// C51: a leaf's mapping count that is dropped outside of the table's lock.
//
//   1. T1 removes a leaf: it clears the entry and drops the lock.
//   2. T2 truncates: it removes the file's pages from every area, finds no entry, and goes on.
//   3. T2 finds the folio mapped, by nothing.
//   4. T1 drops the mapping.
//
// Guard: zapLeaf() of Zap.swift holds the table's lock until the mapping count is down. Step 2 runs
// at T1's first write to the struct page, which is that count: T2 has to wait. Run time: 0.03 s. A
// failure shows a removal that ended with the folio still mapped (CI16, CI59).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test(
    "C51: no removal ends while a mapping that it found cleared is counted",
    .enabled(if: FaultPoint.isSupported), arguments: LeafSize.allCases)
  func c51(size: LeafSize) throws {
    let leaf = try MappedLeaf(.generic, size)
    let mapping = unsafe MappingPointer(leaf.world.vma.pointee.mapping!)
    let ended = Flag()
    var (truncation, mappings, wasEarly) = (NativeThread?.none, 0, false)
    let reached = unsafe FaultPoint.run(at: leaf.world.page(0), on: .write) {
      mappings = leaf.counts.mappings
      truncation = .begun {
        unsafe unmap_mapping_pages(mapping.pointer, 0, 0, true)
        ended.raise()
      }
      wasEarly = poll(milliseconds: 30) { ended.isRaised }
    } body: {
      do {
        try leaf.space.discard(leaf.range)
      } catch {
        Issue.record("\(error)")
      }
    }
    truncation?.join()
    #expect(reached && mappings == 1)
    #expect(!wasEarly, "the truncation went on with a folio that is mapped")
    #expect(leaf.counts == Counts(1, 0))
  }
}

/// A mapping that another thread is told of.
@safe
private struct MappingPointer: @unchecked Sendable {
  // @unchecked: its own locks order what threads do with it.
  let pointer: UnsafeMutablePointer<address_space>
  init(_ pointer: UnsafeMutablePointer<address_space>) { unsafe self.pointer = pointer }
}
