// SPDX-License-Identifier: MIT

// C56 (v6.15): a leaf marked special although its folio is counted.
//
//   1. T1 maps a folio by a leaf that owns a reference and a mapping, and is marked special.
//   2. T1 forks: special entries count nothing, so the child gets a copy of it.
//   3. The child ends and gives back what the parent's leaf owns.
//
// Guard: LeafInsertion.count() of InsertLeaf.swift marks what is not counted, and nothing else,
// unless the address space is told to be v6.15's. No interleaving is needed. Run time: none to
// speak of. A failure shows a leaf in the child that owns nothing (CI4, CI18), and a fast walk that
// refuses the parent's.

import CFolio
import FolioCore
import TestSupport
import Testing

extension Regressions {
  @Test("C56: a counted leaf is no special one", arguments: LeafSize.allCases)
  func c56(size: LeafSize) throws {
    let leaf = try MappedLeaf(.generic, size)
    let before = leaf.counts
    #expect(!pte_special(leaf.world.entry(0, size.level)))
    let pins = try leaf.space.pin(leaf.range, .write)
    #expect(leaf.counts == Counts(before.references + size.pages, before.mappings))
    pins.release()
    let child = try leaf.space.fork()
    let copy = entry(child, leaf.range.lowerBound, size.level)
    try #require(copy.pte == 0, "the child's leaf owns nothing")
    #expect(leaf.counts == before && child.counters.filePages == 0)
    #expect(leaf.world.map.audit(mappedBy: [leaf.space, child]).isEmpty)
  }
}
