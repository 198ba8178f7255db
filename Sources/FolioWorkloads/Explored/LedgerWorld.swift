// SPDX-License-Identifier: MIT

// What the scenarios of references have in common: pages, a ghost ledger of who holds them, and
// threads that differ in what they run.

import CFolio
import FolioCore

/// Base of the scenarios whose references a ghost ledger counts.
@safe
class LedgerWorld<Pages: ScenarioPages>: ScenarioWorld {
  final let threads: [ScenarioThread]
  var hasOnlyWords: Bool { true }
  final let checksSteps = true
  final let pages: Pages
  final let ledger: GhostLedger
  private let obligations: Obligations

  /// - Parameter references: of the first pages, which have so many by now; nil: not looked at.
  init(
    _ settings: Scenario.Settings, _ threads: [ScenarioThread], _ pages: Pages,
    _ references: [Int32?]
  ) {
    self.threads = threads
    self.pages = pages
    ledger = GhostLedger(pages, references)
    obligations = settings.obligations
  }

  /// An interesting state was reached.
  final func reach(_ index: Int) { obligations.reach(index) }

  func run(_ thread: Int) { preconditionFailure("a world without threads") }

  final func prepare() {
    pages.prepare()
    ledger.prepare()
  }

  final func check() {
    checkStep()
    ledger.check()
  }

  /// After each step, in front of the look at the ledger.
  func checkStep() {}

  func conclude() { ledger.check() }

  func tearDown() {
    ledger.free()
    pages.tearDown()
  }
}

extension [ScenarioThread] {
  /// Threads that run different code each.
  static func apart(_ names: String...) -> Self {
    names.enumerated().map { ScenarioThread($1, group: $0 + 1) }
  }

  /// So many that run the same code over the same words, numbered from 1.
  static func alike(_ name: String, _ count: Int, group: Int = 1) -> Self {
    (1...count).map { ScenarioThread("\(name) \($0)", group: group) }
  }

  /// One, and so many others.
  static func one(_ name: String, against other: String, _ count: Int) -> Self {
    apart(name) + alike(other, count, group: 2)
  }
}

/// An owner of pages of a map, where closures and threads of a scenario can have it.
@safe
struct ScenarioOwner {
  private let owner: UnsafeMutablePointer<PageOwner>

  /// Owns the folio that begins with the map's first page.
  init(of pages: DevicePages, order: Int = 0) throws {
    unsafe owner = .allocate(capacity: 1)
    unsafe owner.initialize(to: try pages.map.claim(frame: pages.frame(0), order: order))
  }

  func form() throws(PageMapError) { unsafe try owner.pointee.form() }
  func split() throws(PageMapError) { unsafe try owner.pointee.split() }
  func raise() throws(PageMapError) -> FolioReference { try unsafe owner.pointee.raise() }

  func free() {
    unsafe owner.deinitialize(count: 1)
    unsafe owner.deallocate()
  }
}
