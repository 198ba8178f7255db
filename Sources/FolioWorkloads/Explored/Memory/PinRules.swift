// SPDX-License-Identifier: MIT

// What fast pins must refuse, and what they must not count (spec: core.md 12.4, 12.7, T6, CI20, CI42, CI43).

import CFolio
import FolioCore

enum PinRules {
  static let scenarios = [
    longTerm, deviceDax, peerToPeer, peerToPeerSplit, zeroPage, forkRead, share,
  ]

  /// A walk with flags that the page does not allow, and one with flags that it does, against removal.
  private static func refused(
    _ name: String, _ title: String, _ kind: PageMap.Kind, _ invariant: StaticString,
    flags: UInt32, allowed: UInt32
  ) -> Scenario {
    Scenario(name, title, rules: [.strict], obligations: ["pinned as allowed", "gone"]) {
      settings in
      let pages = try DevicePages(kind, settings.rules)
      let space = try AddressSpace(pages: pages)
      if kind == .pciP2PDMA { unsafe zone_device_page_init(pages.page(0)) }
      try space.map(0, at: 0)
      let walk = try FastWalk(space)
      let obligations = settings.obligations
      return ProgramWorld(
        [
          (
            name: "pinner",
            body: {
              if walk.take(1, flags | FOLL_PIN) == 1 {
                report(invariant, "a pin that the page does not allow")
                walk.unpin()
              }
              let isPinned = walk.take(1, allowed | FOLL_PIN) == 1
              obligations.reach(isPinned ? 0 : 1)
              if isPinned { walk.unpin() }
            }
          ), (name: "unmapper", body: { _ = space.zap(0) }),
        ],
        conclude: { pages.require(0, references: kind == .fsdax ? 0 : 1) },
        tearDown: {
          walk.free()
          space.tearDown()
          if kind == .pciP2PDMA {
            unsafe folio_unlock(pages.folio(0))
            unsafe folio_put(pages.folio(0))
          }
          pages.tearDown()
        })
    }
  }

  private static let longTerm = refused(
    "pin-longterm", "long-term fast pins of a file's page are refused, while it goes (CI43)",
    .fsdax, "CI43", flags: FOLL_LONGTERM, allowed: 0)

  private static let deviceDax = refused(
    "pin-device-dax",
    "long-term fast pins for writing need an anonymous page, others do not (12.6)",
    .generic, "CI43", flags: FOLL_LONGTERM | FOLL_WRITE, allowed: FOLL_LONGTERM)

  private static let peerToPeer = refused(
    "pin-peer", "fast pins of peer-to-peer memory need their flag, while it goes (C23)",
    .pciP2PDMA, "CI44", flags: 0, allowed: FOLL_PCI_P2PDMA)

