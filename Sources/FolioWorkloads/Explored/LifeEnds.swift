// SPDX-License-Identifier: MIT

// The end of a DAX page's life: R is 0 and the putter's free path still runs. The note that
// folio_raise() makes keeps the struct page for it (memremap.h), from a teardown that takes the
// memory away and from an owner that forms a folio over it.

import CFolio
import FolioCore

/// Two lives, one after the other or overlapping, against a teardown that gives the struct page back
/// as soon as the page is idle and no free path is noted.
@safe
final class Retire: ScenarioWorld {
  static let scenario = Scenario(
    "retire", "last puts against the end of the struct page: no free path touches it afterwards",
    rules: [.strict, .kernel],
    obligations: ["the struct page is given back", "a free path keeps it", "lives overlap"]
  ) { try Retire($0) }

  private enum Obligation: Int { case gone, kept, overlap }

  let threads: [ScenarioThread] = .apart("holder", "owner", "teardown")
  private let pages: DevicePages
  private let page: UnsafeMutablePointer<page>
  /// 1 once the owner has raised the page for the last time.
  private let raised: SharedWord
  private let gone: SharedWord
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    pages = try DevicePages(.fsdax, settings.rules)
    unsafe page = try unsafe seamMemory(CFolio.page.self)
    unsafe __init_zone_device_page(page, pages.map.pgmap)
    unsafe folio_raise(page_folio(page))
    raised = try SharedWord("raised")
    gone = try SharedWord("gone")
  }

  private func reach(_ obligation: Obligation) { obligations.reach(obligation.rawValue) }

  func run(_ thread: Int) {
    let folio = unsafe UnsafeMutableRawPointer(page).assumingMemoryBound(to: CFolio.folio.self)
    switch thread {
    case 0: unsafe folio_put(folio)
    case 1:
      unsafe folio_raise(folio)
      if unsafe page_memcg_word(page) == 2 { reach(.overlap) }
      raised.storeRelease(1)
      unsafe folio_put(folio)
    default: tearDownPage()
    }
  }

  /// As `FrameSpace.sweep` decides.
  private func tearDownPage() {
    // Who sweeps is ordered behind who raises by the lock of the claims.
    guard raised.loadAcquire() != 0 else { return }
    let frame = unsafe page_to_pfn(page)
    guard cfolio_first_busy_frame(0, frame, frame &+ 1) == UInt.max else { return }
    guard !cfolio_frees_in_progress(frame, frame &+ 1) else {
      reach(.kept)
      return
    }
    reach(.gone)
    gone.store(1)
    unsafe cfolio_free(page)
  }

  func conclude() {
    guard gone.load() == 0 else { return }
    if unsafe page_ref_count(page) != 0 {
      unsafe cfolio_violation_text("CI1", pages.frame(0), "references are left")
    }
    if unsafe page_memcg_word(page) != 0 {
      unsafe cfolio_violation_text(
        "CI32", pages.frame(0), "a life is noted that has ended: the page never goes")
    }
  }

  func tearDown() {
    unsafe cfolio_free(page)
    raised.free()
    gone.free()
    pages.tearDown()
  }
}

/// The owner forms a folio over a page whose last put has brought R to 0 and is not done yet.
@safe
final class FormLate: ScenarioWorld {
  static let scenario = Scenario(
    "form-late", "forming a folio against the end of a free path: prep waits for it",
    rules: [.strict, .kernel],
    obligations: ["the folio is formed", "the page is still in use"]
  ) { try FormLate($0) }

  let threads: [ScenarioThread] = .apart("holder", "owner")
  private let pages: DevicePages
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    pages = try DevicePages(.fsdax, settings.rules)
    unsafe folio_raise(pages.folio(1))
  }

  func run(_ thread: Int) {
    if thread == 0 {
      unsafe folio_put(pages.folio(1))
      return
    }
    guard unsafe page_ref_count(pages.page(1)) == 0 else {
      obligations.reach(1)
      return
    }
    unsafe prep_compound_page(pages.page(0), 1)
    obligations.reach(0)
  }

  func conclude() {
    pages.require(1, references: 0)
    guard unsafe PageHead(pages.page(0)) else {
      pages.requireSmall(1)
      return
    }
    let count = unsafe folio_nr_pages(pages.folio(0))
    if unsafe count != 2 || atomic_read(&pages.folio(0).pointee._unmaps) != 0 {
      unsafe cfolio_violation_text("CI8", pages.frame(0), "\(count) pages in a folio of order 1")
    }
  }

  func tearDown() { pages.tearDown() }
}

/// `PageOwner.raise()` against the first half of an unmap: after the kill and its grace period a page
/// that is idle stays idle.
@safe
final class RaiseKill: ScenarioWorld {
  static let scenario = Scenario(
    "raise-kill", "raise and put against the unmap of the map: an idle page of a dead map stays so",
    rules: [.strict],
    obligations: [
      "a raise on a dead map", "a raise before the kill", "the map is found idle",
      "the map is found busy",
    ]
  ) { try RaiseKill($0) }

  private enum Obligation: Int { case dead, raised, idle, busy }

  let threads: [ScenarioThread] = .apart("owner", "unmapper")
  private let pages: DevicePages
  private let owner: ScenarioOwner
  /// 1: the unmapper has found every page idle, struct pages may go.
  private let idle: SharedWord
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    pages = try DevicePages(.fsdax, settings.rules)
    owner = try ScenarioOwner(of: pages)
    idle = try SharedWord("idle")
  }

  private func reach(_ obligation: Obligation) { obligations.reach(obligation.rawValue) }

  func run(_ thread: Int) {
    if thread == 0 { raise() } else { unmap() }
  }

  private func raise() {
    do throws(PageMapError) {
      let reference = try owner.raise()
      reach(.raised)
      if idle.load() != 0 {
        unsafe cfolio_violation_text("CI32", pages.frame(0), "a page of an idle dead map in use")
      }
      reference.release()
    } catch {
      reach(.dead)
    }
  }

  /// As `Teardown.unmapIfIdle`: kill, grace period, look.
  private func unmap() {
    unsafe percpu_ref_kill(&pages.map.pgmap.pointee.ref)
    synchronize_rcu()
    let frame = pages.frame(0)
    guard cfolio_first_busy_frame(0, frame, frame + 1) == UInt.max else {
      reach(.busy)
      return
    }
    reach(.idle)
    idle.store(1)
  }

  func conclude() { pages.require(0, references: 0) }

  func tearDown() {
    owner.free()
    pages.tearDown()
    idle.free()
  }
}
