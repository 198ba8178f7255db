// SPDX-License-Identifier: MIT

// Pages that a driver hands out and gets back (spec: core.md 5.3, CI26, CI27): the free path against
// speculative getters, and against the driver that hands the page out again at once.

import CFolio
import FolioCore

/// One page of a driver's map: where it is, and the word that says so.
@safe
class DriverWorld: LedgerWorld<DevicePages> {
  /// 1 while the page is home.
  private let home: SharedWord
  /// References on the map while the page is home.
  private let idleReferences: Int

  /// The page is out, with one reference.
  init(
    _ settings: Scenario.Settings, _ threads: [ScenarioThread], _ kind: PageMap.Kind
  ) throws {
    let home = try SharedWord("home")
    self.home = home
    let pages = try DevicePages(kind, settings.rules) { frame in
      if home.exchange(1) != 0 {
        unsafe cfolio_violation_text("CI22", frame, "a page that is home came home")
      }
    }
    idleReferences = unsafe percpu_ref_value(&pages.map.pgmap.pointee.ref)
    unsafe percpu_ref_get(&pages.map.pgmap.pointee.ref)
    unsafe set_page_count(pages.page(0), 1)
    super.init(settings, threads, pages, [1])
  }

  final var isHome: Bool { home.load() != 0 }

  /// The driver's allocator: at most one caller gets the page.
  final func take() -> Bool { home.exchange(0) == 1 }

  /// Gives the page its first reference, as whoever took it.
  final func begin() {
    ledger.take(0) {
      unsafe zone_device_page_init(pages.page(0))
      unsafe folio_unlock(pages.folio(0))
    }
  }

  final func put() { ledger.drop(0) { unsafe folio_put(pages.folio(0)) } }

  /// Uses the page that was handed out: its mapping word is the user's until the put.
  final func use(by user: UInt) {
    let folio = unsafe pages.folio(0)
    unsafe folio_set_mapping_word(folio, user)
    if unsafe folio_mapping_word(folio) != user {
      unsafe cfolio_violation_text(
        "CI61", pages.frame(0), "the mapping of a page in use was changed by somebody else")
    }
    put()
  }

  /// At the end: home, R as when idle, and the map's references are those of its frames.
  override func conclude() {
    super.conclude()
    pages.require(0, references: 0)
    if !isHome { unsafe cfolio_violation_text("CI22", pages.frame(0), "the page is not home") }
    let references = unsafe percpu_ref_value(&pages.map.pgmap.pointee.ref)
    if references != idleReferences {
      unsafe cfolio_violation_text(
        "CI28", pages.frame(0), "\(references) references on the map, not \(idleReferences)")
    }
  }

  override func tearDown() {
    unsafe put_dev_pagemap(pages.map.pgmap)
    super.tearDown()
    home.free()
  }
}

/// T8 with reuse: a getter by frame number against the last put and the page's next life.
@safe
final class Reuse: DriverWorld {
  static let scenario = Scenario(
    "reuse", "try_get against the last put and reuse: nobody holds a page that is home",
    rules: [.strict, .kernel],
    obligations: [
      "a getter is refused", "a getter is the last of a life", "the page is handed out again",
    ]
  ) { try Reuse($0) }

  init(_ settings: Scenario.Settings) throws {
    try super.init(settings, .apart("holder", "driver", "getter"), .pciP2PDMA)
  }

  override func run(_ thread: Int) {
    switch thread {
    case 0: put()
    case 1: handOut()
    default: get()
    }
  }

  private func handOut() {
    guard take() else { return }
    reach(2)
    begin()
    use(by: 0x1000)
  }

  private func get() {
    let folio = unsafe pages.folio(0)
    guard ledger.tryTake(0, 1, { unsafe try_get_folio(pages.page(0), 1) != nil }) else {
      reach(0)
      return
    }
    if isHome {
      unsafe cfolio_violation_text("CI38", pages.frame(0), "a reference to a page at home")
    }
    if unsafe folio_ref_count(folio) == 1 { reach(1) }
    put()
  }
}

/// Two drivers' threads that want the page as soon as it comes home.
@safe
final class HandOut: DriverWorld {
  static let scenario = Scenario(
    "hand-out", "the free path of a private page against its next users: one life at a time",
    size: 2, sizes: 1...3,
    obligations: ["a taker finds nothing", "the page is handed out again"]
  ) { try HandOut($0) }

  init(_ settings: Scenario.Settings) throws {
    let takers = (1...settings.size).map { ScenarioThread("taker \($0)", group: 1 + $0) }
    try super.init(settings, .apart("holder") + takers, .devicePrivate)
  }