  /// C29: while a folio is split the kernel's pages show no map for a moment. Which kind of memory
  /// they are a walk has to know all the same.
  private static let peerToPeerSplit = Scenario(
    "pin-peer-split",
    "a fast pin of peer-to-peer memory that is freed, split from a folio and mapped again (C23, C29)",
    rules: [.kernel, .strict], obligations: ["mapped again", "refused"]
  ) { settings in
    let pages = try DevicePages(.pciP2PDMA, settings.rules)
    let space = try AddressSpace(pages: pages)
    let (folio, page) = unsafe (pages.folio(0), pages.page(0))
    let place = unsafe try space.place(0)
    let map = {
      unsafe zone_device_page_init(page)
      unsafe folio_unlock(folio)
      unsafe set_pte_at(place.entry!, pfn_pte(pages.frame(0), _PAGE_PRESENT | _PAGE_RW))
    }
    map()
    let walk = try FastWalk(space)
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard walk.take(1, FOLL_PIN) == 1 else { return obligations.reach(1) }
            report("CI44", "peer-to-peer memory is pinned without its flag")
            walk.unpin()
          }
        ),
        (
          name: "owner",
          body: {
            _ = unsafe ptep_get_and_clear(place.entry!)
            unsafe folio_put(folio)
            guard unsafe folio_ref_count(folio) == 0 else {
              return report("CI44", "a walk that is refused has taken a reference")
            }
            unsafe prep_compound_page(page, 1)
            unsafe folio_split_to_order_0(folio)
            map()
            obligations.reach(0)
          }
        ),
      ],
      conclude: {
        let isMapped = unsafe pte_present(ptep_get(place.entry!))
        pages.require(0, references: isMapped ? 1 : 0)
      },
      tearDown: {
        walk.free()
        _ = unsafe ptep_get_and_clear(place.entry!)
        unsafe folio_put(folio)
        space.tearDown()
        pages.tearDown()
      })
  }

  /// The zero page is mapped by a special entry and pinned through another: neither counts.
  private static let zeroPage = Scenario(
    "pin-zero", "pins of the zero page change no counter (CI20)",
    rules: [.strict], obligations: ["pinned"]
  ) { settings in
    let pages = try DevicePages(.fsdax, settings.rules)
    let space = try AddressSpace(pages: pages)
    let place = unsafe try space.place(0)
    unsafe folio_ref_inc(pages.folio(0))
    unsafe set_pte_at(place.entry!, pfn_pte(pages.frame(0), _PAGE_PRESENT))
    unsafe cfolio_set_zero_folios(pages.page(0), nil)
    let walk = try FastWalk(space)
    let obligations = settings.obligations
    let pin = {
      guard walk.take() == 1 else { return }
      obligations.reach(0)
      require(unsafe page_ref_count(pages.page(0)) == 1, "CI20", "a pin of the zero page counts")
      walk.unpin()
    }
    return ProgramWorld(
      [
        (name: "pinner", body: pin),
        (name: "unmapper", body: { _ = unsafe ptep_get_and_clear(place.entry!) }),
      ],
      conclude: { pages.require(0, references: 1) },
      tearDown: {
        walk.free()
        cfolio_set_zero_folios(nil, nil)
        _ = unsafe ptep_get_and_clear(place.entry!)
        unsafe folio_put(pages.folio(0))
        space.tearDown()
        pages.tearDown()
      })
  }

  /// An anonymous page that a map has alone, and whoever walks there.
  @safe
  private struct OwnPage {
    let pages: DevicePages
    let space: AddressSpace
    let place: pgtable_place
    let walk: FastWalk

    init(_ settings: Scenario.Settings, _ bits: UInt) throws {
      pages = try DevicePages(.deviceCoherent, settings.rules)
      space = try AddressSpace(pages: pages)
      unsafe zone_device_page_init(pages.page(0))
      unsafe folio_move_anon_rmap(pages.folio(0), 0x1000)
      unsafe folio_unlock(pages.folio(0))
      unsafe place = try space.place(0)
      unsafe folio_add_new_anon_rmap(pages.folio(0), space.mm.pointee.mm_id, true)
      unsafe set_pte_at(place.entry!, pfn_pte(pages.frame(0), _PAGE_PRESENT | bits))
      walk = try FastWalk(space)
    }

    var folio: UnsafeMutablePointer<folio> { unsafe pages.folio(0) }
    var page: UnsafeMutablePointer<page> { unsafe pages.page(0) }

    func tearDown() {
      walk.free()
      space.tearDown()
      pages.tearDown()
    }
  }

  /// C59: a page that is mapped for reading stops being this map's alone: by a pin that was there
  /// before it is given up, or the pin finds it shared (T6).
  private static let share = Scenario(
    "pin-share", "a fast pin for reading against giving up exclusivity: one sees the other (T6)",
    rules: [.strict], obligations: ["pinned", "refused", "found pinned", "shared"]
  ) { settings in
    let own = try OwnPage(settings, 0)
    let (walk, place) = unsafe (own.walk, own.place)
    let (kept, shared) = (try SharedWord("kept"), try SharedWord("shared"))
    let obligations = settings.obligations
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            let isPinned = walk.take() == 1
            obligations.reach(isPinned ? 0 : 1)
            if isPinned { kept.store(1) }
          }
        ),
        (
          name: "sharer",
          body: {
            unsafe spin_lock(place.lock!)
            let old = unsafe ptep_get_and_clear(place.entry!)
            let isBusy = unsafe folio_try_share_anon_rmap_pte(own.folio, own.page) != 0
            obligations.reach(isBusy ? 2 : 3)
            if !isBusy { shared.store(1) }
            unsafe set_pte_at(place.entry!, old)
            unsafe spin_unlock(place.lock!)
          }
        ),
      ],
      conclude: {
        require(
          kept.load() == 0 || shared.load() == 0, "CI42", "a page is pinned as it was, and shared")
        if kept.load() == 1 { walk.unpin() }
        own.pages.require(0, references: 1)
      },
      tearDown: {
        own.tearDown()
        kept.free()
        shared.free()
      })
  }

  /// C17, C18: an anonymous page that is this map's alone is pinned for reading while a fork shares it.
  private static let forkRead = Scenario(
    "pin-fork-read", "a fast pin for reading against a fork: a pinned page is not shared (CI42)",
    rules: [.strict], obligations: ["pinned", "not pinned", "the fork copies", "the fork shares"]
  ) { settings in
    let own = try OwnPage(settings, _PAGE_RW)
    let (mm, place, walk) = unsafe (own.space.mm, own.place, own.walk)
    let (folio, page) = unsafe (own.folio, own.page)
    let obligations = settings.obligations
    let child: mm_id_t = 2
    return ProgramWorld(
      [
        (
          name: "pinner",
          body: {
            guard walk.take() == 1 else { return obligations.reach(1) }
            obligations.reach(0)
            require(unsafe folio_mapcount(folio) == 1, "CI42", "a pinned page has a second mapping")
            walk.unpin()
          }
        ),
        (
          name: "fork",
          body: {
            unsafe write_protect_seq_begin(mm)
            unsafe spin_lock(place.lock!)
            let sequence = unsafe UInt32(bitPattern: atomic_read(&mm.pointee.write_protect_seq))
            let isPinned = unsafe folio_needs_cow_for_dma(
              atomic_read(&mm.pointee.has_pinned) != 0, sequence, folio)
            unsafe folio_get(folio)
            if unsafe folio_try_dup_anon_rmap_pte(folio, page, child, isPinned) == 0 {
              unsafe ptep_set_wrprotect(place.entry!)
              obligations.reach(3)
            } else {
              unsafe folio_put(folio)
              obligations.reach(2)
            }
            unsafe spin_unlock(place.lock!)
            unsafe write_protect_seq_end(mm)
          }
        ),
      ],
      conclude: {
        let mappings = unsafe folio_mapcount(folio)
        own.pages.require(0, references: mappings)
      }, tearDown: { own.tearDown() })
  }
}
