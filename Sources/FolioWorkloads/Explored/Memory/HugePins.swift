// SPDX-License-Identifier: MIT

// Pins of a huge leaf, by the fast walk and under the leaf's lock, against its removal and its split
// (spec: core.md 12.4, 12.6, T14, CI41).

import CFolio
import FolioCore

/// A folio of two pages that one leaf maps, and the owner that formed it.
@safe
private struct PinnedLeaf {
  let world: PinnedPage
  let owner: ScenarioOwner
  let folio: UnsafeMutablePointer<folio>

  init(_ settings: Scenario.Settings) throws {
    world = try PinnedPage(settings, threads: 1)
    owner = try ScenarioOwner(of: world.pages, order: 1)
    unsafe folio = world.pages.folio(0)
    try owner.form()
    try world.space.mapLeaf(0, at: 0)
  }

  /// At the end nobody has a reference.
  func race(
    pinner: @escaping () -> Void, unmapper: @escaping () -> Void, conclude: @escaping () -> Void
  ) -> ProgramWorld {
    ProgramWorld(
      [(name: "pinner", body: pinner), (name: "unmapper", body: unmapper)],
      conclude: {
        world.pages.require(0, references: 0)
        conclude()
      },
      tearDown: {
        owner.free()
        world.tearDown()
      })
  }

  func requireUnpinned() {
    require(unsafe !folio_maybe_dma_pinned(folio), "CI2", "pins are left at the end")
  }
}

enum HugePins {
  static let scenarios = [huge, forming, slow]

  /// T14, C21: pins of a large folio, its removal, and its split when nobody has it.
  private static let huge = Scenario(
    "pin-huge", "fast pins of a huge leaf against its removal and split: no pin is left behind",
    rules: [.strict, .kernel], obligations: ["pinned", "not pinned", "split", "still in use"]
  ) { settings in
    let leaf = try PinnedLeaf(settings)
    let (world, folio) = unsafe (leaf.world, leaf.folio)
    let obligations = settings.obligations
    return leaf.race(
      pinner: {
        let count = world.walks[0].take(2)
        obligations.reach(count == 2 ? 0 : 1)
        guard count > 0 else { return }
        require(count == 2, "CI41", "half of a leaf is pinned")
        require(unsafe folio_maybe_dma_pinned(folio), "CI58", "a pin that is not seen")
        require(world.payload.read() == 0, "CI59", "a pinned page was given away")
        world.walks[0].unpin(count)
      },
      unmapper: {
        _ = world.space.zap(0, PGTABLE_LEVEL_PMD)
        guard unsafe folio_ref_count(folio) == 0, world.reuseIfIdle() else {
          return obligations.reach(3)
        }
        do throws(PageMapError) {
          try leaf.owner.split()
          obligations.reach(2)
        } catch {
          report("CI33", "an idle folio cannot be split")
        }
      },
      conclude: {
        if unsafe folio_test_large(folio) {
          leaf.requireUnpinned()
        } else {
          world.pages.requireSmall(1)
        }
      })
  }

  /// T10: the page that a PTE mapped is large when the walk takes its references, which are a small
  /// folio's: they are given back, and no pin is left.
  private static let forming = Scenario(
    "pin-form", "a fast pin of a page against its removal and a large folio made of it (T10)",
    rules: [.strict], obligations: ["pinned", "not pinned", "large", "still in use"]
  ) { settings in
    let world = try PinnedPage(settings, threads: 1)
    let owner = try ScenarioOwner(of: world.pages, order: 1)
    let folio = unsafe world.pages.folio(0)
    try world.space.map(0, at: 0)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (name: "pinner", body: world.pinner(0, obligations)),
        (
          name: "owner",
          body: {
            _ = world.space.zap(0)
            guard unsafe folio_ref_count(folio) == 0, world.reuseIfIdle() else {
              return obligations.reach(3)
            }
            do throws(PageMapError) {
              try owner.form()
              let reference = try owner.raise()
              obligations.reach(2)
              reference.release()
            } catch {
              report("CI33", "no folio can be made of idle pages")
            }
          }
        ),
      ],
      conclude: {
        world.pages.require(0, references: 0)
        require(unsafe !folio_maybe_dma_pinned(folio), "CI2", "pins are left at the end")
      },
      tearDown: {
        owner.free()
        world.tearDown()
      })
  }

  /// Pins under the lock of the leaf, and more of them on top, against its removal.
  private static let slow = Scenario(
    "pin-slow",
    "pins of a huge leaf under its lock against removal: each is counted as it is taken",
    rules: [.strict, .kernel], obligations: ["pinned", "gone", "idle", "in use at the removal"]
  ) { settings in
    let leaf = try PinnedLeaf(settings)
    let (world, folio) = unsafe (leaf.world, leaf.folio)
    let obligations = settings.obligations
    return leaf.race(
      pinner: {
        let place = unsafe pgtable_walk_lock(world.space.mm, 0, PGTABLE_LEVEL_PMD)
        let isMapped = unsafe pmd_leaf(ptep_get(place.entry!))
        let result = isMapped ? unsafe try_grab_folio(folio, 2, FOLL_PIN) : -1
        unsafe spin_unlock(place.lock!)
        obligations.reach(isMapped ? 0 : 1)
        guard isMapped else { return }
        require(result == 0, "CI44", "a mapped folio cannot be pinned")
        unsafe folio_add_pin(folio)
        require(world.payload.read() == 0, "CI59", "a pinned page was given away")
        unsafe unpin_user_folio(folio, 3)
      },
      unmapper: {
        _ = world.space.zap(0, PGTABLE_LEVEL_PMD)
        obligations.reach(world.reuseIfIdle() ? 2 : 3)
      },
      conclude: { leaf.requireUnpinned() })
  }
}