  override func run(_ thread: Int) {
    if thread == 0 {
      put()
      return
    }
    guard take() else {
      reach(0)
      return
    }
    reach(1)
    begin()
    use(by: UInt(thread) << 12)
  }
}

/// `PageOwner.raise()` by threads that share an owner: one of them gets the page, and it alone costs
/// the map a reference.
@safe
final class OwnerRaise: ScenarioWorld {
  static let scenario = Scenario(
    "owner-raise", "raises of one page that is home: one gets it, the others leave nothing behind",
    size: 2, sizes: 2...3, obligations: ["the first raiser gets it", "another raiser gets it"]
  ) { try OwnerRaise($0) }

  let threads: [ScenarioThread]
  let hasOnlyWords = true
  private let pages: DevicePages
  private let owner: ScenarioOwner
  /// Raises that succeeded.
  private let raises: SharedWord
  private let idleReferences: Int
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    threads = .alike("raiser", settings.size)
    pages = try DevicePages(.deviceCoherent, settings.rules)
    idleReferences = pages.map.mapReferenceCount
    raises = try SharedWord("raises")
    owner = try ScenarioOwner(of: pages)
  }

  func run(_ thread: Int) {
    do throws(PageMapError) {
      _ = unsafe try owner.raise().leak()
    } catch {
      return
    }
    obligations.reach(min(thread, 1))
    if raises.add(1) != 1 {
      unsafe cfolio_violation_text("CI26", pages.frame(0), "a page in use was handed out")
    }
  }

  func conclude() {
    pages.require(0, references: 1)
    let references = unsafe percpu_ref_value(&pages.map.pgmap.pointee.ref)
    if references != idleReferences + 1 {
      unsafe cfolio_violation_text(
        "CI28", pages.frame(0), "\(references) references on the map for one page that is out")
    }
  }

  func tearDown() {
    owner.free()
    pages.tearDown()
    raises.free()
  }
}

/// An owner that raises a page while its last put is on the way: R is 0 and the free path is not done.
@safe
final class RaiseLate: ScenarioWorld {
  static let scenario = Scenario(
    "raise-late", "a raise against the last put of the life before: the page is out or home",
    obligations: ["the page is still out", "the page is on its way home", "a second life"]
  ) { try RaiseLate($0) }

  private enum Obligation: Int { case out, late, again }

  let threads: [ScenarioThread] = .apart("holder", "owner")
  let hasOnlyWords = true
  private let pages: DevicePages
  private let owner: ScenarioOwner
  /// Lives begun and ended.
  private let begun: SharedWord
  private let ended: SharedWord
  private let idleReferences: Int
  private let obligations: Obligations

  init(_ settings: Scenario.Settings) throws {
    obligations = settings.obligations
    begun = try SharedWord("begun", 1)
    let ended = try SharedWord("ended")
    self.ended = ended
    pages = try DevicePages(.pciP2PDMA, settings.rules) { _ in _ = ended.add(1) }
    idleReferences = unsafe percpu_ref_value(&pages.map.pgmap.pointee.ref)
    owner = try ScenarioOwner(of: pages)
    _ = unsafe try owner.raise().leak()
  }

  private func reach(_ obligation: Obligation) { obligations.reach(obligation.rawValue) }

  func run(_ thread: Int) {
    let folio = unsafe pages.folio(0)
    if thread == 0 {
      unsafe folio_put(folio)
      return
    }
    do throws(PageMapError) {
      _ = unsafe try owner.raise().leak()
    } catch {
      reach(unsafe folio_ref_count(folio) == 0 ? .late : .out)
      return
    }
    reach(.again)
    _ = begun.add(1)
    unsafe folio_set_mapping_word(folio, 0x1000)
    if unsafe folio_mapping_word(folio) != 0x1000 || folio_ref_count(folio) != 1 {
      unsafe cfolio_violation_text(
        "CI61", pages.frame(0), "words of a page in use were changed by its life before")
    }
    unsafe folio_put(folio)
  }

  func conclude() {
    let (lives, ends) = (begun.load(), ended.load())
    if lives != ends {
      unsafe cfolio_violation_text("CI22", pages.frame(0), "\(lives) lives, \(ends) ends")
    }
    pages.require(0, references: unsafe pgmap_idle_count(pages.map.pgmap))
    if unsafe percpu_ref_value(&pages.map.pgmap.pointee.ref) != idleReferences {
      unsafe cfolio_violation_text("CI28", pages.frame(0), "references on the map drifted")
    }
  }

  func tearDown() {
    owner.free()
    unsafe put_dev_pagemap(pages.map.pgmap)
    pages.tearDown()
    begun.free()
    ended.free()
  }
}
