// SPDX-License-Identifier: MIT

// Mapping counters under several address spaces at once (spec: core.md section 8, C53). Each thread
// is an mm with a table of its own: what it maps it unmaps. Folios of order 0, 2 and 9, with and
// without per-page counts and MM ids (CI12-CI16).

import CFolio
package import FolioCore

package final class RmapRound: StressRound {
  package static let scenario = StressScenario(
    "rmap", "mappings of small and large folios by several address spaces"
  ) { try RmapRound($0) }

  package let maps: [PageMap]
  package let coverage: [CoverageItem]
  private enum Item: Int { case map, mapLeaf, unmap }
  private let settings: RoundSettings
  private let folios: [Target]

  /// Entries that a thread left in place at its end.
  private let tables: [Table]

  private final class Table: @unchecked Sendable {
    // @unchecked: written by its thread, read after that thread was joined.
    var entries: [Entry] = []
  }

  private struct Target: Sendable {
    let map: PageMap
    let frame: UInt
    let order: Int
    /// Mapped entries of all threads.
    let mapped = SharedCount()
  }

  init(_ settings: RoundSettings) throws(PageMapError) {
    self.settings = settings
    coverage = [
      CoverageItem("pages mapped"),
      CoverageItem("a folio mapped by a PMD leaf", isRequired: settings.rules != .legacy),
      CoverageItem("pages unmapped"),
    ]
    var maps: [PageMap] = []
    var folios: [Target] = []
    for mode in 0..<4 {
      let map = try settings.makeMap(.fsdax, pages: 1024) {
        $0.perPageMapcount = mode & 1 == 0
        $0.ownerTracking = mode & 2 == 0
      }
      let first = map.frames.lowerBound
      // Legacy device pages form no folios.
      let shapes =
        settings.rules == .legacy
        ? [(first, 0), (first + 4, 0)] : [(first, 0), (first + 4, 2), (first + 512, 9)]
      for (frame, order) in shapes {
        if order > 0 { unsafe prep_compound_page(map.page(frame), UInt32(order)) }
        unsafe folio_ref_inc(map.folio(frame))
        folios.append(Target(map: map, frame: frame, order: order))
      }
      maps.append(map)
    }
    self.maps = maps
    self.folios = folios
    tables = (0..<settings.threads).map { _ in Table() }
  }

  /// One entry range of this thread's tables.
  private struct Entry {
    let target: Target
    let offset: Int
    /// Pages of the entry; 0: the whole folio by one PMD leaf.
    let pages: Int
  }

  package func work(_ worker: inout Worker) {
    var entries: [Entry] = []
    let mm = mm_id_t(worker.index + 1)
    while worker.isRunning {
      if entries.count > 24 || (!entries.isEmpty && worker.pick(2) == 0) {
        unmap(entries.remove(at: worker.pick(entries.count)), mm, &worker)
      } else {
        entries.append(map(&worker, mm))
      }
      if worker.pick(8) == 0 { look(&worker) }
      worker.did()
    }
    // Half of the rounds end with entries in place, for the audit to count.
    if settings.seed / 2 % 2 == 0 {
      for entry in entries { unmap(entry, mm, &worker) }
    } else {
      tables[worker.index].entries = entries
    }
  }

  private func map(_ worker: inout Worker, _ mm: mm_id_t) -> Entry {
    let target = folios[worker.pick(folios.count)]
    let total = 1 << target.order
    let isLeaf = target.order == Int(PMD_ORDER) && worker.pick(2) == 0
    let offset = isLeaf ? 0 : worker.pick(total)
    let pages = isLeaf ? 0 : 1 + worker.pick(min(total - offset, 16))
    let folio = unsafe target.map.folio(target.frame)
    let count = max(pages, 1)
    // The reference comes before the mapping; legacy mappings own none.
    if settings.rules != .legacy { unsafe folio_ref_add(folio, Int32(count)) }
    if isLeaf {
      unsafe folio_add_file_rmap_pmd(folio, mm)
    } else {
      let page = unsafe target.map.page(target.frame + UInt(offset))
      unsafe folio_add_file_rmap_ptes(folio, page, Int32(pages), mm)
    }
    target.mapped.add(count)
    worker.cover(isLeaf ? Item.mapLeaf : .map)
    return Entry(target: target, offset: offset, pages: pages)
  }

  private func unmap(_ entry: Entry, _ mm: mm_id_t, _ worker: inout Worker) {
    let folio = unsafe entry.target.map.folio(entry.target.frame)
    removeMapping(entry, mm)
    worker.cover(Item.unmap)
    guard settings.rules != .legacy else { return }
    unsafe PutPath.random(&worker, hooked: false).put(folio, max(entry.pages, 1))
  }

  /// The same without a thread's random source.
  private func remove(_ entry: Entry, _ mm: mm_id_t) {
    removeMapping(entry, mm)
    guard settings.rules != .legacy else { return }
    unsafe folio_put_refs(entry.target.map.folio(entry.target.frame), Int32(max(entry.pages, 1)))
  }

  private func removeMapping(_ entry: Entry, _ mm: mm_id_t) {
    let target = entry.target
    let folio = unsafe target.map.folio(target.frame)
    target.mapped.add(-max(entry.pages, 1))
    if entry.pages == 0 {
      unsafe folio_remove_rmap_pmd(folio, mm)
    } else {
      let page = unsafe target.map.page(target.frame + UInt(entry.offset))
      unsafe folio_remove_rmap_ptes(folio, page, Int32(entry.pages), mm)
    }
  }

  /// The questions asked of counters, by somebody who holds a reference: the round's.
  private func look(_ worker: inout Worker) {
    let target = folios[worker.pick(folios.count)]
    let folio = unsafe target.map.folio(target.frame)
    settings.log.require(
      unsafe folio_mapcount(folio) >= 0, "CI4", frame: target.frame, "negative mapcount")
    _ = unsafe folio_maybe_mapped_shared(folio)
    _ = unsafe folio_expected_ref_count(folio)
    settings.log.require(
      unsafe folio_ref_count(folio) > Int32(settings.idleCount), "CI1", frame: target.frame,
      "the round's own reference is gone")
  }

  package func settle() {
    for target in folios {
      let folio = unsafe target.map.folio(target.frame)
      let mapped = target.mapped.value
      let count = Int(unsafe folio_mapcount(folio))
      settings.log.require(
        count == mapped, "CI4", frame: target.frame, "M is \(count), \(mapped) entries are mapped")
      let references = Int(unsafe folio_ref_count(folio))
      let expected = settings.idleCount + 1 + (settings.rules == .legacy ? 0 : mapped)
      settings.log.require(
        references == expected,
        settings.rules == .legacy ? "CI3" : target.order == 0 ? "CI1" : "CI2",
        frame: target.frame, "R is \(references), expected \(expected)")
    }
  }

  package func close() throws(PageMapError) {
    for (index, table) in tables.enumerated() {
      for entry in table.entries { remove(entry, mm_id_t(index + 1)) }
    }
    for target in folios {
      let folio = unsafe target.map.folio(target.frame)
      unsafe put_page(target.map.page(target.frame))
      guard target.order > 0 else { continue }
      settings.log.require(
        unsafe folio_mapcount(folio) == 0, "CI16", frame: target.frame,
        "mapped after the last unmap")
      unsafe folio_split_to_order_0(folio)
    }
    for map in maps { try map.unmap() }
  }
}
