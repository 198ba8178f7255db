// SPDX-License-Identifier: MIT

// Forks of file mappings (spec: core.md 4, CI12, CI15): the child's mapping comes while the parent's goes
// and somebody asks whether the folio is shared.

import CFolio
import FolioCore

enum Forks {
  static let scenarios = [
    scenario("rmap-fork-small", "a page is forked and unmapped while others ask", order: 0),
    scenario("rmap-fork", "pages of a folio are forked and unmapped while others ask", order: 2),
    scenario("rmap-fork-huge", "a huge entry is forked and unmapped while others ask", order: 9),
  ]

  private static let (parent, child): (mm_id_t, mm_id_t) = (11, 22)

  private static func scenario(_ name: String, _ title: String, order: Int) -> Scenario {
    Scenario(
      name, title + ": shared means two mappings", rules: [.strict],
      obligations: ["shared", "not shared", "the child was last"]
    ) { settings in
      let map = try PageMap(.fsdax, pages: max(1 << order, 1), .init(compoundOrder: order))
      let (folio, page) = unsafe (
        map.folio(map.frames.lowerBound), map.page(map.frames.lowerBound)
      )
      // An entry for each of two pages, one for the only page, or one for all.
      let entries: Int32 = order == 2 ? 2 : 1
      let add = { (mm: mm_id_t) in
        if order == 9 {
          unsafe folio_add_file_rmap_pmd(folio, mm)
        } else {
          for index in 0..<Int(entries) { unsafe folio_add_file_rmap_pte(folio, page + index, mm) }
        }
      }
      let remove = { (mm: mm_id_t) in
        if order == 9 {
          unsafe folio_remove_rmap_pmd(folio, mm)
        } else {
          unsafe folio_remove_rmap_ptes(folio, page, entries, mm)
        }
      }
      add(parent)
      let forked = try SharedWord("forked")
      let obligations = settings.obligations
      return ProgramWorld(
        [
          (
            name: "parent",
            body: {
              if order == 9 {
                unsafe folio_dup_file_rmap_pmd(folio, child)
              } else {
                unsafe folio_dup_file_rmap_ptes(folio, page, entries, child)
              }
              forked.storeRelease(1)
              remove(parent)
            }
          ),
          (
            name: "child",
            body: {
              let isForked = forked.loadAcquire() == 1
              let isShared = unsafe folio_maybe_mapped_shared(folio)
              obligations.reach(isShared ? 0 : 1)
              guard isForked else { return }
              remove(child)
              if unsafe !folio_mapped(folio) { obligations.reach(2) }
            }
          ),
        ],
        conclude: {
          if unsafe folio_mapped(folio) {
            let isShared = unsafe folio_maybe_mapped_shared(folio) && entries == 1
            require(!isShared, "CI15", "one mapping, and shared")
            remove(child)
          }
          require(unsafe folio_mapcount(folio) == 0, "CI4", "a mapping is left over")
          guard order > 0 else { return }
          let slots = unsafe folio_mm_slots(folio)
          require(slots.id0 == 0 && slots.id1 == 0, "CI15", "an owner is left over")
        },
        tearDown: {
          remove(parent)
          forked.free()
          // Executions undo what they map.
          try! map.unmap()
        })
    }
  }
}
