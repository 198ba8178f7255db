// SPDX-License-Identifier: MIT

// C57 (v6.18, unreached there): a fork that copies a leaf at the PUD level without counting it.
//
//   1. T1 maps a folio by a leaf at the PUD level, and forks: the child's copy is like the
//      parent's, and takes neither reference nor mapping.
//   2. The child removes its leaf: one of each goes.
//   3. The parent removes its own: one of each goes, of somebody else's.
//
// Guard: copyLeaf() of Fork.swift copies special leaves only; others come back by faults. No
// interleaving is needed. Run time: none to speak of. A failure shows a leaf in the child (CI18),
// or counts that the child's end changed (CI21).

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C57: a counted leaf is not copied, so that both ends give back what one owns")
  func c57() throws {
    let leaf = try MappedLeaf(.generic, .pud)
    let idle = Counts(leaf.counts.references - 1, leaf.counts.mappings - 1)
    let before = leaf.counts
    let child = try leaf.space.fork()
    let copy = entry(child, leaf.range.lowerBound, PGTABLE_LEVEL_PUD)
    try #require(copy.pte == 0, "the child's leaf owns nothing")
    #expect(leaf.counts == before)
    try child.unmap(leaf.world.area.range)
    #expect(leaf.counts == before)
    try leaf.space.unmap(leaf.world.area.range)
    #expect(leaf.counts == idle && leaf.space.counters.filePages == 0)
  }
}
